// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetrics
import FDMetricsExposition
import FDMetricsProtobuf
import FDMetricsStore
import SwiftProtobuf

/// Turns readings into requests of OTLP/HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp): cumulative sums and
/// histograms that start when their series was registered, and gauges. A series that is gone gets one data point
/// without a value.
package struct OTLPEncoder: Sendable {
    private let resource: OTLPResource
    private let limits: BatchLimits
    private var departures = SeriesDepartures()

    /// - Parameter resource: What the metrics are of: service.name and so on.
    init(resource: [PushLabel], limits: BatchLimits) {
        self.resource = OTLPResource.with { $0.attributes = Self.attributes(resource) }
        self.limits = limits
    }

    /// The requests of a reading, to be sent in this order.
    mutating func batches(of reading: PushReading) throws -> [PushBatch] {
        var builder = Builder(resource, limits)
        for family in departures.next(reading.snapshot.families) {
            // Earlier than what may have come in its place.
            try append(family, Moment(time: reading.time - 1_000_000, origin: 0, isGone: true), to: &builder)
        }
        for family in reading.snapshot.families {
            let moment = Moment(time: reading.time, origin: reading.storeCreated, isGone: false)
            try append(family, moment, to: &builder)
        }
        return try builder.finish()
    }

    // MARK: - Data points

    /// When data points are of.
    private struct Moment {
        let time: UInt64
        /// The start of what no series of the store stands for.
        let origin: UInt64
        /// Whether this is the end of the series.
        let isGone: Bool

        var flags: UInt32 { isGone ? UInt32(OTLPDataPointFlags.noRecordedValueMask.rawValue) : 0 }

        func start(_ series: StoreSnapshot.Series) -> UInt64 {
            let start = series.created > 0 ? series.created : origin
            return min(start, time)
        }
    }

    private func append(_ family: StoreSnapshot.Family, _ moment: Moment, to builder: inout Builder) throws {
        var metric = OTLPMetric.with {
            $0.name = family.descriptor.type == .info ? family.descriptor.name + "_info" : family.descriptor.name
            $0.description_p = family.descriptor.help
            $0.unit = Self.unit(family.descriptor.unit)
        }
        let descriptor = family.descriptor
        let size = metric.name.utf8.count + metric.description_p.utf8.count + 32
        // Families may have more series than a request may have data points.
        var rest = family.series[...]
        while !rest.isEmpty {
            let count = builder.room(for: rest, pointsPerSeries: max(1, descriptor.states.count), headerBytes: size) {
                $0.labels.utf8.count + $0.values.count * 16 + 32
            }
            let part = rest.prefix(count)
            rest = rest.dropFirst(count)
            metric.data = data(descriptor, part, moment)
            try builder.append(metric)
        }
    }

    private func data(
        _ descriptor: FamilyDescriptor, _ series: ArraySlice<StoreSnapshot.Series>, _ moment: Moment
    ) -> OTLPMetric.OneOf_Data {
        switch descriptor.type {
        case .counter:
            .sum(
                OTLPSum.with {
                    $0.aggregationTemporality = .cumulative
                    $0.isMonotonic = true
                    $0.dataPoints = series.map { number($0.values[0], descriptor, $0, moment, moment.start($0)) }
                })
        // A difference of two counters has no mode, and is a gauge.
        case .gauge:
            .gauge(
                OTLPGauge.with {
                    $0.dataPoints = series.map { number($0.values[0], descriptor, $0, moment, 0) }
                })
        // OpenTelemetry has neither: both become sums that may go down.
        case .info:
            .sum(
                OTLPSum.with {
                    $0.aggregationTemporality = .cumulative
                    $0.dataPoints = series.map { number(1, descriptor, $0, moment, moment.start($0)) }
                })
        case .stateSet:
            .sum(
                OTLPSum.with {
                    $0.aggregationTemporality = .cumulative
                    $0.dataPoints = series.flatMap { states(descriptor, $0, moment) }
                })
        case .summary:
            .summary(OTLPSummary.with { $0.dataPoints = series.map { summary(descriptor, $0, moment) } })
        case .histogram:
            .histogram(
                OTLPHistogram.with {
                    $0.aggregationTemporality = .cumulative
                    $0.dataPoints = series.map { histogram(descriptor, $0, moment) }
                })
        }
    }

    private func number(
        _ value: Double, _ descriptor: FamilyDescriptor, _ series: StoreSnapshot.Series, _ moment: Moment,
        _ start: UInt64, _ label: PushLabel? = nil
    ) -> OTLPNumberDataPoint {
        OTLPNumberDataPoint.with {
            $0.attributes = attributes(descriptor, series, label)
            $0.startTimeUnixNano = start
            $0.timeUnixNano = moment.time
            $0.flags = moment.flags
            if !moment.isGone { $0.asDouble = value }
        }
    }

    private func states(
        _ descriptor: FamilyDescriptor, _ series: StoreSnapshot.Series, _ moment: Moment
    ) -> [OTLPNumberDataPoint] {
        descriptor.states.enumerated().map { index, state in
            number(
                Double(index) == series.values[0] ? 1 : 0, descriptor, series, moment, moment.start(series),
                PushLabel(descriptor.stateLabel, state))
        }
    }

    private func summary(
        _ descriptor: FamilyDescriptor, _ series: StoreSnapshot.Series, _ moment: Moment
    ) -> OTLPSummaryDataPoint {
        OTLPSummaryDataPoint.with {
            $0.attributes = attributes(descriptor, series)
            $0.startTimeUnixNano = moment.start(series)
            $0.timeUnixNano = moment.time
            $0.flags = moment.flags
            if moment.isGone { return }
            $0.count = UInt64(count: series.values[0])
            $0.sum = series.values[1]
        }
    }

    private func histogram(
        _ descriptor: FamilyDescriptor, _ series: StoreSnapshot.Series, _ moment: Moment
    ) -> OTLPHistogramDataPoint {
        OTLPHistogramDataPoint.with {
            $0.attributes = attributes(descriptor, series)
            $0.startTimeUnixNano = moment.start(series)
            $0.timeUnixNano = moment.time
            $0.flags = moment.flags
            if moment.isGone { return }
            let buckets = series.values.prefix(descriptor.bounds.count + 1).map(UInt64.init(count:))
            $0.bucketCounts = buckets
            $0.explicitBounds = descriptor.bounds
            $0.count = buckets.reduce(0, &+)
            let sum = series.values[descriptor.bounds.count + 1]
            // Only of observations that are never negative: then a sum never goes down.
            if sum >= 0, (descriptor.bounds.first ?? 0) >= 0 { $0.sum = sum }
        }
    }

    // MARK: - Attributes and units

    private func attributes(
        _ descriptor: FamilyDescriptor, _ series: StoreSnapshot.Series, _ label: PushLabel? = nil
    ) -> [OTLPKeyValue] {
        var labels = LabelText.labels(of: series.labels)
        if let worker = series.worker { labels.append(PushLabel(descriptor.ownerLabel(byPid: false), String(worker))) }
        if let label {
            labels.removeAll { $0.name == label.name }
            labels.append(label)
        }
        return Self.attributes(labels)
    }

    private static func attributes(_ labels: [PushLabel]) -> [OTLPKeyValue] {
        labels.map { label in
            OTLPKeyValue.with {
                $0.key = label.name
                $0.value.stringValue = label.value
            }
        }
    }

    /// OpenTelemetry spells units by UCUM (https://ucum.org); names of the store are Prometheus' base units.
    private static func unit(_ name: String) -> String {
        switch name {
        case "seconds": "s"
        case "bytes": "By"
        case "ratio": "1"
        case "meters": "m"
        case "grams": "g"
        case "joules": "J"
        case "volts": "V"
        case "amperes": "A"
        case "celsius": "Cel"
        case "hertz": "Hz"
        default: name
        }
    }

    // MARK: - Batches

    /// Collects metrics into requests of a bounded size.
    private struct Builder {
        private let resource: OTLPResource
        private let limits: BatchLimits
        private var metrics: [OTLPMetric] = []
        private var points = 0
        private var bytes = 0
        private var batches: [PushBatch] = []

        init(_ resource: OTLPResource, _ limits: BatchLimits) {
            self.resource = resource
            self.limits = limits
        }

        /// How many of the series the request that is being collected takes, at least one; they are taken as added.
        mutating func room(
            for series: ArraySlice<StoreSnapshot.Series>, pointsPerSeries: Int, headerBytes: Int,
            size: (StoreSnapshot.Series) -> Int
        ) -> Int {
            bytes += headerBytes
            var count = 0
            for one in series {
                count += 1
                points += pointsPerSeries
                bytes += size(one)
                if isFull { break }
            }
            return count
        }

        private var isFull: Bool { points >= limits.samples || bytes >= limits.bytes }

        mutating func append(_ metric: OTLPMetric) throws {
            metrics.append(metric)
            if isFull { try close() }
        }

        mutating func finish() throws -> [PushBatch] {
            try close()
            return batches
        }

        private mutating func close() throws {
            if metrics.isEmpty { return }
            let request = OTLPExportMetricsServiceRequest.with {
                $0.resourceMetrics = [
                    OTLPResourceMetrics.with {
                        $0.resource = resource
                        $0.scopeMetrics = [
                            OTLPScopeMetrics.with {
                                $0.scope.name = "fdmetrics"
                                $0.scope.version = FDMetricsVersion.string
                                $0.metrics = metrics
                            }
                        ]
                    }
                ]
            }
            batches.append(PushBatch(body: try Gzip.compressed(request.serializedBytes()), samples: points))
            metrics = []
            points = 0
            bytes = 0
        }
    }
}
#endif
