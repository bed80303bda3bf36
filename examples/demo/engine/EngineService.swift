// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Dispatch

#if HTTPServer
import ServiceLifecycle

extension EngineService: Service {}
#endif

/// Runs an engine on a thread of its own, because it waits for messages there.
struct EngineService {
    /// Where the workers connect to.
    let endpoint: String

    /// Returns when the standard input has ended.
    func run() async throws {
        try await withCheckedThrowingContinuation { (finished: CheckedContinuation<Void, any Error>) in
            DispatchQueue(label: "engine").async {
                finished.resume(
                    with: Result {
                        let engine = try Engine(endpoint: endpoint)
                        Ledger.say("ready")
                        try engine.run()
                        try engine.close()
                    })
            }
        }
    }
}
