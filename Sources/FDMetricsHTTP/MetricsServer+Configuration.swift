// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
package import FDMetricsExposition

extension MetricsServer {
    /// Where a server listens, what it shows, and how much it lets clients have.
    public struct Configuration: Sendable {
        /// TCP addresses to listen on. Only programs of this host reach the default one.
        public var addresses: [Address]
        /// A Unix socket to listen on as well, or alone with no `addresses`; nil: none.
        public var unixSocket: UnixSocket?
        /// What to do where an address or a socket is taken.
        public var whenTaken: WhenTaken = .wait
        /// CPU seconds, memory, file descriptors, threads and start time of the processes that hold the store.
        public var processMetrics: ProcessMetricsMode = .total
        /// What the store says of itself: fdmetrics_live_processes and so on.
        public var showsSelfMetrics = true
        /// Whether samples that belong to a process carry pid="<process id>" in place of worker="<slot>".
        public var labelsByPid = false
        /// Whether OpenMetrics says when each series was registered, as x_created.
        public var showsCreated = false
        /// Makes TCP connections encrypted ones, and clients show a certificate; nil: neither. Unix sockets have none of it.
        public var tls: TLS?
        /// A file with a word that every request must bring as `Authorization: Bearer WORD`, but those for /healthz; nil:
        /// none. It is followed like those of `tls`.
        public var bearerTokenFile: String?
        /// Names that clients may call the server by, in their header Host.
        ///
        /// A server on a loopback address always answers to localhost and to loopback numbers, and to no name besides these:
        /// else a web page could read metrics through the browser of whoever looks at it (DNS rebinding). One on another
        /// address answers to any name as long as this is empty, and else to these and to its own number.
        public var allowedHosts: [String] = []
        /// What clients may have.
        public var limits = Limits()

        /// A configuration with these addresses and socket, and with the defaults for the rest.
        public init(addresses: [Address] = [Address()], unixSocket: UnixSocket? = nil) {
            self.addresses = addresses
            self.unixSocket = unixSocket
        }

        package var renderOptions: RenderOptions {
            var options: RenderOptions = []
            if labelsByPid { options.insert(.labelsByPid) }
            if showsCreated { options.insert(.created) }
            if showsSelfMetrics { options.insert(.selfMetrics) }
            switch processMetrics {
            case .none: break
            case .total: options.insert(.processMetrics)
            case .byWorker: options.insert(.processMetricsByWorker)
            }
            return options
        }
    }

    /// A TCP address.
    public struct Address: Sendable, Hashable, CustomStringConvertible {
        /// A name or a number: "127.0.0.1", "::1", "localhost"; "0.0.0.0" is every interface, "::" also of IPv6.
        public var host: String
        /// 0: any port that is free.
        public var port: Int

        /// An address.
        public init(host: String = "127.0.0.1", port: Int = 9919) {
            self.host = host
            self.port = port
        }

        /// An address from "HOST:PORT", where an IPv6 number stands in brackets; nil: it is none.
        public init?(_ text: String) {
            guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
                return nil
            }
            var host = text[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") {
                host = host.dropFirst().dropLast()
            } else if host.contains(":") {
                return nil
            }
            if host.isEmpty { return nil }
            self.init(host: String(host), port: Int(port))
        }

        /// "HOST:PORT".
        public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    /// A Unix socket. A file PATH.lock beside it says which process serves it.
    public struct UnixSocket: Sendable, Hashable {
        /// The socket's file, in a directory that exists; at most 107 bytes.
        public var path: String
        /// Who may connect, as of chmod. By default the user and the group.
        public var mode: UInt16

        /// A Unix socket.
        public init(path: String, mode: UInt16 = 0o660) {
            self.path = path
            self.mode = mode
        }
    }

    /// The files for TLS (1.2 or newer), as PEM. They are read again within a second of the next connection after they were
    /// replaced; ones that cannot be used are logged, and those before stay in use.
    public struct TLS: Sendable, Hashable {
        /// The server's certificate, and what leads from it to the root.
        public var certificateFile: String
        /// Its private key, without a passphrase.
        public var keyFile: String
        /// Clients must show a certificate that leads to one of these; nil: they need none.
        public var clientCAFile: String?

        /// The files.
        public init(certificateFile: String, keyFile: String, clientCAFile: String? = nil) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.clientCAFile = clientCAFile
        }
    }

    /// What to do where an address or a socket is taken.
    public enum WhenTaken: Sendable {
        /// Try again every 200 ms until it is free. For processes of one service that all mount a server: one serves, and
        /// when it dies another takes over. An address that is wrong is logged, and does not end the service.
        case wait
        /// `run()` throws.
        case fail
    }

    /// How the metrics of processes are shown.
    public enum ProcessMetricsMode: Sendable {
        /// Not at all.
        case none
        /// Added up.
        case total
        /// One sample for each live process.
        case byWorker
    }

    /// What clients may have. Times are in seconds.
    public struct Limits: Sendable {
        /// Open connections. Where there are as many, the one that has waited longest without a complete request goes.
        public var connections = 256
        /// Renders at a time, each on a thread of its own.
        public var concurrentRenders = 1
        /// Requests that wait for a render, besides those for all metrics, which share one render for each format. Who
        /// comes then is told to come again (503).
        public var waitingRenders = 16
        /// Bytes of the request line and all headers of a request.
        public var headerBytes = 16 * 1024
        /// Bytes of a body, which no request needs and none gets read.
        public var bodyBytes = 64 * 1024
        /// From the connection, or the first byte of a later request, to the request's end; and then to its render.
        public var requestTimeout = 10.0
        /// Between two requests of a connection.
        public var idleTimeout = 75.0
        /// Until an answer has been taken by the client.
        public var writeTimeout = 30.0
        /// For requests that are in flight when the server is stopped.
        public var stopTimeout = 5.0
        /// Rendered bytes that clients have not yet taken. Where there are more, the slowest clients are cut off before
        /// the next render; but two answers have room beside each other however large they are.
        public var unsentBytes = 32 << 20

        /// The defaults.
        public init() {}
    }
}
#endif
