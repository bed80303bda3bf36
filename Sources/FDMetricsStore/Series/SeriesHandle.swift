// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// This process's view of one series: all that an update needs, in 32 bytes beside the store.
///
/// A series' record is shared and immutable; what a process derives from it stands here, in private memory at a place
/// that follows from the record's offset. So the handle of a series is the same for all callers of a process, is made
/// without allocation, lock or table, and a fork child inherits it. Two threads that fill it write the same words.
///
///      0  cell       lane 0 of the series' cell; of a gauge: this process's instance, or 0
///      8  laneMask   lanes of the store - 1
///     12  count      bucket bounds of a histogram; the mode of a gauge
///     16  auxiliary  bucket bounds of a histogram; of a gauge: where this process's lease token stands
///     24  record     the series' record; 0: the handle is not filled. Stored last, with release
@frozen @usableFromInline
package struct SeriesHandle {
    @usableFromInline package var cell: UnsafeMutableRawPointer?
    @usableFromInline package var laneMask: UInt32
    @usableFromInline package var count: UInt32
    @usableFromInline package var auxiliary: UnsafeMutableRawPointer?
    @usableFromInline package var record: UnsafeMutableRawPointer?

    package init(
        cell: UnsafeMutableRawPointer?, laneMask: UInt32, count: UInt32, auxiliary: UnsafeMutableRawPointer?,
        record: UnsafeMutableRawPointer?
    ) {
        self.cell = cell
        self.laneMask = laneMask
        self.count = count
        self.auxiliary = auxiliary
        self.record = record
    }

    // Written out, because Embedded Swift has no key paths to ask for them by; a test compares them.
    @usableFromInline package static let cellOffset = 0
    package static let laneMaskOffset = 8
    package static let auxiliaryOffset = 16
    @usableFromInline package static let recordOffset = 24
}

extension UnsafeMutablePointer where Pointee == SeriesHandle {
    /// The record, acquired: the other words were written before it.
    @inline(__always)
    package var filledRecord: UnsafeMutableRawPointer? {
        let bits = word(UnsafeMutableRawPointer(self) + SeriesHandle.recordOffset).pointee.load(ordering: .acquiring)
        return UnsafeMutableRawPointer(bitPattern: UInt(bits))
    }

    /// Publishes a handle whose other words are written. Release: pairs with `filledRecord`.
    package func fill(record: UnsafeMutableRawPointer) {
        word(UnsafeMutableRawPointer(self) + SeriesHandle.recordOffset).pointee.store(
            UInt64(UInt(bitPattern: record)), ordering: .releasing)
    }

    /// The cell of the lane of the CPU that runs this thread.
    @inlinable @inline(__always)
    package func laneCell(cpu: UInt32) -> UnsafeMutableRawPointer {
        pointee.cell.unsafelyUnwrapped + Int(cpu & pointee.laneMask) &<< 20
    }
}

/// Handles for instruments that could not be registered: recording through them changes private memory that nobody reads.
package enum InertHandle {
    /// A sink, aligned as a cell and an instance are, and a handle for each type. Made once, before any thread needs it.
    nonisolated(unsafe) private static let handles: UnsafeMutablePointer<SeriesHandle> = {
        let sink = UnsafeMutableRawPointer.allocate(byteCount: 192, alignment: 64)
        sink.initializeMemory(as: UInt8.self, repeating: 0, count: 192)
        // The bounds of no bucket: a search reads the padding.
        let bounds = sink + 128
        bounds.initializeMemory(as: Double.self, repeating: .infinity, count: FamilyLayout.boundsPadding)
        let handles = UnsafeMutablePointer<SeriesHandle>.allocate(capacity: 8)
        for type in 0..<8 {
            // Lane mask 0: one lane. No bounds: one bucket. A gauge's owner word is its own token, so that it always
            // finds its instance to be its own.
            let isGauge = type == Int(MetricType.gauge.rawValue)
            (handles + type).initialize(
                to: SeriesHandle(
                    cell: isGauge ? sink + 64 : sink, laneMask: 0, count: isGauge ? GaugeMode.sum.rawValue : 0,
                    auxiliary: isGauge ? sink + 64 + InstanceLayout.owner : bounds, record: nil))
        }
        return handles
    }()

    /// The inert handle of a type.
    package static func of(_ type: MetricType) -> UnsafeMutablePointer<SeriesHandle> { handles + Int(type.rawValue) }
}
