// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The demo's engine: `demo-engine ENDPOINT`. Obeys its standard input and writes its ledger on its standard output;
/// ledger.py and peer.py say how.
@main
struct DemoEngine {
    static func main() {
        guard CommandLine.arguments.count == 2 else { fail("usage: demo-engine ENDPOINT") }
        do {
            let engine = try Engine(endpoint: CommandLine.arguments[1])
            Ledger.say("ready")
            try engine.run()
            try engine.close()
        } catch {
            fail("\(error)")
        }
    }

    private static func fail(_ reason: String) -> Never {
        Ledger.write("engine: \(reason)\n", to: STDERR_FILENO)
        exit(1)
    }
}
