// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import AsyncHTTPClient
import FDMetricsStore
import Glibc
import NIOCore
import NIOHTTP1
import NIOSSL

/// Makes requests by AsyncHTTPClient, over one connection that is kept.
package final class HTTPTransport: PushTransport {
    private let client: HTTPClient
    private let endpoint: PushEndpoint
    /// The beginning of an answer is enough to say what is wrong.
    private static let longestAnswer = 64 << 10

    /// - Parameters:
    ///   - idleTimeout: How long a connection is kept that nothing is sent over.
    ///   - onConnectionLost: Called, on any thread, when a connection that was there has ended.
    /// - Throws: `StoreError`, which says what is wrong with the file with the authorities.
    package init(
        _ endpoint: PushEndpoint, idleTimeout: Duration, onConnectionLost: @escaping @Sendable () -> Void
    ) throws {
        self.endpoint = endpoint
        var configuration = HTTPClient.Configuration()
        if let file = endpoint.authorities {
            // Read now, so that a file that is missing is an error at the start.
            let content = try Self.content(of: file)
            guard let certificates = try? NIOSSLCertificate.fromPEMBytes(content), !certificates.isEmpty else {
                throw StoreError(.invalidArgument, "\(file) has no certificate in PEM (-----BEGIN CERTIFICATE-----)")
            }
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .certificates(certificates)
            configuration.tlsConfiguration = tls
        }
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = TimeAmount(endpoint.connectTimeout)
        configuration.connectionPool.idleTimeout = TimeAmount(idleTimeout)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1
        // Whether to try again, and when, is decided by the rules of the protocol.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.closeFuture.whenComplete { _ in onConnectionLost() }
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    package func send(_ batch: PushBatch) async -> PushOutcome {
        do {
            // The client's own timeout ends with the head of the answer.
            return try await withThrowingTaskGroup(of: PushOutcome.self) { group in
                group.addTask { try await self.answer(to: batch) }
                group.addTask {
                    try await Task.sleep(for: self.endpoint.timeout)
                    throw NoWholeAnswer()
                }
                defer { group.cancelAll() }
                return try await group.next() ?? .failed("there was no request")
            }
        } catch {
            return .failed(reason(error))
        }
    }

    private struct NoWholeAnswer: Error {}

    private func answer(to batch: PushBatch) async throws -> PushOutcome {
        var request = HTTPClientRequest(url: endpoint.url)
        request.method = batch.isDeletion ? .DELETE : HTTPMethod(rawValue: endpoint.method.rawValue)
        request.headers = HTTPHeaders(endpoint.headers.map { ($0.name, $0.value) })
        switch endpoint.credentials {
        case .none: break
        case .bearerToken(let file):
            request.headers.replaceOrAdd(name: "Authorization", value: "Bearer \(try secret(file))")
        case .basic(let user, let file): request.setBasicAuth(username: user, password: try secret(file))
        }
        if !batch.isDeletion { request.body = .bytes(ByteBuffer(bytes: batch.body)) }
        let response = try await client.execute(request, timeout: TimeAmount(endpoint.timeout))
        var answer: [UInt8] = []
        for try await chunk in response.body {
            // The rest is read as well, so that the connection can be used again.
            answer += chunk.readableBytesView.prefix(Self.longestAnswer - answer.count)
        }
        return .answered(
            status: Int(response.status.code), retryAfter: response.headers.first(name: "Retry-After"), body: answer)
    }

    /// What the errors of the client, some of which describe themselves to programmers, mean to an operator.
    private func reason(_ error: any Error) -> String {
        switch error {
        case let error as IOError: return errorText(error.errnoCode)
        case let error as HTTPClientError where error == .connectTimeout:
            return "no connection within \(endpoint.connectTimeout)"
        case let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout:
            return "no answer within \(endpoint.timeout)"
        case is NoWholeAnswer: return "no whole answer within \(endpoint.timeout)"
        case is CancellationError: return "there was no more time for it"
        case let error as HTTPClientError where error == .remoteConnectionClosed:
            return "the connection was closed without an answer"
        case let error as HTTPParserError: return "the answer is no HTTP: \(error)"
        case NIOSSLError.handshakeFailed(let error): return "the TLS handshake failed: \(Self.reasons(error))"
        default: return "\(error)"
        }
    }

    /// BoringSSL's words, such as WRONG_VERSION_NUMBER, without the places in its source.
    private static func reasons(_ error: BoringSSLError) -> String {
        let text = "\(error)"
        let words = text.split { !($0.isUppercase || $0.isNumber || $0 == "_") }.filter {
            $0.dropFirst().dropLast().contains("_")
        }
        if !words.isEmpty { return words.joined(separator: ", ") }
        return text.contains("EOF") ? "the connection was closed" : text
    }

    package func close() async { try? await client.shutdown() }

    /// The first line of a file.
    private func secret(_ path: String) throws -> String {
        let line = try Self.content(of: path).prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        return String(decoding: line, as: UTF8.self)
    }

    /// A file, or of one that has no end, its beginning.
    private static func content(of path: String) throws(StoreError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 { throw StoreError.system("cannot open \(path)", errno) }
        defer { Glibc.close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while content.count < 16 << 20 {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 { throw StoreError.system("cannot read \(path)", errno) }
            if count == 0 { break }
            content += chunk[..<count]
        }
        return content
    }
}
#endif
