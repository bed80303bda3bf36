// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetricsStore
import Glibc
import Logging
import NIOCore

/// What a server proves itself with, and what it asks of its clients. Confined to its event loop.
final class Credentials {
    private let tls: FollowedFiles<TLSContext>?
    private let token: FollowedFiles<[UInt8]>?

    /// Reads the files.
    init(_ configuration: MetricsServer.Configuration, logger: Logger) throws(CredentialError) {
        if let files = configuration.tls {
            let paths = [files.certificateFile, files.keyFile] + (files.clientCAFile.map { [$0] } ?? [])
            tls = try FollowedFiles(paths, logger: logger) { () throws(CredentialError) in
                try Self.context(files)
            }
        } else {
            tls = nil
        }
        if let path = configuration.bearerTokenFile {
            token = try FollowedFiles([path], logger: logger) { () throws(CredentialError) in try Self.token(path) }
        } else {
            token = nil
        }
    }

    /// Whether TCP connections are encrypted.
    var isEncrypting: Bool { tls != nil }

    /// For a connection that begins; nil: it is not encrypted.
    func tlsHandler() -> TLSHandler? { tls.map { $0.current().handler() } }

    /// What is wrong with the headers Authorization of a request, for WWW-Authenticate; nil: nothing.
    func challenge(_ authorizations: [String]) -> String? {
        guard let token else { return nil }
        guard authorizations.count == 1 else { return "Bearer" }
        let parts = authorizations[0].split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return "Bearer" }
        let given = Array(parts[1].drop { $0 == " " }.utf8)
        return Self.areEqual(given, token.current()) ? nil : "Bearer error=\"invalid_token\""
    }

    /// In a time that depends on nothing but the length of what the client sent.
    private static func areEqual(_ given: [UInt8], _ expected: [UInt8]) -> Bool {
        var difference = UInt(bitPattern: given.count ^ expected.count)
        for (index, byte) in given.enumerated() { difference |= UInt(byte ^ expected[index % expected.count]) }
        return difference == 0
    }

    private static func token(_ path: String) throws(CredentialError) -> [UInt8] {
        var bytes = try content(of: path, "the bearer token")[...]
        func isSpace(_ byte: UInt8?) -> Bool { byte.map { $0 == 0x20 || (0x09...0x0D).contains($0) } ?? false }
        while isSpace(bytes.last) { bytes.removeLast() }
        while isSpace(bytes.first) { bytes.removeFirst() }
        guard !bytes.isEmpty, bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw CredentialError(
                "\(path) has no bearer token; expected one word of printable ASCII characters, with nothing else")
        }
        return Array(bytes)
    }

    private static func context(_ files: MetricsServer.TLS) throws(CredentialError) -> TLSContext {
        let certificate = try content(of: files.certificateFile, "the TLS certificate")
        let key = try content(of: files.keyFile, "the TLS key")
        let clientCA = try files.clientCAFile.map { path throws(CredentialError) in
            try content(of: path, "the CA of client certificates")
        }
        return try TLSContext(files, certificate: certificate, key: key, clientCA: clientCA)
    }

    private static func content(of path: String, _ what: String) throws(CredentialError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if descriptor < 0 { throw CredentialError("cannot read \(what) \(path): \(errorText(errno))") }
        defer { close(descriptor) }
        // More than any chain of certificates has.
        let limit = 1 << 20
        var bytes = [UInt8](repeating: 0, count: limit)
        var count = 0
        while count < limit {
            let result = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + count, limit - count) }
            if result == 0 { return Array(bytes[..<count]) }
            if result > 0 {
                count += result
            } else if errno != EINTR {
                throw CredentialError("cannot read \(what) \(path): \(errorText(errno))")
            }
        }
        throw CredentialError("\(path) is larger than \(limit) bytes; expected \(what)")
    }
}

/// Why files cannot be used.
struct CredentialError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
#endif
