// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Testing

@Suite("The hash of keys and the checksum")
struct KeyHashTests {
    private func checksum(_ text: String) -> UInt64 {
        Array(text.utf8).withUnsafeBytes { KeyHash.checksum($0) }
    }

    private func hash(_ values: [String], seed: UInt64 = 42) -> UInt64 {
        var hash = KeyHash(seed: seed)
        for value in values { withLabelValue(value) { hash.combine($0.bytes, count: $0.count) } }
        return hash.value
    }

    @Test("The test vectors of the document")
    func vectors() throws {
        let rows = try #require(MarkdownTables(repositoryText("docs/file-format.md")).rows["Hash"])
        let checksums = rows.filter { $0.count == 2 && $0[1].hasPrefix("0x") }
        #expect(checksums.count >= 7)
        for row in checksums {
            let text = row[0] == "``" ? "" : code(row[0])
            #expect(UInt64(row[1].dropFirst(2), radix: 16) == checksum(text), "\(row[0])")
        }
        let keys = rows.filter { $0.count == 4 && $0[3].hasPrefix("0x") }
        #expect(keys.count >= 2)
        for row in keys {
            let seed = try #require(UInt64(row[0]))
            var key = KeyHash(seed: seed)
            key.combine(hash([code(row[1])], seed: seed))
            for value in codes(row[2]) { withLabelValue(value) { key.combine($0.bytes, count: $0.count) } }
            #expect(UInt64(row[3].dropFirst(2), radix: 16) == key.value)
        }
    }

    @Test("Where one string ends and the next begins counts")
    func boundaries() {
        let keys = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"], ["abc"], ["a", "b", "c"]]
        #expect(Set(keys.map { hash($0) }).count == keys.count)
        #expect(hash(["abc"], seed: 1) != hash(["abc"], seed: 2))
    }

    @Test("Every byte of a string counts, at every length")
    func everyByte() {
        for length in 1...70 {
            let plain = [UInt8](repeating: 0x61, count: length)
            let reference = plain.withUnsafeBytes { KeyHash.checksum($0) }
            for index in 0..<length {
                var changed = plain
                changed[index] ^= 1
                #expect(changed.withUnsafeBytes { KeyHash.checksum($0) } != reference, "byte \(index) of \(length)")
            }
        }
    }

    @Test("A null address is the empty string")
    func null() {
        var hash = KeyHash(seed: 42)
        hash.combine(nil, count: 0)
        #expect(hash.value == self.hash([""]))
    }

    @Test("Keys as services have them spread evenly, low bits and high")
    func distribution() {
        var low = [Int](repeating: 0, count: 256), high = low
        var all: Set<UInt64> = []
        let count = 64 * 1024
        for index in 0..<count {
            let hash = hash(["/api/v1/items", "worker-\(index)"])
            low[Int(hash & 255)] += 1
            high[Int(hash >> 56)] += 1
            all.insert(hash)
            #expect(hash >> 32 != 0)
        }
        #expect(all.count == count)
        // 256 on average with a standard deviation of 16; the hash is fixed, so this cannot fail by chance.
        for bucket in low + high { #expect((160...352).contains(bucket)) }
    }
}
