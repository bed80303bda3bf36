// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsHTTP
import Glibc

#if HTTPServer
import Logging
import ServiceLifecycle
#endif

/// The demo's engine: `demo-engine ENDPOINT PORT`. Obeys its standard input and writes its ledger on its standard output;
/// ledger.py and peer.py say how. Serves the metrics of all processes at the port, when nobody else does.
@main
struct DemoEngine {
    static func main() async {
        guard CommandLine.arguments.count == 3, let port = UInt16(CommandLine.arguments[2]) else {
            fail("usage: demo-engine ENDPOINT PORT")
        }
        do {
            try await run(EngineService(endpoint: CommandLine.arguments[1]), port: Int(port))
        } catch {
            fail("\(error)")
        }
    }

    #if HTTPServer
    private static func run(_ engine: EngineService, port: Int) async throws {
        // Not on the standard output, which is the ledger.
        var logger = Logger(label: "engine", factory: StreamLogHandler.standardError(label:))
        logger.logLevel = .warning
        // By default it waits for the port as long as another process of the service has it.
        let metrics = MetricsServer(
            registry: try .default(), configuration: .init(addresses: [.init(port: port)]), logger: logger)
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
    #endif

    private static func fail(_ reason: String) -> Never {
        Ledger.write("engine: \(reason)\n", to: STDERR_FILENO)
        exit(1)
    }
}
