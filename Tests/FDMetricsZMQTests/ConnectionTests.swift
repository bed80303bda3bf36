// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetricsZMQ
import Glibc
import Synchronization
import Testing

/// One test at a time: the threads of monitors are counted, and nothing else here makes any.
@Suite(.serialized) struct ConnectionTests {
    let recorded: RecordedContext

    init() throws {
        recorded = try RecordedContext()
    }

    func endpoint(_ transport: Transport) -> String {
        transport.endpoint(in: recorded.directory)
    }

    /// Waits until a series has a value; the value that it has after 20 seconds, if not.
    func value(_ series: String, _ address: String, becomes expected: Double) throws -> Double? {
        try last(of: 20_000, becoming: expected) { try recorded.value(series, address) }
    }

    /// Waits until a series is not 0.
    func grows(_ series: String, _ address: String) throws -> Bool {
        try last(of: 20_000, becoming: 1) { (try recorded.value(series, address) ?? 0) > 0 ? 1 : 0 } == 1
    }

    func monitorThreads() throws -> Double {
        let directory = try #require(opendir("/proc/self/task"))
        defer { closedir(directory) }
        var count = 0.0
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let file = fopen("/proc/self/task/\(name)/comm", "r") else { continue }
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 32)
            if fgets(&line, 32, file) != nil, strcmp(line, "fdm-zmq-monitor\n") == 0 { count += 1 }
        }
        return count
    }

    func last(of attempts: Int, becoming expected: Double, _ look: () throws -> Double?) throws -> Double? {
        for _ in 0..<attempts {
            if try look() == expected { return expected }
            usleep(1000)
        }
        return try look()
    }

    func noThreadIsLeft() throws {
        #expect(try last(of: 20_000, becoming: 0) { try monitorThreads() } == 0)
    }

    @Test(arguments: [Transport.ipc, .tcp])
    func aPeerThatComesAndLeavesTenTimesCountsTen(_ transport: Transport) throws {
        let pull = try recorded.socket(.pull)
        try pull.watchConnections()
        try pull.bind(endpoint(transport))
        let address = try pull.lastEndpoint()
        #expect(try last(of: 20_000, becoming: 1) { try monitorThreads() } == 1)
        for round in 1...10 {
            let peer = PlainSocket(SocketType.push.rawValue)
            peer.connect(address)
            #expect(try value("accepted_total", address, becomes: Double(round)) == Double(round))
            #expect(try value("connections", address, becomes: 1) == 1)
            // A peer that left before the handshake was done would be a failed handshake, too.
            peer.send([[UInt8(round)]])
            #expect(try pull.receive().bytes == [UInt8(round)])
            peer.close()
            #expect(try value("disconnected_total", address, becomes: Double(round)) == Double(round))
            #expect(try value("connections", address, becomes: 0) == 0)
        }
        let values = try recorded.values(address)
        #expect(values["accepted_total"] == 10 && values["disconnected_total"] == 10 && values["connected_total"] == 0)
        #expect(values["handshake_failed_total"] == 0 && values["connect_retried_total"] == 0)
        pull.close()
        try noThreadIsLeft()
    }

    @Test func theConnectingEnd() throws {
        let push = try recorded.socket(.push)
        try push.set(.reconnectInterval, to: .milliseconds(5))
        let address = endpoint(.ipc)
        // Watched after connecting: the connection is yet to come.
        try push.connect(address)
        try push.watchConnections()
        #expect(error { try push.watchConnections() }?.code == EALREADY)
        #expect(try grows("connect_retried_total", address))
        #expect(try recorded.value("connected_total", address) == 0)

        let server = PlainSocket(SocketType.pull.rawValue)
        server.bind(address)
        #expect(try value("connected_total", address, becomes: 1) == 1)
        #expect(try value("connections", address, becomes: 1) == 1)
        server.close()
        #expect(try value("disconnected_total", address, becomes: 1) == 1)
        #expect(try value("connections", address, becomes: 0) == 0)

        // libzmq tells nothing of a connection that the socket itself gives up.
        let next = PlainSocket(SocketType.pull.rawValue)
        next.bind(address)
        #expect(try value("connections", address, becomes: 1) == 1)
        try push.disconnect(address)
        #expect(try value("disconnected_total", address, becomes: 2) == 2)
        #expect(try recorded.value("connections", address) == 0)
        push.close()
        try noThreadIsLeft()
    }

    @Test func aSocketThatIsClosedHasNoConnections() throws {
        let pull = try recorded.socket(.pull)
        try pull.watchConnections()
        try pull.bind(endpoint(.ipc))
        let address = try pull.lastEndpoint()
        let peers = (0..<3).map { _ in PlainSocket(SocketType.push.rawValue) }
        for peer in peers { peer.connect(address) }
        #expect(try value("connections", address, becomes: 3) == 3)
        pull.close()
        #expect(try value("connections", address, becomes: 0) == 0)
        #expect(try recorded.value("disconnected_total", address) == 3)
        try noThreadIsLeft()
    }

    @Test func whoTerminatesTheContextFindsAllConnectionsEnded() throws {
        // The monitor's thread is the last one that the context waits for.
        for round in 1...20 {
            let context = try ZMQContext(recording: .on(recorded.registry))
            let pull = try ZMQSocket(context, .pull, link: "ending")
            try pull.watchConnections()
            try pull.bind(endpoint(.ipc))
            let peer = PlainSocket(SocketType.push.rawValue)
            peer.connect(try pull.lastEndpoint())
            #expect(try value("accepted_total", "ending", becomes: Double(round)) == Double(round))
            pull.close(linger: .zero)
            try context.terminate()
            #expect(try recorded.value("disconnected_total", "ending") == Double(round))
            peer.close()
        }
    }

    @Test func eventsAreHandedOver() throws {
        let events = EventList()
        let pull = try recorded.socket(.pull)
        try pull.watchConnections { events.add($0) }
        try pull.bind(endpoint(.tcp))
        let address = try pull.lastEndpoint()
        let peer = PlainSocket(SocketType.push.rawValue)
        peer.connect(address)
        #expect(try value("connections", address, becomes: 1) == 1)
        // A connection counts once it is accepted, which is before its handshake is done.
        peer.send([[1]])
        #expect(try pull.receive().bytes == [1])
        peer.close()
        #expect(try value("connections", address, becomes: 0) == 0)
        // An event is counted before it is handed over.
        let expected: Set<ZMQMonitorEvent.Kind> = [.listening, .accepted, .handshakeSucceeded, .disconnected]
        #expect(try last(of: 20_000, becoming: 1) { expected.isSubset(of: events.kinds) ? 1 : 0 } == 1)
        pull.close()
        try noThreadIsLeft()
        #expect(events.kinds.first == .listening && events.kinds.contains(.accepted))
        #expect(events.kinds.contains(.handshakeSucceeded) && events.kinds.contains(.disconnected))
        #expect(events.all.allSatisfy { $0.endpoint == address })
    }

    /// The handshake fails, so the connecting end has no connection; the end that let the peer in has one for a moment.
    @Test func aHandshakeThatFails() throws {
        let server = try recorded.socket(.pull, link: "server")
        try server.set(.curveServer, to: true)
        try server.set(.curveSecretKey, to: "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6")
        try server.watchConnections()
        try server.bind("tcp://127.0.0.1:*")
        let client = try recorded.socket(.push, link: "client")
        try client.watchConnections()
        try client.connect(server.lastEndpoint())
        #expect(try grows("handshake_failed_total", "server"))
        #expect(try recorded.value("connected_total", "client") == 0)
        #expect(try recorded.value("disconnected_total", "client") == 0)
        client.close()
        #expect(try value("connections", "server", becomes: 0) == 0)
        server.close()
        try noThreadIsLeft()
    }

    @Test func shutdownEndsTheThread() throws {
        let pull = try recorded.socket(.pull)
        try pull.watchConnections()
        try pull.bind(endpoint(.ipc))
        recorded.context.shutdown()
        try noThreadIsLeft()
        pull.close()
        #expect(error { try pull.watchConnections() }?.code == ENOTSOCK)
    }

    /// No bind, no link, no thread; and nothing that the context would wait for when it ends.
    @Test func aSocketThatIsNeverBound() throws {
        let context = try ZMQContext(recording: .off)
        let pull = try ZMQSocket(context, .pull)
        try pull.watchConnections()
        #expect(try monitorThreads() == 0)
        pull.close()
        try context.terminate()
    }

    /// The series are not made for who does not ask.
    @Test func watchingIsOptional() throws {
        let pull = try recorded.socket(.pull)
        try pull.bind(endpoint(.ipc))
        #expect(try recorded.value("connections", endpoint(.ipc)) == nil)
        #expect(try recorded.value("msg_recv_total", endpoint(.ipc)) == 0)
    }
}

/// What a monitor's handler was called with.
final class EventList: Sendable {
    private let events = Mutex<[ZMQMonitorEvent]>([])

    var all: [ZMQMonitorEvent] { events.withLock { $0 } }
    var kinds: [ZMQMonitorEvent.Kind] { all.map(\.kind) }

    func add(_ event: ZMQMonitorEvent) { events.withLock { $0.append(event) } }
}
#endif
