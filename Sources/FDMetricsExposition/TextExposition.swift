// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
public import FDMetrics
public import FDMetricsStore

/// The formats that a store is rendered in. The raw values stand in the C header.
public enum ExpositionFormat: UInt32, Sendable, CaseIterable {
    /// Prometheus text format 0.0.4.
    case text = 1
    /// OpenMetrics 1.0 text.
    case openMetrics = 2
    /// Prometheus protobuf: messages `io.prometheus.client.MetricFamily`, each after its length as a varint. No text.
    case protobuf = 3

    /// The HTTP content type, with a zero at its end.
    package var contentTypeText: StaticString {
        switch self {
        case .text: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        case .protobuf:
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        }
    }

    /// The HTTP content type.
    public var contentType: String { "\(contentTypeText)" }
}

/// What a rendering shows besides the store's metrics, and how. The raw values stand in the C header.
public struct RenderOptions: OptionSet, Sendable {
    /// The options as bits.
    public let rawValue: UInt32

    /// Options of these bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Samples that belong to a process carry pid="<process id>" in place of worker="<slot>".
    public static let labelsByPid = RenderOptions(rawValue: 1)
    /// The metrics of the processes that hold the store, added up: process_cpu_seconds_total and so on.
    public static let processMetrics = RenderOptions(rawValue: 2)
    /// The same, one sample for each live process.
    public static let processMetricsByWorker = RenderOptions(rawValue: 4)
    /// In OpenMetrics: when each series was registered, as x_created. The protobuf format always has it.
    public static let created = RenderOptions(rawValue: 8)
    /// What the store says of itself: fdmetrics_live_processes and so on.
    public static let selfMetrics = RenderOptions(rawValue: 16)
    /// All options, and the two bits of the escaping of names (see `NameEscaping`).
    package static let all = RenderOptions(rawValue: 31 | 256 | 512)
}

/// A store as text for Prometheus, or as bytes in its protobuf format.
public enum TextExposition {
    /// Renders all metrics of a registry's store, of all processes. Thread-safe; usable in a fork child.
    ///
    /// Costs the same however many processes ever recorded.
    /// - Parameter names: If not empty: only the families that have one of these names, or a sample of such a name.
    /// - Throws: `noSpace`, `system`, `damaged`; `invalidArgument` for the protobuf format, see `renderBytes`.
    public static func render(
        _ registry: MetricRegistry, as format: ExpositionFormat = .text, options: RenderOptions = [],
        names: [String] = []
    ) throws(MetricError) -> String {
        try checkIsText(format)
        return string(try Renderer.render(registry.store, as: format, options: options, names: names))
    }

    /// Renders the store in a directory, of live or dead processes, with read access alone.
    /// - Parameter names: If not empty: only the families that have one of these names, or a sample of such a name.
    /// - Throws: `notFound`, `directory`, `foreign`, `damaged`, `noSpace`, `system`; `invalidArgument` for the protobuf
    ///   format, see `renderBytes`.
    public static func render(
        directory: String, as format: ExpositionFormat = .text, options: RenderOptions = [], names: [String] = []
    ) throws(MetricError) -> String {
        try checkIsText(format)
        return string(try Renderer.render(directory: directory, as: format, options: options, names: names))
    }

    /// Renders a registry's store as `render(_:as:options:names:)` does, in any format.
    /// - Throws: `noSpace`, `system`, `damaged`.
    public static func renderBytes(
        _ registry: MetricRegistry, as format: ExpositionFormat, options: RenderOptions = [], names: [String] = []
    ) throws(MetricError) -> [UInt8] {
        bytes(try Renderer.render(registry.store, as: format, options: options, names: names))
    }

    /// Renders the store in a directory as `render(directory:as:options:names:)` does, in any format.
    /// - Throws: `notFound`, `directory`, `foreign`, `damaged`, `noSpace`, `system`.
    public static func renderBytes(
        directory: String, as format: ExpositionFormat, options: RenderOptions = [], names: [String] = []
    ) throws(MetricError) -> [UInt8] {
        bytes(try Renderer.render(directory: directory, as: format, options: options, names: names))
    }

    private static func checkIsText(_ format: ExpositionFormat) throws(MetricError) {
        if format == .protobuf {
            throw MetricError(.invalidArgument, "the protobuf format is no text: use TextExposition.renderBytes")
        }
    }

    private static func string(_ text: Renderer.Text) -> String {
        defer { CFDMetricsLinux_free(text.start) }
        return String(decoding: UnsafeRawBufferPointer(start: text.start, count: text.count), as: UTF8.self)
    }

    private static func bytes(_ text: Renderer.Text) -> [UInt8] {
        defer { CFDMetricsLinux_free(text.start) }
        return Array(UnsafeRawBufferPointer(start: text.start, count: text.count))
    }
}
