// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Tells the process that checks the demo what this one records, independently of the library.
enum Ledger {
    /// Announces updates, makes them, and acknowledges them.
    static func step<Result, Failure: Error>(
        _ updates: String..., body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        say("try " + updates.joined(separator: "; "))
        let result = try body()
        say("done")
        return result
    }

    /// Writes a line in one system call: a pipe takes short ones whole.
    static func say(_ line: String) {
        write(line + "\n", to: STDOUT_FILENO)
    }

    /// Writes to a file descriptor; a reader that is gone ends the process by SIGPIPE.
    static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { _ = Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}
