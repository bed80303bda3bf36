// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import Glibc
import NIOCore

/// Which names a client may call a server by.
///
/// A web page may let its own name lead to 127.0.0.1 (DNS rebinding): to the browser of whoever looks at it, what a server of
/// that host answers is then the page's own, to be read and sent anywhere. The name is still the page's, and so it is not
/// answered. A number cannot be made to lead elsewhere, so that of the address that was connected to is.
struct HostCheck {
    private let names: Set<String>
    private let ownAddress: String?

    /// - Parameters:
    ///   - listening: what is listened on.
    ///   - host: the same as it was configured.
    ///   - local: this end of the connection.
    /// - Returns: nil: whatever the client says is fine. It is checked where only programs of this host connect, which is
    ///   where nobody expects others to get at it, and everywhere with `allowedHosts`.
    init?(listening: SocketAddress?, host: String, local: SocketAddress?, allowedHosts: [String]) {
        let isLocal = listening?.ipAddress.map(Self.isLoopback) ?? false
        guard isLocal || !allowedHosts.isEmpty else { return nil }
        names = Set((allowedHosts + [host]).map { Self.normal($0[...]) })
        ownAddress = local?.ipAddress
    }

    /// - Parameter host: as the header Host has it, with or without a port.
    func admits(_ host: String) -> Bool {
        let name = Self.normal(Self.withoutPort(host))
        return name == "localhost" || Self.isLoopback(name) || name == ownAddress || names.contains(name)
    }

    /// Without ":PORT", and without the brackets of an IPv6 number.
    private static func withoutPort(_ host: String) -> Substring {
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return host[...] }
            let rest = host[host.index(after: end)...]
            return rest.isEmpty || rest.hasPrefix(":") ? host[host.index(after: host.startIndex)..<end] : host[...]
        }
        guard let colon = host.lastIndex(of: ":") else { return host[...] }
        return host[..<colon]
    }

    /// Names are the same in capitals, and with the dot that ends a full one.
    private static func normal(_ name: Substring) -> String {
        (name.hasSuffix(".") ? name.dropLast() : name).lowercased()
    }

    /// 127.0.0.0/8, ::1, and the former in IPv6's way of writing.
    private static func isLoopback(_ text: String) -> Bool {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return false }
        return withUnsafeBytes(of: &six) { bytes in
            let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
            return isMapped ? bytes[12] == 127 : bytes[..<15].allSatisfy { $0 == 0 } && bytes[15] == 1
        }
    }
}
#endif
