// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetricsStore
import NIOCore
import NIOHTTP1

/// One client: reads its requests, has them answered one after the other, and ends it when it takes too long.
///
/// At any time there is a deadline, and which one depends on what is being waited for:
/// ```
///   idle ── first byte ──> reading ── end of request ──> waiting ── rendered ──> writing ── all taken ──> idle
///  idleTimeout           requestTimeout               requestTimeout          writeTimeout
///                           └────────── error ──────────────────────────────────> writing ──> lingering ──> closed
/// ```
/// A new connection begins in `reading`. The deadline is not moved by bytes that come or go, so that a client which sends
/// or takes one byte a second gains nothing. Confined to its event loop.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State { case idle, reading, waiting, writing, lingering, closed }

    private let server: ServerLoop
    private var state = State.reading
    private var since = NIODeadline.now()
    private var deadline = NIODeadline.now()
    private var alarm: Scheduled<Void>?
    private var alarmTime = NIODeadline.now()
    private var hasBytes = false
    private weak var channel: (any Channel)?

    private var head: HTTPRequestHead?
    private var bodyBytes = 0
    private enum Early { case part(HTTPServerRequestPart), error(HTTPParserError) }
    /// What came of the next request while an answer was being sent.
    private var early: [Early] = []
    private var earlyBytes = 0
    private var closesAfterAnswer = false
    /// Whether bytes may still come that nobody will read: the client must not be reset before it has read the answer.
    private var lingers = false
    private var ticket: RenderScheduler.Ticket?
    private var answer: UnsentAnswers.Answer?
    private var lingeredBytes = 0

    init(server: ServerLoop) { self.server = server }

    private var limits: MetricsServer.Limits { server.configuration.limits }

    // MARK: - The channel

    func channelActive(context: ChannelHandlerContext) {
        channel = context.channel
        guard server.connections.add(self) else {
            state = .closed
            context.close(promise: nil)
            return
        }
        enter(.reading, for: limits.requestTimeout)
        if server.isStopping { endAfterRequest() }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    /// Raw bytes, before they are parsed.
    /// - Returns: whether anybody wants them.
    func bytesCame(_ count: Int) -> Bool {
        hasBytes = true
        switch state {
        case .idle:
            enter(.reading, for: limits.requestTimeout)
            return true
        case .lingering:
            lingeredBytes += count
            if lingeredBytes > 1 << 20 { cutOff() }
            return false
        case .closed: return false
        default: return true
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        take(unwrapInboundIn(data))
    }

    private func take(_ part: HTTPServerRequestPart) {
        switch state {
        case .idle, .reading: break
        case .writing:
            keep(part)
            return
        case .waiting, .lingering, .closed: return
        }
        switch part {
        case .head(let head):
            // Of a request that came together with the one before.
            if state == .idle { enter(.reading, for: limits.requestTimeout) }
            begin(head)
        case .body(let bytes):
            bodyBytes += bytes.readableBytes
            if bodyBytes > limits.bodyBytes { refuse(.payloadTooLarge, "no request here takes a body") }
        case .end:
            guard let head else { return }
            answer(head)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent {
            // The client sends no more. It may still read, as `printf ... | nc` does.
            switch state {
            case .idle, .reading, .lingering: context.close(promise: nil)
            case .waiting, .writing:
                closesAfterAnswer = true
                lingers = false
            case .closed: break
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else { return cutOff() }
        // What follows a request that was refused need not make sense.
        if lingers { return }
        refuse(error)
    }

    private func refuse(_ error: HTTPParserError) {
        switch state {
        case .idle, .reading: break
        case .writing:
            early.append(.error(error))
            return
        case .waiting, .lingering, .closed: return cutOff()
        }
        switch error {
        case .headerOverflow:
            refuse(.requestHeaderFieldsTooLarge, "request line and headers may have \(limits.headerBytes) bytes")
        case .invalidVersion:
            refuse(.httpVersionNotSupported, "HTTP/1.1 or 1.0 is expected")
        case .invalidEOFState:
            cutOff()
        default:
            refuse(.badRequest, "this is no HTTP/1.1 request")
        }
    }

    // MARK: - Requests

    private func begin(_ head: HTTPRequestHead) {
        self.head = head
        bodyBytes = 0
        // What follows such a request is no HTTP/1.1.
        closesAfterAnswer = !head.isKeepAlive || head.method == .CONNECT || head.headers.contains(name: "Upgrade")
        let hosts = head.headers["Host"].count
        if head.version.major != 1 {
            refuse(.httpVersionNotSupported, "HTTP/1.1 or 1.0 is expected")
        } else if hosts > 1 || hosts == 0 && head.version.minor >= 1 {
            refuse(.badRequest, "one header Host is expected")
        } else if let length = head.headers.first(name: "Content-Length"), Int(length) ?? .max > limits.bodyBytes {
            refuse(.payloadTooLarge, "no request here takes a body")
        }
    }

    /// Keeps what comes of the next request while an answer is being sent. The pipeline hands on one request at most; its
    /// body is of no interest.
    private func keep(_ part: HTTPServerRequestPart) {
        if closesAfterAnswer { return }
        switch part {
        case .head: early.append(.part(part))
        case .body(let bytes):
            earlyBytes += bytes.readableBytes
            if earlyBytes > limits.bodyBytes { cutOff() }
        case .end: early.append(.part(part))
        }
    }

    private func takeWhatWasKept() {
        let kept = early
        early = []
        earlyBytes = 0
        for item in kept {
            switch item {
            case .part(let part): take(part)
            case .error(let error): refuse(error)
            }
        }
    }

    private func answer(_ head: HTTPRequestHead) {
        switch Route(head) {
        case .immediate(let response): send(response)
        case .render(let job, let wish):
            enter(.waiting, for: limits.requestTimeout)
            // The scheduler lets go of this closure, and so of the connection, at the latest when it has rendered.
            let submitted = server.scheduler.submit(job, wish) { [self] result, answer in
                guard ticket != nil else { return }
                ticket = nil
                send(result, wish, answer)
            }
            if let submitted { ticket = submitted } else { sendBusy() }
        }
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
                    cutOff()
                }
            }
            headers.add(name: "Content-Type", value: rendering.contentType)
            if tag.isGzipped { headers.add(name: "Content-Encoding", value: "gzip") }
            write(.ok, headers, bytes)
        case .page(let response): send(response ?? Route.notFound)
        case .failure(let error):
            server.renderFailed(error)
            send(.text(.internalServerError, error.message))
        }
    }

    private func sendBusy() {
        send(.text(.serviceUnavailable, "too many requests are waiting; try again", headers: [("Retry-After", "1")]))
    }

    /// Ends a connection whose next bytes mean nothing, with a word to the client.
    private func refuse(_ status: HTTPResponseStatus, _ text: String) {
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
        if let body, head?.method != .HEAD, body.readableBytes > 0 {
            parts.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        let taken = channel.eventLoop.makePromise(of: Void.self)
        taken.futureResult.assumeIsolated().whenComplete { [self] result in
            if case .success = result { finish() } else { cutOff() }
        }
        head = nil
        parts.writeAndFlush(wrapOutboundOut(.end(nil)), promise: taken)
    }

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
            channel?.close(promise: nil)
        }
    }

    // MARK: - Deadlines and ends

    private func enter(_ state: State, for seconds: Double) {
        self.state = state
        since = .now()
        deadline = since + .nanoseconds(Int64(min(max(seconds, 0), 1e9) * 1e9))
        // One that comes too early sets the next: most deadlines are moved long before they come.
        if alarm == nil || deadline < alarmTime { setAlarm() }
    }

    private func setAlarm() {
        alarm?.cancel()
        alarmTime = deadline
        alarm = channel?.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            alarm = nil
            if state == .closed { return }
            if NIODeadline.now() < deadline { return setAlarm() }
            expire()
        }
    }

    private func expire() {
        switch state {
        case .reading where head != nil: refuse(.requestTimeout, "the request took too long")
        case .waiting:
            takeBackRequest()
            sendBusy()
        default: cutOff()
        }
    }

    /// How good a claim to its place a connection has, where others want it; nil: it is not to be disturbed.
    func claim(_ now: NIODeadline) -> Claim? {
        switch state {
        case .idle, .reading, .lingering, .closed: Claim(rank: 0, since: since)
        case .writing where now - since > UnsentAnswers.patience: Claim(rank: 1, since: since)
        case .writing, .waiting: nil
        }
    }

    /// Who only waits goes before who is being answered, and then who has done so for longest.
    struct Claim: Comparable {
        var rank: Int
        var since: NIODeadline

        static func < (one: Claim, other: Claim) -> Bool { (one.rank, one.since) < (other.rank, other.since) }
    }

    /// Ends the connection; if a request has begun, after its answer.
    func endAfterRequest() {
        switch state {
        case .idle: channel?.close(promise: nil)
        case .reading where !hasBytes: channel?.close(promise: nil)
        default: closesAfterAnswer = true
        }
    }

    /// Ends the connection at once.
    func cutOff() {
        let channel = channel
        end()
        channel?.close(promise: nil)
    }

    private func end() {
        state = .closed
        alarm?.cancel()
        alarm = nil
        takeBackRequest()
        letGoOfAnswer()
        server.connections.remove(self)
    }

    private func takeBackRequest() {
        if let ticket { server.scheduler.cancel(ticket) }
        ticket = nil
    }

    private func letGoOfAnswer() {
        guard let answer else { return }
        self.answer = nil
        server.unsent.remove(self, of: answer)
        // It may be what the next render waits for.
        server.scheduler.start()
    }
}
#endif
