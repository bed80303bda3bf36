// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
package import FDMetricsExposition
package import FDMetricsStore
import Glibc
import Synchronization

/// Where readings come from.
package protocol PushSource {
    /// What there is now. A store that is not there yet, or not any more, throws `notFound`.
    mutating func read() throws(StoreError) -> PushReading
    /// The same as text, for the Pushgateway.
    mutating func text() throws(StoreError) -> [UInt8]
    /// The time now, later than that of any reading before, ns since the epoch.
    mutating func time() -> UInt64
}

/// Reads the store in a directory, whichever is there.
package struct DirectorySource: PushSource {
    private let renderer: DirectoryRenderer
    private let options: RenderOptions
    private var lastTime: UInt64 = 0

    /// - Parameters:
    ///   - directory: The store's directory. Nothing is opened yet.
    ///   - options: What to push besides the store's own metrics.
    package init(directory: String, options: RenderOptions) {
        renderer = DirectoryRenderer(expecting: directory)
        self.options = options
    }

    package mutating func read() throws(StoreError) -> PushReading {
        let time = time()
        let snapshot = try renderer.snapshot(options: options)
        let first = try renderer.reader().segment(0)
        let created = first?.pointee.header(HeaderLayout.createdTime).pointee.load(ordering: .relaxed)
        return PushReading(snapshot: snapshot, time: time, storeCreated: created ?? 0)
    }

    package mutating func text() throws(StoreError) -> [UInt8] {
        let text = try renderer.render(as: .text, options: options)
        defer { free(text.start) }
        return Array(UnsafeRawBufferPointer(start: text.start, count: text.count))
    }

    /// Should somebody set the clock back, time goes on by two milliseconds a reading until the clock has caught up:
    /// receivers refuse samples that are older than those they have.
    package mutating func time() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let nanoseconds = UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
        lastTime = max(nanoseconds, lastTime + 2_000_000)
        return lastTime
    }
}
#endif
