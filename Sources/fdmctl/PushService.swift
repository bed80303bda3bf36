// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetricsPush
import Logging
import ServiceLifecycle
import Synchronization

/// Runs a pusher until it is done, or SIGTERM or SIGINT ask it to stop.
struct PushService: Service {
    private let pusher: Pusher<DirectorySource>
    private let result: PushResult

    /// What became of everything.
    static func run(_ pusher: Pusher<DirectorySource>, _ logger: Logger) async throws -> PushStatistics {
        let result = PushResult()
        try await ServiceGroup.run(PushService(pusher: pusher, result: result), logger)
        return result.statistics.withLock { $0 }
    }

    func run() async throws {
        let statistics = await withGracefulShutdownHandler {
            await pusher.run()
        } onGracefulShutdown: {
            Task { await pusher.stop() }
        }
        result.statistics.withLock { $0 = statistics }
    }
}

private final class PushResult: Sendable {
    let statistics = Mutex(PushStatistics())
}
#endif
