// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
public import FDMetrics
import FDMetricsStore
import Glibc
public import Logging
import NIOCore
import NIOPosix
public import ServiceLifecycle

/// Serves a store by HTTP: /metrics to Prometheus and its like, /healthz, and a page at /.
///
/// ```swift
/// let server = MetricsServer(registry: try .default(), logger: logger)
/// try await ServiceGroup(services: [server, ...], gracefulShutdownSignals: [.sigterm], logger: logger).run()
/// ```
///
/// Any number of a service's processes may have one on the same address: one serves the totals of all, the others wait,
/// and when it dies another takes over within a fraction of a second. A server has threads of its own, so that a busy
/// service does not keep a scrape waiting; the threads are there while `run()` is. After a fork, the child has none.
public struct MetricsServer: Service {
    private let configuration: Configuration
    private let logger: Logger
    private let counts: RequestCounts
    private let makeWorker: @Sendable () -> any RenderWorker
    private let onListening: @Sendable (SocketAddress?) -> Void

    /// Serves the store of this process, with the metrics of all its processes.
    public init(registry: MetricRegistry, configuration: Configuration = Configuration(), logger: Logger) {
        let counts = RequestCounts()
        self.init(configuration: configuration, logger: logger, counts: counts) {
            StoreSource(registry, options: configuration.renderOptions, page: PageResponder(), counts: counts)
        }
    }

    /// Serves the store in a directory, of live or dead processes, with read access alone. The store may come later, and
    /// be replaced by another one.
    public init(directory: String, configuration: Configuration = Configuration(), logger: Logger) {
        let counts = RequestCounts()
        self.init(configuration: configuration, logger: logger, counts: counts) {
            StoreSource(
                directory: directory, options: configuration.renderOptions, page: PageResponder(), counts: counts)
        }
    }

    /// - Parameters:
    ///   - counts: where it counts what it does.
    ///   - onListening: told of each address when it is listened on, with the port that was found for 0; on the server's
    ///     thread.
    ///   - makeWorker: makes what renders, once for each of `concurrentRenders`.
    init(
        configuration: Configuration, logger: Logger, counts: RequestCounts = RequestCounts(),
        onListening: @escaping @Sendable (SocketAddress?) -> Void = { _ in },
        makeWorker: @escaping @Sendable () -> any RenderWorker
    ) {
        self.configuration = configuration
        self.logger = logger
        self.counts = counts
        self.onListening = onListening
        self.makeWorker = makeWorker
    }

    /// Serves until the service group shuts down gracefully, or the task is cancelled. Requests in flight are finished, and
    /// the files of a Unix socket removed. May be called again afterwards.
    /// - Throws: where a place to listen on cannot be had and `whenTaken` is `.fail`, and where the files of `tls` or
    ///   `bearerTokenFile` cannot be used: an error whose description names the place or the file.
    public func run() async throws {
        let credentials = try Credentials(configuration, logger: logger)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let renders = max(configuration.limits.concurrentRenders, 1)
        let threads = NIOThreadPool(numberOfThreads: renders)
        threads.start()
        let server = ServerLoop(
            eventLoop: group.next(), threads: threads, workers: (0..<renders).map { _ in makeWorker() },
            configuration: configuration, credentials: credentials, counts: counts, logger: logger,
            onListening: onListening)
        let result: Result<Void, any Error>
        do {
            try await withTaskCancellationOrGracefulShutdownHandler {
                try await server.run()
            } onCancelOrGracefulShutdown: {
                server.stop()
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        // Not to be interrupted by the cancellation that may have led here.
        await Task.detached {
            try? await threads.shutdownGracefully()
            try? await group.shutdownGracefully()
        }.value
        try result.get()
    }
}
#endif
