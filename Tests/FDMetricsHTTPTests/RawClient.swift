// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import Glibc
import NIOPosix

/// A client that takes its time: one bare connection to 127.0.0.1, on which whoever uses it waits.
final class RawClient: Sendable {
    private let descriptor: CInt

    /// - Parameter isSlow: whether the kernel takes little for it before it is read from.
    init(_ port: Int, isSlow: Bool = false) {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        if isSlow {
            var size: CInt = 4096
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(result == 0, "cannot connect to the server under test")
    }

    deinit { close(descriptor) }

    /// Asks for a path, with a connection that stays.
    func ask(_ uri: String) {
        let text = "GET \(uri) HTTP/1.1\r\nHost: localhost\r\n\r\n"
        precondition(write(descriptor, text, text.utf8.count) == text.utf8.count)
    }

    /// One answer: its head, and as much of its body as comes before the connection ends. Not on a thread of tasks or of
    /// Dispatch, which others need.
    /// - Parameter bytesPerSecond: how fast it reads; nil: as fast as it can.
    func answer(bytesPerSecond: Int? = nil) async -> (head: String, body: [UInt8]) {
        await withCheckedContinuation { continuation in
            NIOThreadPool.singleton.submit { _ in continuation.resume(returning: self.read(bytesPerSecond)) }
        }
    }

    private func read(_ bytesPerSecond: Int?) -> (head: String, body: [UInt8]) {
        var head: [UInt8] = []
        while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) {
            guard let byte = part(1).first else { break }
            head.append(byte)
        }
        let text = String(decoding: head, as: UTF8.self)
        let line = text.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
        let length = line.flatMap { Int($0.dropFirst(16)) } ?? 0
        var body: [UInt8] = []
        body.reserveCapacity(length)
        while body.count < length {
            let bytes = part(min(64 << 10, length - body.count))
            if bytes.isEmpty { break }
            body += bytes
            if let bytesPerSecond { usleep(UInt32(bytes.count * 1_000_000 / bytesPerSecond)) }
        }
        return (text, body)
    }

    /// Empty: the connection has ended.
    private func part(_ size: Int) -> ArraySlice<UInt8> {
        var buffer = [UInt8](repeating: 0, count: size)
        return buffer[..<max(0, recv(descriptor, &buffer, size, 0))]
    }
}
#endif
