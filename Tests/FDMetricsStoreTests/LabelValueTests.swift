// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Testing

@Suite("Label values")
struct LabelValueTests {
    private let place = TemporaryStore()
    private let store: Store
    private let family: Family

    init() throws {
        store = try place.open()
        family = try store.family(FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["a", "b"]))
    }

    private func record(_ handle: UnsafeMutablePointer<SeriesHandle>) throws -> SeriesRecord {
        let record = try #require(handle.pointee.record)
        return SeriesRecord(sound: record)
    }

    /// The look-up that recording threads use.
    private func find(_ values: [[UInt8]]) -> UnsafeMutablePointer<SeriesHandle>? {
        let bytes = values.flatMap { $0 }
        return bytes.withUnsafeBytes { raw in
            var start = 0
            let parts = values.map { value in
                defer { start += value.count }
                return LabelValue(bytes: value.isEmpty ? nil : raw.baseAddress! + start, count: value.count)
            }
            return family.core.find(hash: family.core.hash(parts, parts.count), parts, parts.count)
        }
    }

    private static let values: [(value: String, text: String)] = [
        ("plain", "plain"), ("", ""), ("with space, comma=\u{7D}{", "with space, comma=}{"),
        ("back\\slash", "back\\\\slash"),
        ("\"quoted\"", "\\\"quoted\\\""), ("two\nlines\n", "two\\nlines\\n"), ("nul\0inside\0", "nul\0inside\0"),
        ("tab\tand\rreturn", "tab\tand\rreturn"), ("Größe 测试 🚀", "Größe 测试 🚀"), ("\\n", "\\\\n"),
        ("exactly8", "exactly8"), ("sixteen bytes ok", "sixteen bytes ok"),
    ]

    @Test("Any text is kept as it is, shown escaped and found again", arguments: values.indices)
    func anyText(index: Int) throws {
        let (value, text) = Self.values[index]
        for pair in [(value, "x"), ("x", value), (value, value)] {
            let handle = try store.series(family, pair.0, pair.1)
            let series = try record(handle)
            #expect(Array(series.value(0)) == Array(pair.0.utf8) && Array(series.value(1)) == Array(pair.1.utf8))
            let shown = (pair.0 == value ? text : "x", pair.1 == value ? text : "x")
            #expect(series.hasText("{a=\"\(shown.0)\",b=\"\(shown.1)\"}"))
            #expect(try store.series(family, pair.0, pair.1) == handle)
            #expect(find([Array(pair.0.utf8), Array(pair.1.utf8)]) == handle)
            #expect(SeriesRecord(store.firstSegment.pointee, offset: offset(handle)) != nil)
        }
    }

    private func offset(_ handle: UnsafeMutablePointer<SeriesHandle>) -> Int {
        handle.pointee.record.unsafelyUnwrapped - store.firstSegment.pointee.base
    }

    @Test("Values that differ in one byte, or in where they end, are different series")
    func different() throws {
        let pairs = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("ab", "C"), ("ab\0", "c"), ("ab", "c\0")]
        let handles = try pairs.map { try store.series(family, $0.0, $0.1) }
        #expect(Set(handles).count == pairs.count)
        for (pair, handle) in zip(pairs, handles) { #expect(find([Array(pair.0.utf8), Array(pair.1.utf8)]) == handle) }
        #expect(find([Array("ab".utf8), Array("d".utf8)]) == nil)
    }

    @Test("Long values", arguments: [63, 64, 65, 4095, 4096, 100_000])
    func long(length: Int) throws {
        let value = String(repeating: "é\"", count: length / 3) + "."
        let handle = try store.series(family, value, value)
        #expect(Array(try record(handle).value(1)) == Array(value.utf8))
        #expect(find([Array(value.utf8), Array(value.utf8)]) == handle)
    }

    @Test("Invalid UTF-8 is repaired, and leads to the repaired series")
    func invalid() throws {
        let broken: [UInt8] = [0x61, 0xFF, 0x62, 0xC3]
        func look() throws -> UnsafeMutablePointer<SeriesHandle> {
            try broken.withUnsafeBytes { raw in
                let values = [LabelValue(bytes: raw.baseAddress, count: raw.count), LabelValue(bytes: nil, count: 0)]
                return try store.series(family, values, 2)
            }
        }
        let handle = try look()
        #expect(try look() == handle)
        #expect(try record(handle).hasText("{a=\"a\u{FFFD}b\u{FFFD}\",b=\"\"}"))
        #expect(try store.series(family, "a\u{FFFD}b\u{FFFD}", "") == handle)
        #expect(store.seriesCount(family) == 1)
    }

    @Test("Invalid bytes that would find nothing by themselves do not match the repaired bytes' series")
    func invalidIsNotFoundRaw() throws {
        _ = try store.series(family, "a\u{FFFD}", "")
        #expect(find([[0x61, 0xFF], []]) == nil)
    }

    @Test("An info's keys are part of its key")
    func info() throws {
        let info = try store.family(FamilyDescriptor(type: .info, name: "build", labelNames: ["node"]))
        func series(_ keys: [String], _ values: [String]) throws -> SeriesRecord {
            try record(try store.series(info, names: ["node"] + keys, values: ["n1"] + values))
        }
        let one = try series(["version", "branch"], ["1.2", "ma\"in"])
        #expect(one.hasText("{branch=\"ma\\\"in\",node=\"n1\",version=\"1.2\"}"))
        #expect(
            (0..<one.valueCount).map { String(decoding: one.value($0), as: UTF8.self) }
                == ["n1", "1.2", "ma\"in", "version", "branch"])
        #expect(try series(["version", "branch"], ["1.2", "ma\"in"]).record == one.record)
        #expect(try series(["branch", "version"], ["1.2", "ma\"in"]).record != one.record)
        #expect(try series(["version", "branches"], ["1.2", "ma\"in"]).record != one.record)
    }

    @Test("A family without labels has one series, with no text")
    func noLabels() throws {
        let plain = try store.family(FamilyDescriptor(type: .summary, name: "plain"))
        let handle = try store.series(plain)
        #expect(try store.series(plain) == handle)
        #expect(try record(handle).text.count == 0)
    }
}
