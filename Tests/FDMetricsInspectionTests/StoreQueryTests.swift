// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsInspection
import FDMetricsStore
import FDMetricsTestSupport
import Testing

/// What the page asks for.
@Suite("Store query")
struct StoreQueryTests {
    @Test("Reads a query")
    func reads() {
        let query = StoreQuery(
            "filter=a+-B%22&type=stateset&order=rate&reverse=1&families=7&open=3:x%3Ay&unfold=9&processes=0")
        #expect(query.words == [Array("a".utf8)] && query.excludedWords == [Array("b".utf8)])
        #expect(query.type == .stateSet && query.order == .rate && query.isReversed)
        #expect(query.familyLimit == 7 && query.unfoldLimit == 9 && query.processLimit == 0)
        #expect(query.opened == [StoreQuery.Opened(family: "x:y", series: 3)])
    }

    @Test(
        "What makes no sense is taken as not given",
        arguments: [
            "", "&", "=", "filter", "filter=", "filter=+", "type=none", "order=", "reverse=yes", "families=x", "open=3",
            "open=:x", "open=0:x", "open=-1:x", "unknown=1", "%66ilter",
        ])
    func nonsense(text: String) { #expect(StoreQuery(text) == StoreQuery()) }

    @Test("Numbers are bounded")
    func bounded() {
        let query = StoreQuery("families=99999999999&unfold=-5&open=999999:x&processes=99999")
        #expect(
            query.familyLimit == StoreQuery.greatestCount && query.unfoldLimit == 0
                && query.processLimit == StoreQuery.greatestCount)
        #expect(query.opened.first?.series == StoreQuery.greatestCount)
        #expect(StoreQuery(String(repeating: "open=1:x&", count: 9_000)).opened.count == StoreQuery.greatestCount)
    }

    @Test("Random bytes do no harm")
    func random() {
        var random = SeededGenerator(for: "StoreQueryTests.random")
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                "%=&+:-filteropn019\"aZ\u{e4}".utf8.map { $0 }.randomElement(using: &random)!
            }
            let query = StoreQuery(String(decoding: bytes, as: UTF8.self))
            _ = query.accepts("requests{path=\"/\"}")
        }
    }

    @Test("A word is found anywhere in a text, also at its ends")
    func finds() {
        #expect(StoreQuery("filter=req").accepts("requests"))
        #expect(StoreQuery("filter=sts").accepts("requests"))
        #expect(StoreQuery("filter=requests").accepts("requests"))
        #expect(!StoreQuery("filter=requestss").accepts("requests"))
        #expect(!StoreQuery("filter=aab").accepts("aaaa"))
        #expect(StoreQuery("filter=aab").accepts("aaab"))
        #expect(StoreQuery("filter=").accepts(""))
        #expect(!StoreQuery("filter=x").accepts(""))
    }
}
