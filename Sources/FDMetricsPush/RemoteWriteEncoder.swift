// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetrics
import FDMetricsExposition
import FDMetricsProtobuf
import FDMetricsStore
import SwiftProtobuf

/// Turns readings into requests of Prometheus remote write 1.0
/// (https://prometheus.io/docs/specs/prw/remote_write_spec/): the samples that Prometheus would store of a scrape, with
/// the time of the reading, and a stale marker for each series that is gone.
package struct RemoteWriteEncoder: Sendable {
    /// The value that says "no more samples"; the specification demands these bits.
    static let staleMarker = Double(bitPattern: 0x7FF0_0000_0000_0002)
    /// What any other number that is none is sent as, so that it never looks like a stale marker.
    static let notANumber = Double(bitPattern: 0x7FF8_0000_0000_0001)
    /// The specification takes no names but those of [a-zA-Z_:][a-zA-Z0-9_:]*.
    static let escaping = NameEscaping.underscores
    /// How often families are described anew to receivers that remember types and help texts.
    static let metadataInterval: UInt64 = 60_000_000_000

    private let labels: [PushLabel]
    private let limits: BatchLimits
    private var departures = SeriesDepartures()
    private var describedNames: [String] = []
    private var describedTime: UInt64 = 0

    /// - Parameter labels: Added to each series that has none of these names.
    init(labels: [PushLabel], limits: BatchLimits) {
        self.labels = labels.filter { !$0.value.isEmpty }
        self.limits = limits
    }

    /// The requests of a reading, to be sent in this order.
    mutating func batches(of reading: PushReading) throws -> [PushBatch] {
        let milliseconds = Int64(reading.time / 1_000_000)
        var builder = Builder(limits)
        // One millisecond earlier: should a family have come back as another one, a sample of it may have the same labels.
        for family in departures.next(reading.snapshot.families) {
            try append(family, at: milliseconds - 1, isStale: true, to: &builder)
        }
        for family in reading.snapshot.families {
            try append(family, at: milliseconds, isStale: false, to: &builder)
        }
        var batches = try builder.finish()
        if let metadata = try metadata(of: reading) { batches.append(metadata) }
        return batches
    }

    // MARK: - Samples

    private func append(
        _ family: StoreSnapshot.Family, at time: Int64, isStale: Bool, to builder: inout Builder
    ) throws {
        let descriptor = family.descriptor
        let name = Self.escaping.escaped(metric: descriptor.name)
        let bounds = descriptor.type == .histogram ? (descriptor.bounds + [.infinity]).map(boundText) : []
        for series in family.series {
            var own = LabelText.labels(of: series.labels)
            if let worker = series.worker { own.append(PushLabel(descriptor.ownerLabel(byPid: false), String(worker))) }
            let common = merged(own)
            func add(_ suffix: String, _ value: Double, _ label: PushLabel? = nil) throws {
                try builder.append(
                    named(name + suffix, common, label), isStale ? Self.staleMarker : sent(value), time)
            }
            switch descriptor.type {
            case .counter: try add("_total", series.values[0])
            case .gauge: try add("", series.values[0])
            case .info: try add("_info", 1)
            case .summary:
                try add("_count", series.values[0])
                try add("_sum", series.values[1])
            case .stateSet:
                for (index, state) in descriptor.states.enumerated() {
                    let isOn = Double(index) == series.values[0]
                    try add("", isOn ? 1 : 0, PushLabel(descriptor.stateLabel, state))
                }
            case .histogram:
                var count = 0.0
                for (index, bound) in bounds.enumerated() {
                    count += series.values[index]
                    try add("_bucket", count, PushLabel("le", bound))
                }
                try add("_count", count)
                try add("_sum", series.values[bounds.count])
            }
        }
    }

    private func sent(_ value: Double) -> Double { value.isNaN ? Self.notANumber : value }

    private func boundText(_ bound: Double) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: CanonicalNumber.maximumLength) { buffer in
            let start = buffer.baseAddress.unsafelyUnwrapped
            return String(
                decoding: UnsafeBufferPointer(start: start, count: CanonicalNumber.write(bound, to: start)),
                as: UTF8.self)
        }
    }

    /// A series' labels and the added ones, without empty values, which are the same as no label.
    private func merged(_ own: [PushLabel]) -> [PushLabel] {
        var merged: [PushLabel] = []
        for label in own + labels {
            let name = Self.escaping.escaped(label: label.name)
            if label.value.isEmpty || merged.contains(where: { $0.name == name }) { continue }
            merged.append(PushLabel(name, label.value))
        }
        return merged
    }

    private func named(_ name: String, _ common: [PushLabel], _ label: PushLabel?) -> [Prometheus_Label] {
        var all = common
        if let label {
            let name = Self.escaping.escaped(label: label.name)
            all.removeAll { $0.name == name }
            if !label.value.isEmpty { all.append(PushLabel(name, label.value)) }
        }
        all.append(PushLabel("__name__", name))
        all.sort(by: PushLabel.precedes)
        return all.map { label in
            Prometheus_Label.with {
                $0.name = label.name
                $0.value = label.value
            }
        }
    }

    // MARK: - Metadata

    /// A request of its own, so that a receiver that does not take it refuses no sample with it.
    private mutating func metadata(of reading: PushReading) throws -> PushBatch? {
        let names = reading.snapshot.families.map(\.descriptor.name)
        let isDue = names != describedNames || reading.time - describedTime >= Self.metadataInterval
        guard isDue, !names.isEmpty else { return nil }
        describedNames = names
        describedTime = reading.time
        let request = Prometheus_WriteRequest.with {
            $0.metadata = reading.snapshot.families.map { describe($0.descriptor) }
        }
        return PushBatch(body: try Snappy.compressed(request.serializedBytes()), samples: 0)
    }

    private func describe(_ family: FamilyDescriptor) -> Prometheus_MetricMetadata {
        let name = Self.escaping.escaped(metric: family.name)
        return Prometheus_MetricMetadata.with {
            $0.help = family.help
            $0.unit = family.unit
            // A counter and an info under the names of their samples, as a scrape in the text format has them.
            switch family.type {
            case .counter: ($0.type, $0.metricFamilyName) = (.counter, name + "_total")
            case .gauge: ($0.type, $0.metricFamilyName) = (.gauge, name)
            case .histogram: ($0.type, $0.metricFamilyName) = (.histogram, name)
            case .summary: ($0.type, $0.metricFamilyName) = (.summary, name)
            case .info: ($0.type, $0.metricFamilyName) = (.info, name + "_info")
            case .stateSet: ($0.type, $0.metricFamilyName) = (.stateset, name)
            }
        }
    }

    // MARK: - Batches

    /// Collects samples into requests of a bounded size.
    private struct Builder {
        private let limits: BatchLimits
        private var request = Prometheus_WriteRequest()
        private var bytes = 0
        private var batches: [PushBatch] = []

        init(_ limits: BatchLimits) { self.limits = limits }

        mutating func append(_ labels: [Prometheus_Label], _ value: Double, _ time: Int64) throws {
            // Names, values, and two tags and lengths of each; a sample's numbers.
            bytes += labels.reduce(24) { $0 + $1.name.utf8.count + $1.value.utf8.count + 8 }
            request.timeseries.append(
                Prometheus_TimeSeries.with {
                    $0.labels = labels
                    $0.samples = [
                        Prometheus_Sample.with {
                            $0.value = value
                            $0.timestamp = time
                        }
                    ]
                })
            if request.timeseries.count >= limits.samples || bytes >= limits.bytes { try close() }
        }

        mutating func finish() throws -> [PushBatch] {
            try close()
            return batches
        }

        private mutating func close() throws {
            if request.timeseries.isEmpty { return }
            batches.append(
                PushBatch(
                    body: try Snappy.compressed(request.serializedBytes()), samples: request.timeseries.count))
            request = Prometheus_WriteRequest()
            bytes = 0
        }
    }
}
#endif
