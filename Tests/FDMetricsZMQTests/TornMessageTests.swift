// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
@testable import FDMetricsZMQ
import FDMetricsZMQRecording
import Glibc
import Testing

/// Messages in the middle of which something happens.
@Suite struct TornMessageTests {
    let recorded: RecordedContext
    let address: String

    init() throws {
        recorded = try RecordedContext(carrier: .trailer)
        address = "ipc://\(recorded.directory)/link"
    }

    /// More than any address space holds.
    private func sendHugeFrame(_ socket: ZMQSocket, _ flags: SendFlags) -> ZMQError? {
        var byte: UInt8 = 0
        return withUnsafeBytes(of: &byte) { byte in
            error { try socket.send(UnsafeRawBufferPointer(start: byte.baseAddress, count: 1 << 60), flags: flags) }
        }
    }

    @Test func aFrameWithoutMemoryCanBeSentAgain() throws {
        let push = try recorded.socket(.push)
        let pull = try recorded.socket(.pull)
        try pull.bind(address)
        try push.connect(address)
        #expect(sendHugeFrame(push, [])?.code == ENOMEM)
        try push.send([1], flags: .more)
        #expect(sendHugeFrame(push, [])?.code == ENOMEM)
        try push.send([2, 3], flags: [])
        #expect(try pull.receiveMultipart().map(\.bytes) == [[1], [2, 3]])
        #expect(
            try recorded.totals(address)
                == LinkTotals(sent: 1, failed: 2, sentBytes: 3, received: 1, receivedBytes: 3, latencies: 1))
    }

    /// The next peer gets the whole message, and not what is left of it.
    @Test func aPeerThatGoesAwayBeforeTheTrailer() throws {
        let pair = try recorded.socket(.pair)
        try pair.bind(address)
        let first = PlainSocket(SocketType.pair.rawValue)
        let second = PlainSocket(SocketType.pair.rawValue)
        first.connect(address)
        first.send([[0]])
        #expect(try pair.receive().bytes == [0])
        var attempts = 0
        let code = pair.state.pointee.transmit([], start: 7) { handle, flags in
            attempts += 1
            if attempts == 2 { second.connect(address) }
            let sent = PlainSocket.send([7], over: handle, flags)
            if attempts == 1 {
                first.close()
                // Until the socket has noticed.
                while let events = try? pair.get(.events), events.contains(.writable) { usleep(1000) }
            }
            return sent
        }
        #expect(code == 0 && attempts >= 2)
        pair.state.pointee.record(code, bytes: 1, [])
        let received = second.receive()
        #expect(received.first == [7] && received.count == 2)
        #expect(received.last.map { $0.withUnsafeBytes { ZMQTrailer.isTrailer($0) } } == true)
        #expect(try recorded.value("msg_send_total", address) == 1)
        #expect(try recorded.value("msg_send_failed_total", address) == 0)
    }
}
#endif
