// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import Testing

@testable import FDMetricsPush

/// What answers mean.
@Suite("Verdicts")
struct VerdictTests {
    private func isRetried(_ verdict: PushVerdict) -> Bool {
        if case .retry = verdict { return true }
        return false
    }

    private func verdict(
        _ status: Int, _ rules: PushProtocol, retryAfter: String? = nil, body: String = ""
    ) -> PushVerdict {
        rules.verdict(
            on: .answered(status: status, retryAfter: retryAfter, body: Array(body.utf8)), now: 784_111_770)
    }

    @Test("Which statuses are tried again")
    func statuses() {
        for status in 100...599 where !(200..<300).contains(status) {
            let isServerError = status >= 500
            #expect(isRetried(verdict(status, .remoteWrite)) == (isServerError || status == 429))
            #expect(isRetried(verdict(status, .pushgateway)) == (isServerError || status == 429))
            #expect(isRetried(verdict(status, .otlp)) == [429, 502, 503, 504].contains(status))
        }
        for status in 200..<300 { #expect(verdict(status, .remoteWrite) == .accepted(remark: nil)) }
        #expect(isRetried(PushProtocol.otlp.verdict(on: .failed("closed"), now: 0)))
    }

    @Test(
        "Retry-After is seconds or a date",
        arguments: [
            ("0", 0), ("7", 7), ("Sun, 06 Nov 1994 08:49:37 GMT", 7), ("Sun, 06 Nov 1994 08:00:00 GMT", 0), ("-1", nil),
            ("soon", nil), ("", nil), ("Sun, 06 Nov 1994", nil), ("Sun, 99 Nov 1994 08:49:37 GMT", nil),
        ] as [(String, Int?)])
    func retryAfter(_ text: String, _ seconds: Int?) {
        let expected = PushVerdict.retry(reason: "status 503", after: seconds.map { .seconds($0) })
        #expect(verdict(503, .remoteWrite, retryAfter: text) == expected)
    }

    @Test("The answer's beginning is the reason, on one line")
    func reason() {
        #expect(
            verdict(400, .remoteWrite, body: "out of\n\tbounds\u{1b}[1m\n")
                == .refused(reason: "status 400: out of bounds [1m"))
        guard case .refused(let reason) = verdict(400, .remoteWrite, body: String(repeating: "x", count: 5000)) else {
            Issue.record("not refused")
            return
        }
        #expect(reason.utf8.count < 400)
    }

    @Test(
        "Addresses of a Pushgateway's groups",
        arguments: [
            ("j", [], "/metrics/job/j"),
            ("a/b", [], "/metrics/job@base64/YS9i"),
            ("j", [PushLabel("path", "/x/y"), PushLabel("z", "")], "/metrics/job/j/path@base64/L3gveQ/z@base64/="),
            ("ü ?", [PushLabel("a", "1%2F")], "/metrics/job/%C3%BC%20%3F/a/1%252F"),
            ("/\u{3ff}\u{3ff}", [], "/metrics/job@base64/L8-_z78"),
        ] as [(String, [PushLabel], String)])
    func groups(_ job: String, _ labels: [PushLabel], _ path: String) {
        #expect(PushgatewayPath.path(job: job, labels: labels) == path)
    }

    @Test("Addresses are checked and completed")
    func addresses() throws {
        #expect(try PushAddress.otlp("http://c:4318") == "http://c:4318/v1/metrics")
        #expect(try PushAddress.otlp("https://c/otlp//") == "https://c/otlp/v1/metrics")
        #expect(try PushAddress.otlp("http://c/v1/metrics") == "http://c/v1/metrics")
        #expect(try PushAddress.remoteWrite("http://c/api/v1/write?a=b") == "http://c/api/v1/write?a=b")
        #expect(try PushAddress.pushgateway("http://c/sub/", job: "j", labels: []) == "http://c/sub/metrics/job/j")
        for wrong in ["", "c:4318", "ftp://c/", "http://", "/v1/metrics", "http://me:it@c/"] {
            #expect(throws: PushAddressError.self) { try PushAddress.remoteWrite(wrong) }
        }
    }
}
#endif
