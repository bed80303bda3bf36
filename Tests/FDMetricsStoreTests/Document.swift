// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A text file of the repository, found from where this source file is.
func repositoryText(_ path: String) throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
}

/// The paths of all Swift files of a folder of the repository, relative to the repository.
func swiftFiles(under folder: String) throws -> [String] {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    let names = try FileManager.default.subpathsOfDirectory(
        atPath: root.appendingPathComponent(folder).resolvingSymlinksInPath().path)
    return names.filter { $0.hasSuffix(".swift") }.map { "\(folder)/\($0)" }.sorted()
}

/// The tables of a Markdown file, by the headings that they stand under.
struct MarkdownTables {
    /// Under each heading the rows of all its tables, heading rows included, each as its trimmed cells.
    private(set) var rows: [String: [[String]]] = [:]

    init(_ text: String) {
        var heading = ""
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("#") {
                heading = line.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces)
            } else if line.hasPrefix("|"), !line.hasPrefix("|--") {
                let cells = line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false)
                rows[heading, default: []].append(cells.map { $0.trimmingCharacters(in: .whitespaces) })
            }
        }
    }
}

/// The text between the first pair of backticks.
func code(_ cell: String) -> String {
    let parts = cell.split(separator: "`", omittingEmptySubsequences: false)
    return parts.count > 1 ? String(parts[1]) : cell
}

/// The texts between all pairs of backticks.
func codes(_ text: some StringProtocol) -> [String] {
    text.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map {
        String($0.element)
    }
}
