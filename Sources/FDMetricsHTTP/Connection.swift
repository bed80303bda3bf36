// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
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
/// or takes one byte a second gains nothing; the TLS handshake is part of the first request. Confined to its event loop.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    enum State { case idle, reading, waiting, writing, lingering, closed }

    let server: ServerLoop
    /// nil: nothing is encrypted.
    let tls: TLSHandler?
    private let listener: Listener
    private(set) var hostCheck: HostCheck?
    var state = State.reading
    var since = NIODeadline.now()
    var deadline = NIODeadline.now()
    var alarm: Scheduled<Void>?
    var alarmTime = NIODeadline.now()
    private(set) var hasBytes = false
    private(set) weak var channel: (any Channel)?

    var head: HTTPRequestHead?
    private var bodyBytes = 0
    private enum Early { case part(HTTPServerRequestPart), error(HTTPParserError) }
    /// What came of the next request while an answer was being sent.
    private var early: [Early] = []
    private var earlyBytes = 0
    var closesAfterAnswer = false
    /// Whether bytes may still come that nobody will read: the client must not be reset before it has read the answer.
    var lingers = false
    var ticket: RenderScheduler.Ticket?
    var answer: UnsentAnswers.Answer?
    private var lingeredBytes = 0
    private var hasHandshakeFailed = false

    init(server: ServerLoop, listener: Listener, tls: TLSHandler?) {
        self.server = server
        self.listener = listener
        self.tls = tls
    }

    var limits: MetricsServer.Limits { server.configuration.limits }

    // MARK: - The channel

    func channelActive(context: ChannelHandlerContext) {
        channel = context.channel
        hostCheck = listener.hostCheck(of: context.channel)
        guard server.connections.add(self) else {
            server.counts.failed(.connectionLimit)
            state = .closed
            closeNow()
            return
        }
        enter(.reading, for: limits.requestTimeout)
        if server.isStopping { endAfterRequest() }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.clientGone)
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
        if let error = error as? HTTPParserError {
            // What follows a request that was refused need not make sense.
            if !lingers { refuse(error) }
            return
        }
        switch TLSFailure(error) {
        case .handshake:
            if !hasHandshakeFailed { server.counts.failed(.tlsHandshake) }
            hasHandshakeFailed = true
        case .uncleanShutdown: break
        case nil: cutOff(.clientGone)
        }
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
        } else if head.version.minor >= 1, head.headers.first(name: "Expect")?.lowercased() == "100-continue" {
            // The client waits for this before it sends the body, which nobody reads: the answer comes after it.
            let goOn = HTTPResponseHead(version: head.version, status: .continue)
            channel?.pipeline.syncOperations.writeAndFlush(wrapOutboundOut(.head(goOn)), promise: nil)
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

    func takeWhatWasKept() {
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
}
#endif
