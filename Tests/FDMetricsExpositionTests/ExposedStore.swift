// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import FDMetricsTestSupport
import Foundation

/// A store of its own for one test, and its text. Handles are good only while this is there: keep it in a property.
final class ExposedStore: @unchecked Sendable {
    let place = TemporaryStore()
    let registry: MetricRegistry
    private var members: [MetricRegistry] = []

    init(lanes: Int = 4, seriesLimit: Int? = nil) throws {
        registry = MetricRegistry(store: try place.open(lanes: lanes, seriesLimit: seriesLimit))
        members = [registry]
    }

    deinit {
        for member in members { Renderer.forget(member.store) }
    }

    /// Attaches the store once more, as a further process would.
    func join() throws -> MetricRegistry {
        let member = MetricRegistry(store: try place.open())
        members.append(member)
        return member
    }

    /// The text, rendered by this process.
    func text() throws -> String { try TextExposition.render(registry) }

    /// The text, rendered by who only reads the files.
    func textOfReader() throws -> String { try TextExposition.render(directory: place.directory) }

    /// The lines of the text that are samples.
    func samples() throws -> [String] {
        try text().split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
    }
}

/// A whole expected text, which the tests of other parsers read too.
func golden(_ name: String, as format: ExpositionFormat = .text, file: String = #filePath) throws -> String {
    let folder = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
    return try String(
        contentsOf: folder.appendingPathComponent("exposition/golden/\(name).\(format == .text ? "prom" : "om")"),
        encoding: .utf8)
}
