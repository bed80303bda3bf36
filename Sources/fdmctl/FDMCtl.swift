// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

#if CommandLineTool
import ArgumentParser
import CFDMetricsLinux
import FDMetrics
import FDMetricsStore

/// The command line tool: looks into the store of a service. One file a subcommand.
@main
struct FDMCtl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fdmctl",
        abstract: "Looks into the metrics store of a service, of live or dead processes; needs read access alone.",
        discussion: """
            A number is missing, or wrong:     fdmctl doctor
            What is going on:                  fdmctl top
            What a request, a deploy changes:  fdmctl diff BEFORE AFTER
            Everything that is in the store:   fdmctl dump DIR
            Whether the store is intact:       fdmctl check DIR
            Serve it to Prometheus:            fdmctl serve
            Send it to another system:         fdmctl push
            """,
        version: FDMetricsVersion.string,
        subcommands: [Doctor.self, Top.self, Diff.self, Dump.self, Check.self, Serve.self, Push.self, Completions.self]
    )

    static func main() async {
        // However the command ends.
        atexit(failWithoutOutput)
        await main(nil)
    }
}

/// Ends the process as failed where not all has been written that was printed: print() tells nobody of a full disk.
private func failWithoutOutput() {
    let code = CFDMetricsLinux_flush_output()
    if code == 0 { return }
    printError("fdmctl: standard output cannot be written" + (code > 0 ? ": \(errorText(code))" : ""))
    _exit(74)  // EX_IOERR
}

/// The exit status of a command that found no store to work on.
let noStore = ExitCode(2)
/// That of arguments that make no sense: EX_USAGE, as of what the parser refuses.
let wrongArguments = ExitCode(64)

/// Says on standard error why there is no store to work on.
func refuse(_ error: StoreError) -> ExitCode { refuse(error.message) }

/// Says on standard error why there is nothing to work on.
func refuse(_ message: String, _ code: ExitCode = noStore) -> ExitCode {
    printError("fdmctl: \(message)")
    return code
}

/// The directory that a command works on, which this process's environment names if the user did not.
/// - Throws: the exit status, where none is known, which is said.
func ownDirectory(_ argument: String?) throws(ExitCode) -> String {
    do throws(NoDirectory) {
        return try chosenDirectory(argument, .own)
    } catch {
        throw refuse(error.message)
    }
}

#else

/// Without the trait CommandLineTool the package has no argument parser, and this is no tool.
@main
enum FDMCtl {
    static func main() {
        printError(
            "fdmctl was built without its commands: build it with `swift build --product fdmctl --traits CommandLineTool`"
        )
        exit(64)  // EX_USAGE
    }
}

#endif

/// Writes a line to standard error. By write(2): Swift does not take the C library's `stderr` for safe.
private func printError(_ line: String) {
    var text = line + "\n"
    _ = text.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
