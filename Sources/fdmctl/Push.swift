// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import ArgumentParser
import FDMetricsExposition
import FDMetricsPush
import FDMetricsStore
import Logging

/// `fdmctl push`: sends a store's metrics to another system.
struct Push: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sends a store's metrics to a Pushgateway, by Prometheus remote write, or by OTLP.",
        usage: """
            fdmctl push [<directory>] --remote-write <url> [<options>]
            fdmctl push [<directory>] --otlp <url> [<options>]
            fdmctl push [<directory>] --pushgateway <url> --job <name> [<options>]
            """,
        discussion: """
            Reads the store every 15 seconds (--interval), until SIGTERM or SIGINT, and sends what it reads. While the \
            receiver is away requests wait in memory, up to --queue-limit. A store that is not there yet is waited for.

            Without DIR it reads the directory of FDMETRICS_DIR or PROMETHEUS_MULTIPROC_DIR, else the only store named \
            fdmetrics-* in /dev/shm that live processes hold.

            Exits 0 after SIGTERM or SIGINT, when it has sent what waited, for --flush-timeout seconds at most. \
            With --once: 0 if everything arrived, 1 if not, 2 where there is no store. 64 for a wrong command line.

            Examples:

              fdmctl push --remote-write http://victoria-metrics:8428/api/v1/write --job api
              fdmctl push --otlp http://collector:4318 --job api --resource deployment.environment.name=test
              fdmctl push DIR --once --pushgateway http://pushgateway:9091 --job nightly
            """
    )

    @Argument(help: "The store's directory.", completion: .directory)
    var directory: String?

    @OptionGroup(title: "Receiver")
    var receiver: PushReceiverOptions

    @OptionGroup(title: "What is sent")
    var content: PushContentOptions

    @OptionGroup(title: "When, and how long it is tried")
    var delivery: PushDeliveryOptions

    @Flag(name: .shortAndLong, help: "Log each request.")
    var verbose = false

    func validate() throws {
        try receiver.validate()
        try content.validate(for: receiver.protocol)
        _ = try receiver.address(content)
        try delivery.validate(for: receiver.protocol)
    }

    func run() async throws {
        let path = try ownDirectory(directory)
        var logger = Logger(label: "fdmctl", factory: StreamLogHandler.standardError(label:))
        logger.logLevel = verbose ? .debug : .info
        if receiver.delete { return try await delete(logger) }

        let connection = ConnectionWatch()
        let transport = try transport(onConnectionLost: { connection.lost() })
        let pusher = Pusher(
            DirectorySource(directory: path, options: content.renderOptions),
            encoder, transport, delivery.configuration(for: try receiver.address(content)), logger: logger)
        connection.watch { await pusher.connectionLost() }
        let statistics = try await PushService.run(pusher, logger)
        guard delivery.once else { return }
        if let error = await pusher.readError { throw refuse(error) }
        if !statistics.isComplete { throw ExitCode.failure }
    }

    private var encoder: PushEncoder {
        switch receiver.protocol {
        case .remoteWrite:
            .remoteWrite(labels: content.seriesLabels, limits: BatchLimits(samples: delivery.batchSamples))
        case .otlp:
            .otlp(resource: content.resourceAttributes, limits: BatchLimits(samples: delivery.batchSamples))
        case .pushgateway: .pushgateway(isAddition: receiver.add, deletesAtEnd: receiver.deleteAtEnd)
        }
    }

    private func transport(onConnectionLost: @escaping @Sendable () -> Void = {}) throws -> HTTPTransport {
        let endpoint = try receiver.endpoint(content, encoder)
        do {
            return try HTTPTransport(
                endpoint, idleTimeout: .seconds(delivery.interval * 2 + 60), onConnectionLost: onConnectionLost)
        } catch {
            throw refuse("--ca-file: \(error)", wrongArguments)
        }
    }

    /// Deletes the group, and says so.
    private func delete(_ logger: Logger) async throws {
        let address = try receiver.address(content)
        let transport = try transport()
        let outcome = await transport.send(.deletion)
        await transport.close()
        switch PushProtocol.pushgateway.verdict(on: outcome) {
        case .accepted: logger.info("deleted \(address)")
        case .retry(let reason, _), .refused(let reason):
            logger.error("cannot delete \(address): \(reason)")
            throw ExitCode.failure
        }
    }
}

/// Tells a pusher of lost connections, of which there are none before it exists.
private final class ConnectionWatch: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func lost() { continuation.yield() }

    func watch(_ onLost: @escaping @Sendable () async -> Void) {
        Task { [stream] in
            for await _ in stream { await onLost() }
        }
    }
}
#endif
