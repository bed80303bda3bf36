// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsInspection
import FDMetricsStore

#if CommandLineTool
import ArgumentParser

/// `fdmctl doctor`: why a number is missing.
struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says why a number is missing: what is wrong with a store, and what to do about it.",
        discussion: """
            Looks at the environment (FDMETRICS_DIR, PROMETHEUS_MULTIPROC_DIR), the directory (owner, permissions, file \
            system, free space, files of others, what deletes it) and the store in it (version, damage, live processes, \
            dropped registrations, conflicts, limits). Each thing that is wrong is one line, errors first:

              warning [foreign-files] /srv/m: has other files (a.log): give the store a \
            directory of its own

            Without DIR it looks where the library would: the environment's directory, else all stores that are named \
            fdmetrics-* in /dev/shm, as the library names them by itself. With --pid it asks as that process: its environment, its mount namespace, and which stores it really \
            uses; that needs the process's user, or root.

            Exits 0 if nothing is wrong, 1 with warnings only, 2 with errors. Nothing is changed or made.

            Examples:

              fdmctl doctor                   the configured store, or automatic ones
              fdmctl doctor /dev/shm/service  this store
              fdmctl doctor --pid 4711        what process 4711 uses
              fdmctl doctor DIR --pid 4711    whether process 4711 uses DIR
            """
    )

    @Argument(help: "The store's directory.", completion: .directory)
    var directory: String?

    @Option(help: ArgumentHelp("Look at the environment and the stores of this process.", valueName: "PID"))
    var pid: UInt64?

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        var diagnosis = Diagnosis()
        if let pid {
            diagnosis.examine(process: pid, expecting: directory)
        } else {
            diagnosis.examine(directory, .own)
        }
        writeOut(json ? diagnosis.json.text : diagnosis.text)
        if diagnosis.status != 0 { throw ExitCode(diagnosis.status) }
    }
}
#endif

extension Diagnosis {
    /// Looks at a directory, or at what the environment leads to.
    mutating func examine(_ directory: String?, _ environment: ServiceEnvironment) {
        checkVariables(environment)
        if let directory {
            if let (variable, configured) = environment.configured, !isSameFile(configured, directory) {
                warn(
                    "environment", directory, "is not the \(variable) of \(environment.owner), which is \(configured)",
                    "make sure that the service uses the directory that you look at (--pid tells)")
            }
            examine(ServiceDirectory(directory, environment))
        } else if let (variable, configured) = environment.configured {
            remarks.append("\(variable) of \(environment.owner) is \(configured)")
            examine(ServiceDirectory(configured, environment))
        } else {
            examineAutomaticStores(environment)
        }
    }

    /// A directory, and the store in it.
    mutating func examine(_ directory: ServiceDirectory) {
        if let store = check(directory) { checkStore(store) }
    }

    private mutating func examineAutomaticStores(_ environment: ServiceEnvironment) {
        let stores = AutomaticStore.all(environment)
        let variables = "\(StoreDirectory.variable) and \(StoreDirectory.prometheusVariable) are unset"
        if stores.isEmpty {
            error(
                "environment", environment.owner,
                "\(variables), and there is no automatic store (\(AutomaticStore.pattern(environment)))",
                "start the service, or name the directory that it uses: fdmctl doctor DIR")
            return
        }
        remarks.append("\(variables); stores in \(AutomaticStore.pattern(environment)): \(stores.count)")
        for store in stores {
            if store.isReadable {
                examine(ServiceDirectory(store.directory, environment))
            } else {
                remarks.append("\(store.directory) belongs to \(userName(store.owner)), this user cannot read it")
            }
        }
    }
}
