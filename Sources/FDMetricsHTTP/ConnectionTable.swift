// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import NIOCore

/// All open connections of a server, of which there are never more than a limit. Confined to its event loop.
final class ConnectionTable {
    private let limit: Int
    private var connections: [ObjectIdentifier: Connection] = [:]
    private var whenEmpty: (() -> Void)?

    init(limit: Int) { self.limit = max(limit, 1) }

    var count: Int { connections.count }

    /// Enters a connection. One that has the least claim to its place goes for it, if it must.
    ///
    /// A client that has sent its request within moments of connecting is served, however many others hang: those have
    /// waited longer.
    /// - Returns: false: all are being answered, and quickly; the new one has to go.
    func add(_ connection: Connection) -> Bool {
        if connections.count >= limit {
            let now = NIODeadline.now()
            let claims = connections.values.compactMap { other in other.claim(now).map { (other, $0) } }
            guard let least = claims.min(by: { $0.1 < $1.1 }) else { return false }
            least.0.cutOff(.connectionLimit)
        }
        connections[ObjectIdentifier(connection)] = connection
        return true
    }

    func remove(_ connection: Connection) {
        connections[ObjectIdentifier(connection)] = nil
        if connections.isEmpty {
            whenEmpty?()
            whenEmpty = nil
        }
    }

    /// Ends all connections, those in the middle of a request after its answer.
    func drain(then done: @escaping () -> Void) {
        for connection in Array(connections.values) { connection.endAfterRequest() }
        if connections.isEmpty { done() } else { whenEmpty = done }
    }

    /// Ends all connections at once.
    func closeAll() {
        for connection in Array(connections.values) { connection.cutOff() }
    }
}
#endif
