// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore

/// A counter of whoever renders, which no store has: a render shows it among the store's families, by its name, in every
/// format and under every filter by name. A family that somebody has registered under its name is shown in its place.
package struct AddedCounter: Sendable {
    /// One series: `{a="x",b="y"}`, or empty, and the number.
    package typealias Sample = (labels: StaticString, value: Double)

    private let name: String
    private let help: String
    private let samples: [Sample]

    /// - Parameter name: without "_total".
    package init(_ name: String, help: String, _ samples: [Sample]) {
        self.name = name
        self.help = help
        self.samples = samples
    }

    var family: FamilySnapshot {
        let descriptor = FamilyDescriptor(type: .counter, name: name, help: help)
        var snapshot = FamilySnapshot(plan: GatherPlan.FamilyPlan(descriptor))
        for (labels, value) in samples {
            let text = UnsafeRawBufferPointer(start: labels.utf8Start, count: labels.utf8CodeUnitCount)
            snapshot.series.append(SeriesSnapshot(text: text, first: snapshot.values.count))
            snapshot.values.append(value)
        }
        return snapshot
    }
}
