// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetrics
import FDMetricsHTTP
import Logging
import ServiceLifecycle
import UnixSignals

/// A service that works, counts its work, and mounts the server of /metrics. Start as many of it as you like, with one
/// FDMETRICS_DIR: whichever process serves shows the work of all, and if it is killed another one serves.
///
///     swift run --traits HTTPServer swift-server-example [HOST:PORT | SOCKET]
@main
struct SwiftServer {
    static func main() async throws {
        let logger = Logger(label: "swift-server", factory: StreamLogHandler.standardError(label:))
        let registry = try MetricRegistry.default()
        let place = CommandLine.arguments.dropFirst().first ?? "127.0.0.1:9919"
        let metrics = MetricsServer(registry: registry, configuration: configuration(place), logger: logger)
        let group = ServiceGroup(
            services: [metrics, try Worker(registry)], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        try await group.run()
    }

    private static func configuration(_ place: String) -> MetricsServer.Configuration {
        if let address = MetricsServer.Address(place) { return MetricsServer.Configuration(addresses: [address]) }
        return MetricsServer.Configuration(addresses: [], unixSocket: MetricsServer.UnixSocket(path: place))
    }
}

/// What the service is there for.
struct Worker: Service {
    private let steps: Counter
    private let duration: Histogram

    init(_ registry: MetricRegistry) throws {
        steps = try registry.counter("work_steps", help: "Steps of work done")
        duration = try registry.histogram("work_step_duration_seconds", help: "How long a step took")
    }

    func run() async throws {
        // The clock's sleep ends by an error when the task is cancelled, which is how the service is stopped.
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let elapsed = await ContinuousClock().measure { try? await Task.sleep(for: .milliseconds(10)) }
                steps.increment()
                duration.observe(elapsed / .seconds(1))
            }
        }
    }
}
#else

@main
enum SwiftServer {
    static func main() {
        print("this example was built without its server: build it with --traits HTTPServer")
    }
}
#endif
