// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import ArgumentParser
import FDMetricsHTTP

/// Who may have what `fdmctl serve` serves, as the command line has it.
struct ServeAccess: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A name that clients may call the server by (header Host), several times for several. On a loopback address "
                + "localhost and numbers always may; on others any name, unless this is given.",
            valueName: "name"))
    var allowedHost: [String] = []

    @Option(
        help: ArgumentHelp("Encrypt TCP connections: the server's certificate chain, as PEM.", valueName: "file"),
        completion: .file())
    var tlsCert: String?

    @Option(help: ArgumentHelp("The key of the certificate, as PEM.", valueName: "file"), completion: .file())
    var tlsKey: String?

    @Option(
        help: ArgumentHelp("Clients must show a certificate of one of these authorities (PEM).", valueName: "file"),
        completion: .file())
    var clientCA: String?

    @Option(
        help: ArgumentHelp(
            "Clients must send \"Authorization: Bearer WORD\" with the word in this file, but for /healthz.",
            valueName: "file"),
        completion: .file())
    var bearerTokenFile: String?

    func validate() throws {
        if (tlsCert == nil) != (tlsKey == nil) {
            throw ValidationError(
                "\(tlsCert == nil ? "--tls-key" : "--tls-cert") is given alone; expected --tls-cert and --tls-key together"
            )
        }
        if clientCA != nil, tlsCert == nil {
            throw ValidationError("--client-ca is given without TLS; expected --tls-cert and --tls-key with it")
        }
        for name in allowedHost where name.isEmpty || name.contains(where: { "/:[] ".contains($0) }) {
            throw ValidationError("--allowed-host is \"\(name)\"; expected a name without a port: metrics.example.org")
        }
    }

    /// Enters it.
    func configure(_ configuration: inout MetricsServer.Configuration) {
        configuration.allowedHosts = allowedHost
        configuration.bearerTokenFile = bearerTokenFile
        if let tlsCert, let tlsKey {
            configuration.tls = MetricsServer.TLS(certificateFile: tlsCert, keyFile: tlsKey, clientCAFile: clientCA)
        }
    }
}
#endif
