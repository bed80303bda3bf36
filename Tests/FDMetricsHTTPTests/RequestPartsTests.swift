// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import Testing

@testable import FDMetricsHTTP

@Suite("The parts of a request and of an answer")
struct RequestPartsTests {
    @Test(
        "A target has a path and a query",
        arguments: [
            ("/metrics", "/metrics", nil), ("/metrics?", "/metrics", ""), ("/metrics?a=b?c", "/metrics", "a=b?c"),
            ("http://host:1/metrics?x", "/metrics", "x"), ("http://host", "/", nil), ("http://host?x", "/", "x"),
            ("*", "*", nil), ("", "", nil), ("/a://b", "/a://b", nil),
        ] as [(String, String, String?)])
    func target(uri: String, path: String, query: String?) {
        let target = RequestTarget(uri: uri)
        #expect(target.path == path)
        #expect(target.query == query)
    }

    @Test(
        "A target says of whom it asks only as proxies get it",
        arguments: [
            ("http://host:1/metrics?x", "host:1"), ("http://host", "host"), ("http://host?x", "host"), ("/a://b", nil),
            ("*", nil), ("/metrics", nil),
        ] as [(String, String?)])
    func authority(uri: String, authority: String?) {
        #expect(RequestTarget(uri: uri).authority == authority)
    }

    @Test(
        "name[] is found however it is escaped",
        arguments: [
            ("name[]=up", ["up"]), ("name%5B%5D=up&name[]=down", ["up", "down"]), ("name%5b%5d=a%3Ab+c", ["a:b c"]),
            ("name[]=", []), ("name[]", []), ("name=up", []), ("&&=&name[]=x=y", ["x=y"]),
            ("name[]=%", ["%"]), ("name[]=%zz%4", ["%zz%4"]), ("name[]=%C3%A4%ff", ["\u{E4}\u{FFFD}"]),
        ] as [(String, [String])])
    func names(query: String, names: [String]) {
        #expect(RequestTarget(uri: "/metrics?\(query)").names == names)
    }

    @Test("An ETag is matched as If-None-Match lists it")
    func entityTags() {
        let plain = EntityTag(hash: 0xAB, isGzipped: false)
        let packed = EntityTag(hash: 0xAB, isGzipped: true)
        #expect(plain.text == "\"00000000000000ab\"")
        #expect(packed.text == "\"00000000000000ab-gzip\"")
        for header in [plain.text, "W/\(plain.text)", " \"x\",\t\(plain.text) ", "*"] { #expect(plain.matches(header)) }
        for header in [nil, "", packed.text, "00000000000000ab", "\"x\"", ","] { #expect(!plain.matches(header)) }
        #expect(packed.matches("\(plain.text), \(packed.text)"))
    }

    @Test("The hash is of every byte, of the length and of the seed")
    func hash() {
        func hash(_ bytes: [UInt8], seed: UInt64 = 1) -> UInt64 {
            bytes.withUnsafeBytes { ContentHash.hash($0, seed: seed) }
        }
        var seen: Set<UInt64> = []
        var count = 0
        for length in [0, 1, 7, 63, 64, 65, 127, 128, 200] {
            let zeros = [UInt8](repeating: 0, count: length)
            seen.insert(hash(zeros))
            seen.insert(hash(zeros, seed: 2))
            count += 2
            for index in zeros.indices {
                for bit in 0..<8 {
                    var changed = zeros
                    changed[index] ^= 1 << bit
                    seen.insert(hash(changed))
                    count += 1
                }
            }
        }
        #expect(seen.count == count)
        #expect(hash([1, 2, 3]) == hash([1, 2, 3]))
    }

    @Test(
        "An address is HOST:PORT",
        arguments: [
            ("127.0.0.1:9919", "127.0.0.1", 9919), ("[::1]:80", "::1", 80), ("localhost:0", "localhost", 0),
        ])
    func address(text: String, host: String, port: Int) throws {
        let address = try #require(MetricsServer.Address(text))
        #expect(address.host == host)
        #expect(address.port == port)
        #expect(address.description == text)
    }

    @Test("What is no address", arguments: ["", ":1", "host", "host:", "::1:80", "[::1]", "a:65536", "a:-1", "a:b"])
    func noAddress(text: String) {
        #expect(MetricsServer.Address(text) == nil)
    }

    @Test(
        "Date is as in RFC 9110",
        arguments: [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_827_696, "Tue, 29 Feb 2000 12:34:56 GMT"),
        ])
    func date(time: Int, text: String) {
        #expect(HTTPDate.text(time) == text)
    }
}
#endif
