// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import Glibc
import Logging
import NIOCore
import NIOPosix

/// One address or socket: gets hold of it, waits for it if it is another's, and listens. Confined to its event loop.
final class Listener: @unchecked Sendable {
    enum Place: Sendable, CustomStringConvertible {
        /// With `isOnlyIPv6`, "::" leaves IPv4 to another listener of the same port.
        case address(MetricsServer.Address, isOnlyIPv6: Bool)
        case unixSocket(MetricsServer.UnixSocket)

        var description: String {
            switch self {
            case .address(let address, _): "\(address)"
            case .unixSocket(let socket): socket.path
            }
        }
    }

    /// How often a place that is taken is tried again.
    static let retryInterval = TimeAmount.milliseconds(200)

    private let place: Place
    private unowned let server: ServerLoop
    private var channel: (any Channel)?
    private var claim: UnixSocketClaim?
    private var isStopped = false
    /// What was logged last, so that each thing is said once and not five times a second.
    private var lastProblem = ""

    init(_ place: Place, server: ServerLoop) {
        self.place = place
        self.server = server
    }

    /// Whether its connections are encrypted. Nobody listens in on a Unix socket.
    var isEncrypting: Bool {
        if case .address = place { server.credentials.isEncrypting } else { false }
    }

    /// By which names a client of one of its connections may call the server; nil: by any.
    func hostCheck(of channel: any Channel) -> HostCheck? {
        // No web page reaches a Unix socket.
        guard case .address(let address, _) = place else { return nil }
        return HostCheck(
            listening: channel.parent?.localAddress, host: address.host, local: channel.localAddress,
            allowedHosts: server.configuration.allowedHosts)
    }

    /// Begins to listen, now or when the place is free.
    /// - Returns: fulfilled when the first attempt is over; failed with `ListenError` if that was all.
    func start() -> EventLoopFuture<Void> {
        let first = server.eventLoop.makePromise(of: Void.self)
        attempt { result in first.completeWith(result) }
        return first.futureResult
    }

    /// Stops listening. Connections stay.
    func stop() {
        isStopped = true
        channel?.close(promise: nil)
        channel = nil
        claim?.release()
        claim = nil
    }

    private func attempt(then done: @escaping (Result<Void, any Error>) -> Void) {
        if isStopped { return done(.success(())) }
        bind().assumeIsolated().whenComplete { [self] result in
            switch result {
            case .success(let channel): listen(on: channel)
            case .failure(let error):
                claim?.release()
                claim = nil
                let problem = ListenError(place: place, error)
                guard server.configuration.whenTaken == .wait else { return done(.failure(problem)) }
                say(problem)
                _ = server.eventLoop.assumeIsolated().scheduleTask(in: Self.retryInterval) { [self] in
                    attempt { _ in }
                }
            }
            done(.success(()))
        }
    }

    private func listen(on channel: any Channel) {
        if isStopped {
            channel.close(promise: nil)
            return
        }
        self.channel = channel
        lastProblem = ""
        var name = place.description
        if case .address(var address, _) = place, let port = channel.localAddress?.port {
            address.port = port
            name = "\(isEncrypting ? "https" : "http")://\(address)/metrics"
        }
        server.logger.info("serving \(name)")
        server.whenListening(channel.localAddress)
    }

    private func say(_ problem: ListenError) {
        if problem.description == lastProblem { return }
        lastProblem = problem.description
        if problem.isTaken {
            server.logger.info("\(problem); waiting until it is free")
        } else {
            server.logger.error("\(problem); trying again until it works")
        }
    }

    private func bind() -> EventLoopFuture<any Channel> {
        let bootstrap = server.bootstrap(for: self)
        switch place {
        case .address(let address, let isOnlyIPv6):
            // A port is free again as soon as its listener is gone, whatever its last connections do. Two that listen at
            // once are refused by the kernel all the same.
            return
                bootstrap
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelOption(
                    ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 1, when: isOnlyIPv6
                )
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .bind(host: address.host, port: address.port)
        case .unixSocket(let socket):
            do throws(UnixSocketClaim.Failure) {
                let claim = try UnixSocketClaim(socket)
                self.claim = claim
                return bootstrap.withBoundSocket(claim.descriptor)
            } catch {
                return server.eventLoop.makeFailedFuture(error)
            }
        }
    }
}

extension ServerBootstrap {
    fileprivate func serverChannelOption<Option: ChannelOption>(
        _ option: Option, value: Option.Value, when condition: Bool
    ) -> ServerBootstrap {
        condition ? serverChannelOption(option, value: value) : self
    }
}

/// Why a place cannot be listened on.
struct ListenError: Error, CustomStringConvertible {
    /// Whether another process has it.
    let isTaken: Bool
    let description: String

    init(place: Listener.Place, _ error: any Error) {
        switch error {
        case UnixSocketClaim.Failure.taken:
            isTaken = true
            description = "\(place) is served by another process"
        case UnixSocketClaim.Failure.error(let text):
            isTaken = false
            description = text
        case let error as IOError where error.errnoCode == EADDRINUSE:
            isTaken = true
            description = "\(place) is in use by another process"
        case let error as IOError:
            isTaken = false
            description = "cannot listen on \(place): \(String(cString: strerror(error.errnoCode)))"
        default:
            isTaken = false
            description = "cannot listen on \(place): \(error)"
        }
    }
}
#endif
