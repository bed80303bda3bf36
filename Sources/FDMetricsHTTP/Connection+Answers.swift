// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetricsStore
import NIOCore
import NIOHTTP1

extension Connection {
    func answer(_ head: HTTPRequestHead) {
        if let refusal = refusal(head) { return send(refusal) }
        switch Route(head) {
        case .immediate(let response): send(response)
        case .render(let job, let wish):
            enter(.waiting, for: limits.requestTimeout)
            // The scheduler lets go of this closure, and so of the connection, when it has called it or the ticket is taken
            // back: what comes here is for this request.
            let submitted = server.scheduler.submit(job, wish) { [self] result, answer in
                ticket = nil
                send(result, wish, answer)
            }
            if let submitted {
                ticket = submitted
            } else {
                server.counts.failed(.busy)
                sendBusy()
            }
        }
    }

    /// The answer to a client that may not have any other; nil: it may.
    private func refusal(_ head: HTTPRequestHead) -> Response? {
        let target = RequestTarget(uri: head.uri)
        if let hostCheck, let host = target.authority ?? head.headers.first(name: "Host"), !hostCheck.admits(host) {
            return .text(
                .misdirectedRequest,
                "this server does not answer for the host \(host); ask it as localhost or by its number, or start it with "
                    + "--allowed-host NAME (in Swift: MetricsServer.Configuration.allowedHosts)")
        }
        // A liveness probe has no token, and learns nothing.
        if target.path == "/healthz" { return nil }
        guard let challenge = server.credentials.challenge(head.headers["Authorization"]) else { return nil }
        return .text(
            .unauthorized, "a bearer token is expected: Authorization: Bearer TOKEN",
            headers: [("WWW-Authenticate", challenge)])
    }

    private func send(_ result: RenderResult, _ wish: Rendering.Wish, _ answer: UnsentAnswers.Answer) {
        switch result {
        case .rendering(let rendering):
            let (bytes, tag) = rendering.body(for: wish)
            var headers = HTTPHeaders([
                ("ETag", tag.text), ("Vary", "Accept, Accept-Encoding"), ("Cache-Control", "no-cache"),
            ])
            guard let bytes else { return write(.notModified, headers, nil) }
            if head?.method != .HEAD {
                self.answer = answer
                server.unsent.add(self, of: answer) { [self] in
                    self.answer = nil
                    cutOff(.slowClient)
                }
            }
            headers.add(name: "Content-Type", value: rendering.contentType)
            if tag.isGzipped { headers.add(name: "Content-Encoding", value: "gzip") }
            write(.ok, headers, bytes)
        case .page(let response): send(response ?? Route.notFound)
        case .failure(let error):
            server.counts.failed(.render)
            server.renderFailed(error)
            send(.text(.internalServerError, error.message))
        }
    }

    func sendBusy() {
        send(.text(.serviceUnavailable, "too many requests are waiting; try again", headers: [("Retry-After", "1")]))
    }

    /// Ends a connection whose next bytes mean nothing, with a word to the client.
    func refuse(_ status: HTTPResponseStatus, _ text: String) {
        closesAfterAnswer = true
        lingers = true
        send(.text(status, text))
    }

    // MARK: - Answers

    private func send(_ response: Response) {
        var headers = HTTPHeaders(response.headers.map { ($0.name, $0.value) })
        headers.replaceOrAdd(name: "Content-Type", value: response.contentType)
        for (name, value) in Route.pageHeaders where !headers.contains(name: name) {
            headers.add(name: name, value: value)
        }
        write(response.status, headers, response.body)
    }

    private func write(_ status: HTTPResponseStatus, _ headers: HTTPHeaders, _ body: ByteBuffer?) {
        guard let channel else { return }
        var headers = headers
        headers.add(name: "Date", value: server.date.text)
        headers.add(name: "X-Content-Type-Options", value: "nosniff")
        if let body, status != .noContent { headers.add(name: "Content-Length", value: "\(body.readableBytes)") }
        if closesAfterAnswer {
            headers.add(name: "Connection", value: "close")
        } else if head?.version.minor == 0 {
            headers.add(name: "Connection", value: "keep-alive")
        }
        let version = head?.version.major == 1 ? head?.version ?? .http1_1 : .http1_1
        enter(.writing, for: limits.writeTimeout)
        let parts = channel.pipeline.syncOperations
        parts.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: version, status: status, headers: headers))), promise: nil)
        let rest = head?.method == .HEAD ? nil : body
        head = nil
        server.counts.answered(status)
        sendRest(rest ?? ByteBuffer())
    }

    /// Sends what is left of a body, and the end of the answer.
    ///
    /// What is encrypted is a copy, which no two clients share. So only a piece of it is there at a time, and the next is
    /// made when the client has taken that.
    private func sendRest(_ body: ByteBuffer) {
        guard let channel, state == .writing else { return }
        let parts = channel.pipeline.syncOperations
        var rest = body
        let isLast = tls == nil || rest.readableBytes <= Self.pieceBytes
        let piece = isLast ? rest : rest.readSlice(length: Self.pieceBytes) ?? rest
        let taken = channel.eventLoop.makePromise(of: Void.self)
        taken.futureResult.assumeIsolated().whenComplete { [self] result in
            guard case .success = result else { return cutOff(.clientGone) }
            server.counts.sent(byteCount: piece.readableBytes)
            if isLast { return finish() }
            // Not from within: a client that is quick would make it as deep as the answer has pieces.
            channel.eventLoop.assumeIsolated().execute { [self] in sendRest(rest) }
        }
        let bytes = wrapOutboundOut(.body(.byteBuffer(piece)))
        if isLast {
            if piece.readableBytes > 0 { parts.write(bytes, promise: nil) }
            parts.writeAndFlush(wrapOutboundOut(.end(nil)), promise: taken)
        } else {
            parts.writeAndFlush(bytes, promise: taken)
        }
    }

    private static var pieceBytes: Int { 256 << 10 }

    /// The client has all of an answer.
    private func finish() {
        guard state == .writing else { return }
        letGoOfAnswer()
        if !closesAfterAnswer {
            enter(.idle, for: limits.idleTimeout)
            takeWhatWasKept()
        } else if lingers, let channel {
            // A socket that is closed with bytes unread resets the client, which then loses the answer. So only this
            // side is closed, and what still comes is dropped for a moment.
            enter(.lingering, for: 1)
            channel.close(mode: .output, promise: nil)
        } else {
            // TLS ends when the client agrees to it.
            enter(.lingering, for: 1)
            channel?.close(promise: nil)
        }
    }
}
#endif
