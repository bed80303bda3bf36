// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import NIOCore

// The only file that knows swift-nio-ssl, whose build takes longer than that of everything else together.

/// What went wrong with TLS on a connection.
enum TLSFailure {
    /// It closes the connection by itself, after it has told the client why.
    case handshake
    /// A client that sends no more without saying so within TLS. Every HTTP request has its own end.
    case uncleanShutdown
}

#if TLS
import NIOSSL

/// The handler that encrypts one connection.
typealias TLSHandler = NIOSSLServerHandler

/// A certificate with its key, and who may sign those of clients.
struct TLSContext {
    private let context: NIOSSLContext

    /// Takes what was read of the files, as PEM. `clientCA` is nil where clients need no certificate.
    init(
        _ files: MetricsServer.TLS, certificate: [UInt8], key: [UInt8], clientCA: [UInt8]?
    ) throws(CredentialError) {
        let chain = try Self.certificates(certificate, files.certificateFile, "the TLS certificate")
        let roots: [NIOSSLCertificate]?
        if let clientCA, let path = files.clientCAFile {
            roots = try Self.certificates(clientCA, path, "the CA of client certificates")
        } else {
            roots = nil
        }
        guard let key = try? NIOSSLPrivateKey(bytes: key, format: .pem) else {
            throw CredentialError(
                "\(files.keyFile) has no TLS key; expected a private key as PEM, without a passphrase")
        }
        let sources = chain.map { NIOSSLCertificateSource.certificate($0) }
        var configuration =
            if let roots {
                TLSConfiguration.makeServerConfigurationWithMTLS(
                    certificateChain: sources, privateKey: .privateKey(key), trustRoots: .certificates(roots))
            } else {
                TLSConfiguration.makeServerConfiguration(certificateChain: sources, privateKey: .privateKey(key))
            }
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        // For the client to agree to the end, while its place among the connections is another's already.
        configuration.shutdownTimeout = .seconds(1)
        guard let context = try? NIOSSLContext(configuration: configuration) else {
            throw CredentialError(
                "the TLS key \(files.keyFile) does not match the certificate \(files.certificateFile); expected the key "
                    + "that the first certificate of that file was made for")
        }
        self.context = context
    }

    /// For a connection that begins.
    func handler() -> TLSHandler { TLSHandler(context: context) }

    private static func certificates(
        _ bytes: [UInt8], _ path: String, _ what: String
    ) throws(CredentialError) -> [NIOSSLCertificate] {
        guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty else {
            throw CredentialError("\(path) has no certificate; expected \(what) as PEM")
        }
        return certificates
    }
}

extension TLSFailure {
    /// nil: it is another error.
    init?(_ error: any Error) {
        switch error {
        case NIOSSLError.handshakeFailed: self = .handshake
        case NIOSSLError.uncleanShutdown: self = .uncleanShutdown
        default: return nil
        }
    }
}
#else
/// Stands where a handler would be: there is none.
final class TLSHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
}

/// Without the trait TLS there is none.
struct TLSContext {
    init(
        _ files: MetricsServer.TLS, certificate: [UInt8], key: [UInt8], clientCA: [UInt8]?
    ) throws(CredentialError) {
        throw CredentialError(
            "TLS with the certificate \(files.certificateFile) is asked for, and this program was built without TLS: "
                + "build it with the package's trait TLS")
    }

    func handler() -> TLSHandler { TLSHandler() }
}

extension TLSFailure {
    init?(_ error: any Error) { return nil }
}
#endif
#endif
