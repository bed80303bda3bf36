// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
public import ArgumentParser
import CMalloc
public import FDMetricsHTTP
import FDMetricsStore
import Glibc
import Logging
import ServiceLifecycle

/// `fdmctl serve`: a store over HTTP.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves a store to Prometheus over HTTP, and a page to look at.",
        usage: "fdmctl serve [<directory>] [--listen HOST:PORT]... [--unix PATH] [<options>]",
        discussion: """
            /metrics   the store, as text, OpenMetrics or protobuf, whichever the scraper prefers; with name[]=NAME alone \
            the families of these names
            /healthz   "ok" while the server runs; also for who has no token
            /          a page that shows families, rates and processes, and refreshes itself

            Without DIR it serves the directory of FDMETRICS_DIR or PROMETHEUS_MULTIPROC_DIR, else the only store named \
            fdmetrics-* in /dev/shm that live processes hold. It needs read access alone. A store that is not there yet \
            has no metrics; one of a service that has crashed is served as it was left; one that was replaced by a \
            service that started anew is served from the next scrape on.

            On a loopback address it answers to localhost and to numbers alone, so that no web page gets at it by a name \
            of its own; --allowed-host adds names. The files for TLS and the token are read again when they change; while \
            new ones cannot be used, the old ones stay in use.

            SIGTERM and SIGINT end it, after the requests in flight. It logs to standard error. Exits 0; 1 where it \
            cannot listen or cannot use a file for TLS or the token; 2 where no directory is known.

            Examples:

              fdmctl serve                                         what Prometheus on this host scrapes
              fdmctl serve /run/app/metrics --listen 0.0.0.0:9919  reachable from other hosts
              fdmctl serve --unix /run/app.sock --unix-mode 660    a socket file alone, for a proxy
              fdmctl serve --take-over                             one of several: the next serves when this one dies
              fdmctl serve --listen 0.0.0.0:9919 --tls-cert tls.crt --tls-key tls.key --bearer-token-file token
              curl localhost:9919/metrics
            """
    )

    @Argument(help: "The store's directory.", completion: .directory)
    var directory: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "An address to listen on, several times for several. (default: 127.0.0.1:9919, or none with --unix)",
            valueName: "host:port"))
    var listen: [MetricsServer.Address] = []

    @Option(help: ArgumentHelp("A Unix socket to listen on.", valueName: "path"), completion: .file())
    var unix: String?

    @Option(help: ArgumentHelp("Who may connect to the Unix socket, as of chmod. (default: 660)", valueName: "mode"))
    var unixMode: FileMode?

    @OptionGroup
    var access: ServeAccess

    @Flag(help: "Where an address is taken, wait until it is free, in place of an error.")
    var takeOver = false

    @Option(help: "Metrics of the service's processes: none, total (all added up) or worker (one sample for each).")
    var processMetrics = ProcessMetricsChoice.total

    @Flag(help: "Tell processes apart by pid=\"...\" in place of worker=\"...\".")
    var pidLabel = false

    @Flag(help: "In OpenMetrics, say when each series was registered (_created).")
    var created = false

    @Flag(help: "Leave out what the store says of itself (fdmetrics_...).")
    var noSelfMetrics = false

    @Option(help: ArgumentHelp("The most connections at once.", valueName: "count"))
    var maxConnections = MetricsServer.Limits().connections

    @Option(help: ArgumentHelp("How long a request, and its render, may take.", valueName: "seconds"))
    var requestTimeout = MetricsServer.Limits().requestTimeout

    @Option(help: ArgumentHelp("How long a connection may wait for its next request.", valueName: "seconds"))
    var idleTimeout = MetricsServer.Limits().idleTimeout

    @Option(help: ArgumentHelp("How long a client may take to read an answer.", valueName: "seconds"))
    var writeTimeout = MetricsServer.Limits().writeTimeout

    @Flag(name: .shortAndLong, help: "Log nothing but errors.")
    var quiet = false

    func validate() throws {
        if unix == "" { throw ValidationError("--unix is empty; expected the path of a socket") }
        if unix == nil, unixMode != nil { throw ValidationError("--unix-mode is for --unix, which is not given") }
        if maxConnections < 1 {
            throw ValidationError("--max-connections is \(maxConnections); expected at least 1")
        }
        let timeouts = [
            ("--request-timeout", requestTimeout), ("--idle-timeout", idleTimeout), ("--write-timeout", writeTimeout),
        ]
        // Also keeps NaN out.
        for (name, seconds) in timeouts where !(seconds > 0 && seconds <= 86_400) {
            throw ValidationError("\(name) is \(seconds); expected up to 86400 seconds, more than 0")
        }
    }

    func run() async throws {
        shareMemoryBetweenThreads()
        let path = try ownDirectory(directory)
        var logger = Logger(label: "fdmctl", factory: StreamLogHandler.standardError(label:))
        logger.logLevel = quiet ? .error : .info
        let service = MetricsServer(directory: path, configuration: serverConfiguration, logger: logger)
        do {
            try await ServiceGroup.run(service, logger)
        } catch {
            logger.error("\(error)")
            throw ExitCode.failure
        }
        logger.info("stopped")
    }

    /// Renders are made one at a time, whatever thread they are made on: with one arena each finds the room of the one
    /// before it, which is neither kept twice nor given back, since a page that is new costs more than what is written to it.
    private func shareMemoryBetweenThreads() { _ = mallopt(M_ARENA_MAX, 1) }

    private var serverConfiguration: MetricsServer.Configuration {
        var configuration = MetricsServer.Configuration(
            addresses: listen.isEmpty && unix == nil ? [MetricsServer.Address()] : listen,
            unixSocket: unix.map { MetricsServer.UnixSocket(path: $0, mode: unixMode?.bits ?? 0o660) })
        access.configure(&configuration)
        configuration.whenTaken = takeOver ? .wait : .fail
        configuration.labelsByPid = pidLabel
        configuration.showsCreated = created
        configuration.showsSelfMetrics = !noSelfMetrics
        configuration.processMetrics = processMetrics.mode
        configuration.limits.connections = maxConnections
        configuration.limits.requestTimeout = requestTimeout
        configuration.limits.idleTimeout = idleTimeout
        configuration.limits.writeTimeout = writeTimeout
        return configuration
    }
}

/// How the metrics of processes are shown, as the command line has it.
enum ProcessMetricsChoice: String, CaseIterable, ExpressibleByArgument {
    case none, total, worker

    var mode: MetricsServer.ProcessMetricsMode {
        switch self {
        case .none: .none
        case .total: .total
        case .worker: .byWorker
        }
    }
}

/// Permission bits, in octal.
struct FileMode: ExpressibleByArgument {
    var bits: UInt16

    init?(argument: String) {
        guard let bits = UInt16(argument, radix: 8), bits <= 0o777 else { return nil }
        self.bits = bits
    }
}

extension MetricsServer.Address: ExpressibleByArgument {
    /// HOST:PORT, or nil for what is no address.
    public init?(argument: String) { self.init(argument) }
}
#endif
