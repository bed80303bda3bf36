// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Every atomic location of the sources stands in docs/memory-ordering.md, and everything that stands there exists.
@Suite("docs/memory-ordering.md is complete")
struct MemoryOrderingTests {
    private let document: String
    private let sources: [(path: String, lines: [Substring])]

    init() throws {
        document = try repositoryText("docs/memory-ordering.md")
        sources = try swiftFiles(under: "Sources").map { path in
            (path, try repositoryText(path).split(separator: "\n", omittingEmptySubsequences: false))
        }
    }

    private func isAtomic(_ line: some StringProtocol) -> Bool { line.contains("ordering: .") }

    @Test("Each source file with an atomic operation is named")
    func files() {
        let atomic = sources.filter { $0.lines.contains(where: isAtomic) }.map(\.path)
        #expect(atomic.count >= 10)
        for path in atomic {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            #expect(document.contains("`\(name)`"), "\(path) has atomic operations; add it to docs/memory-ordering.md")
        }
    }

    @Test("Each field of the file that is used as an atomic is named")
    func fields() {
        // The ways in which the sources reach a shared word: by the header's offset, or by a record's address and one.
        let byOffset = /\b(?:header|value|count|load|next:|reserved:) ?\(?((?:Header|Instance)Layout\.\w+)/
        let slotWords = /\bput\((SlotLayout\.\w+)/
        let byAddress = /\+ ((?:Slot|Family|Series|Instance)Layout\.\w+)/
        var found: Set<String> = []
        for line in sources.flatMap(\.lines) {
            for match in line.matches(of: byOffset) { found.insert(String(match.output.1)) }
            for match in line.matches(of: slotWords) { found.insert(String(match.output.1)) }
            if line.contains(/\b(?:word|halfWord|SharedPair)\(/) {
                for match in line.matches(of: byAddress) { found.insert(String(match.output.1)) }
            }
        }
        #expect(found.count >= 25)
        for name in found.sorted() {
            #expect(document.contains("`\(name)`"), "\(name) is missing in docs/memory-ordering.md")
        }
    }

    @Test("Each atomic variable of a process is named")
    func variables() {
        var found: Set<String> = []
        for (_, lines) in sources {
            for line in lines {
                for match in line.matches(of: /\b(?:let|var) (\w+)(?:: [\w<]*| = )Atomic</) {
                    found.insert(String(match.output.1))
                }
                for match in line.matches(of: /\b(?:let|var) (\w+): UnsafeMutablePointer<Atomic</) {
                    found.insert(String(match.output.1))
                }
            }
        }
        found.remove("pair")  // SharedPair's, which is a view of the fields above
        #expect(found.count >= 6)
        for name in found.sorted() {
            #expect(
                document.contains("`\(name)`") || document.contains(".\(name)`"),
                "the variable \(name) is missing in docs/memory-ordering.md")
        }
    }

    @Test("Everything named exists: fields, files and tests")
    func namesExist() throws {
        let source = sources.map { $0.lines.joined(separator: "\n") }.joined(separator: "\n")
        let layout = try repositoryText("Sources/FDMetricsStore/Layout/StoreFormat.swift")
        for match in document.matches(of: /`(?:Header|Slot|Family|Series|Instance)Layout\.(\w+)`/) {
            #expect(
                layout.contains("static let \(match.output.1) ") || layout.contains("static var \(match.output.1):"))
        }
        for match in document.matches(of: /`(\w[\w+]*\.swift)`/) {
            #expect(sources.contains { $0.path.hasSuffix("/\(match.output.1)") }, "\(match.output.1) does not exist")
        }
        let tests = try swiftFiles(under: "Tests").map { try repositoryText($0) }.joined(separator: "\n")
        var count = 0
        for match in document.matches(of: /`(\w+Tests)\.(\w+)`/) {
            count += 1
            #expect(tests.contains("struct \(match.output.1) "), "there are no \(match.output.1)")
            #expect(tests.contains("func \(match.output.2)("), "there is no test \(match.output.2)")
        }
        #expect(count >= 8)
        for match in document.matches(of: /`Tests\/[\w\/.]+`/) {
            #expect(
                (try? repositoryText(String(match.output.dropFirst().dropLast()))) != nil,
                "\(match.output) does not exist")
        }
        #expect(source.contains("ordering: .acquiring"))
    }
}
