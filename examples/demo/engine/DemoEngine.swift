// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsHTTP
import Glibc

#if HTTPServer
import Logging
import ServiceLifecycle
import UnixSignals
#endif

/// The demo's Swift program.
///
///     demo-engine run ENDPOINT PORT     the engine: it obeys its standard input and writes its ledger on its standard
///                                       output; ledger.py and peer.py say how. Serves the metrics of all processes at the
///                                       port, when nobody else does
///     demo-engine serve STORE PORT      serves them, too, and records nothing
@main
struct DemoEngine {
    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, ["run", "serve"].contains(arguments[1]), let port = UInt16(arguments[3]) else {
            fail("usage: demo-engine run ENDPOINT PORT | serve STORE PORT")
        }
        do {
            if arguments[1] == "run" {
                try await run(EngineService(endpoint: arguments[2]), port: Int(port))
            } else {
                try await serve(arguments[2], port: Int(port))
            }
        } catch {
            fail("\(error)")
        }
    }

    #if HTTPServer
    // By default a server waits for the port as long as another process of the service has it.
    private static func configuration(_ port: Int) -> MetricsServer.Configuration {
        .init(addresses: [.init(port: port)])
    }

    private static var logger: Logger {
        // Not on the standard output, which is the ledger.
        var logger = Logger(label: "engine", factory: StreamLogHandler.standardError(label:))
        logger.logLevel = .warning
        return logger
    }

    private static func serve(_ store: String, port: Int) async throws {
        let metrics = MetricsServer(directory: store, configuration: configuration(port), logger: logger)
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: metrics)], gracefulShutdownSignals: [.sigterm], logger: logger))
        try await group.run()
    }

    private static func run(_ engine: EngineService, port: Int) async throws {
        let metrics = MetricsServer(registry: try .default(), configuration: configuration(port), logger: logger)
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: metrics),
                    .init(service: engine, successTerminationBehavior: .gracefullyShutdownGroup),
                ], logger: logger))
        try await group.run()
    }
    #else
    private static func run(_ engine: EngineService, port: Int) async throws { try await engine.run() }

    private static func serve(_ store: String, port: Int) async throws {
        fail("the trait HTTPServer is needed to serve \(store) at port \(port): build with --traits HTTPServer")
    }
    #endif

    private static func fail(_ reason: String) -> Never {
        Ledger.write("engine: \(reason)\n", to: STDERR_FILENO)
        exit(1)
    }
}
