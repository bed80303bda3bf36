// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetricsExposition
import NIOHTTP1
import Synchronization

/// What a server has answered since it was made, for its own /metrics. Thread-safe: counted on the event loop, read by the
/// threads that render.
final class RequestCounts: Sendable {
    /// Why a client has no whole answer with what it asked for, though it is not to blame for it or not alone.
    enum Failure: Int, CaseIterable {
        /// As many renders were waiting as may.
        case busy
        /// The client went, or broke off, before it had all of its answer.
        case clientGone
        /// Closed to make room for other connections.
        case connectionLimit
        /// The store could not be rendered.
        case render
        /// The render took too long.
        case renderTimeout
        /// The request did not come whole in time.
        case requestTimeout
        /// The client took its answer too slowly: it was late, or others needed the memory.
        case slowClient
        /// No agreement on TLS, or no certificate that is accepted.
        case tlsHandshake

        fileprivate var labels: StaticString {
            switch self {
            case .busy: "{reason=\"busy\"}"
            case .clientGone: "{reason=\"client_gone\"}"
            case .connectionLimit: "{reason=\"connection_limit\"}"
            case .render: "{reason=\"render\"}"
            case .renderTimeout: "{reason=\"render_timeout\"}"
            case .requestTimeout: "{reason=\"request_timeout\"}"
            case .slowClient: "{reason=\"slow_client\"}"
            case .tlsHandshake: "{reason=\"tls_handshake\"}"
            }
        }
    }

    private struct Numbers {
        var answers = [Int](repeating: 0, count: statuses.count)
        var failures = [Int](repeating: 0, count: Failure.allCases.count)
        var bytes = 0
    }

    /// All that a server answers with, by number.
    private static let statuses: [(code: UInt, labels: StaticString)] = [
        (200, "{code=\"200\"}"), (204, "{code=\"204\"}"), (304, "{code=\"304\"}"), (400, "{code=\"400\"}"),
        (401, "{code=\"401\"}"), (404, "{code=\"404\"}"), (405, "{code=\"405\"}"), (408, "{code=\"408\"}"),
        (413, "{code=\"413\"}"), (421, "{code=\"421\"}"), (431, "{code=\"431\"}"), (500, "{code=\"500\"}"),
        (503, "{code=\"503\"}"), (505, "{code=\"505\"}"),
    ]

    private let numbers = Mutex(Numbers())

    /// An answer begins.
    func answered(_ status: HTTPResponseStatus) {
        guard let index = Self.statuses.firstIndex(where: { $0.code == status.code }) else { return }
        numbers.withLock { $0.answers[index] += 1 }
    }

    func failed(_ failure: Failure) { numbers.withLock { $0.failures[failure.rawValue] += 1 } }

    /// A client has taken so much of a body.
    func sent(byteCount: Int) { numbers.withLock { $0.bytes += byteCount } }

    /// As a scrape shows them: every reason, and the codes that there were, 200 always.
    var counters: [AddedCounter] {
        let now = numbers.withLock { $0 }
        return [
            AddedCounter(
                "fdmetrics_http_request_failures",
                help: "Requests and connections that the server of metrics could not serve, or not to the end.",
                Failure.allCases.map { ($0.labels, Double(now.failures[$0.rawValue])) }),
            AddedCounter(
                "fdmetrics_http_requests", help: "Requests that the server of metrics has answered.",
                zip(Self.statuses, now.answers).filter { $1 > 0 || $0.code == 200 }.map { ($0.labels, Double($1)) }),
            AddedCounter(
                "fdmetrics_http_response_bytes",
                help: "Bytes of bodies that clients have taken from the server of metrics, as they were sent.",
                [("", Double(now.bytes))]),
        ]
    }
}
#endif
