// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetricsStore
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix

/// What a running server consists of: listeners, connections and the renders they wait for. Everything but the rendering
/// itself happens on one event loop, so that nothing here needs a lock. Confined to that loop.
final class ServerLoop: @unchecked Sendable {
    let eventLoop: any EventLoop
    let configuration: MetricsServer.Configuration
    let logger: Logger
    let connections: ConnectionTable
    let scheduler: RenderScheduler
    let unsent: UnsentAnswers
    let credentials: Credentials
    let counts: RequestCounts
    var date = HTTPDate()
    private(set) var isStopping = false

    private var listeners: [Listener] = []
    private var lastFailure = ""
    private let onListening: @Sendable (SocketAddress?) -> Void
    private let stopped: EventLoopPromise<Void>

    /// - Parameter onListening: told of each address when it is listened on.
    init(
        eventLoop: any EventLoop, threads: NIOThreadPool, workers: [any RenderWorker],
        configuration: MetricsServer.Configuration, credentials: Credentials, counts: RequestCounts, logger: Logger,
        onListening: @escaping @Sendable (SocketAddress?) -> Void
    ) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.credentials = credentials
        self.counts = counts
        self.logger = logger
        self.onListening = onListening
        connections = ConnectionTable(limit: configuration.limits.connections)
        unsent = UnsentAnswers(limit: configuration.limits.unsentBytes)
        scheduler = RenderScheduler(
            eventLoop: eventLoop, threads: threads, workers: workers, unsent: unsent,
            waitingRenders: configuration.limits.waitingRenders)
        stopped = eventLoop.makePromise()
    }

    /// Serves until `stop()`.
    /// - Throws: `ListenError`.
    func run() async throws {
        eventLoop.execute { self.start() }
        try await stopped.futureResult.get()
    }

    /// Ends the listening, waits for the requests in flight, and lets `run()` return. From any thread; any number of times.
    func stop() {
        eventLoop.execute { self.stopNow() }
    }

    /// On the event loop: an address is listened on.
    func whenListening(_ address: SocketAddress?) { onListening(address) }

    /// On the event loop: a store cannot be rendered. Each reason is logged when it comes up.
    func renderFailed(_ error: StoreError) {
        if error.message == lastFailure { return }
        lastFailure = error.message
        logger.error("\(error.message)")
    }

    private func start() {
        if isStopping { return }
        let addresses = configuration.addresses
        // "::" takes IPv4 too, unless another listener is to have it.
        listeners = addresses.map { address in
            let isOnlyIPv6 =
                address.host.contains(":")
                && addresses.contains { $0.port == address.port && $0.port != 0 && !$0.host.contains(":") }
            return Listener(.address(address, isOnlyIPv6: isOnlyIPv6), server: self)
        }
        if let socket = configuration.unixSocket { listeners.append(Listener(.unixSocket(socket), server: self)) }
        for listener in listeners {
            listener.start().assumeIsolated().whenFailure { [self] error in
                isStopping = true
                for listener in listeners { listener.stop() }
                stopped.fail(error)
            }
        }
    }

    private func stopNow() {
        if isStopping { return }
        isStopping = true
        for listener in listeners { listener.stop() }
        connections.drain { [self] in stopped.succeed() }
        let limit = TimeAmount.nanoseconds(Int64(min(max(configuration.limits.stopTimeout, 0), 1e6) * 1e9))
        _ = eventLoop.assumeIsolated().scheduleTask(in: limit) { [self] in connections.closeAll() }
    }

    /// For one of the listeners, of connections that are encrypted where the server has what it takes.
    func bootstrap(for listener: Listener) -> ServerBootstrap {
        ServerBootstrap(group: eventLoop)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.maxMessagesPerRead, value: 64)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.add(to: channel, of: listener) }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // No request is long; and what was read is all that a client that sends many at once makes us keep.
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4096))
            .childChannelOption(.maxMessagesPerRead, value: 1)
    }

    private func add(to channel: any Channel, of listener: Listener) throws {
        var decoder = NIOHTTPDecoderLimitConfiguration()
        decoder.maxHeaderListSize = configuration.limits.headerBytes
        decoder.maxHeaderFieldSize = configuration.limits.headerBytes
        let tls = listener.isEncrypting ? credentials.tlsHandler() : nil
        let connection = Connection(server: self, listener: listener, tls: tls)
        let pipeline = channel.pipeline.syncOperations
        if let tls { try pipeline.addHandler(tls) }
        try pipeline.addHandler(RawBytes(connection))
        try pipeline.configureHTTPServerPipeline(
            withErrorHandling: false, withEncoderConfiguration: .init(), withDecoderLimitConfiguration: decoder)
        try pipeline.addHandler(connection)
    }
}
#endif
