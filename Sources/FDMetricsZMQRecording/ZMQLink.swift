// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetrics

/// One ZeroMQ link: the series of an address, found once, so that a message costs one call and no look-up.
///
/// Beside what is recorded there is in_flight, messages sent less messages received. It costs nothing here, because a
/// scrape computes it: with both ends on one store, the queue's depth and, once it is drained, exactly what was lost.
public struct ZMQLink: Sendable {
    /// What messages are recorded into.
    public let series: ZMQLinkSeries
    private let registry: MetricRegistry
    private let prefix: String
    private let address: String

    /// Bounds of the latency, in milliseconds.
    public static let latencyBounds: [Double] = [
        0.001, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000,
    ]

    /// Finds or makes the series of an address.
    /// - Parameters:
    ///   - registry: the store that they belong to.
    ///   - prefix: the first part of the names: <prefix>:zmq:msg_send_total and so on.
    ///   - address: the endpoint that both ends share, or a name for the link.
    /// - Throws: what registering a family or a series throws.
    public init(registry: MetricRegistry, prefix: String = "fastdeploy", address: String) throws(MetricError) {
        // Found out here, so that no message has to.
        _ = ClockDomain.current
        series = try ZMQLinkSeries(registry: registry, prefix: prefix, address: address)
        try registry.difference(
            "\(prefix):zmq:in_flight", of: "\(prefix):zmq:msg_send", and: "\(prefix):zmq:msg_recv",
            help: "Number of zmq messages sent and not received: queued, or lost", labels: ["address"],
            values: [address])
        self.registry = registry
        self.prefix = prefix
        self.address = address
    }

    /// The series of the link's connections, registered now.
    /// - Throws: what registering a family or a series throws.
    public func watchConnections() throws(MetricError) -> ZMQConnectionRecorder {
        try ZMQConnectionRecorder(registry: registry, prefix: prefix, address: address)
    }

    /// See `ZMQLinkSeries.sent`.
    @inlinable @inline(__always)
    public func sent(bytes: Int) { series.sent(bytes: bytes) }

    /// See `ZMQLinkSeries.sendFailed`.
    @inlinable @inline(__always)
    public func sendFailed() { series.sendFailed() }

    /// See `ZMQLinkSeries.received`.
    @inlinable @inline(__always)
    public func received(bytes: Int) { series.received(bytes: bytes) }

    /// See `ZMQLinkSeries.received`.
    @inlinable @inline(__always)
    public func received(bytes: Int, sentAt seconds: Double) { series.received(bytes: bytes, sentAt: seconds) }

    /// See `ZMQLinkSeries.received`.
    @inlinable @inline(__always)
    public func received(bytes: Int, trailer: UnsafeRawBufferPointer) {
        series.received(bytes: bytes, trailer: trailer)
    }

    /// See `ZMQLinkSeries.receivedUnusableStamp`.
    @inlinable @inline(__always)
    public func receivedUnusableStamp(bytes: Int) { series.receivedUnusableStamp(bytes: bytes) }

    /// See `ZMQLinkSeries.receiveFailed`.
    @inlinable @inline(__always)
    public func receiveFailed() { series.receiveFailed() }

    /// See `ZMQLinkSeries.sendBlocked`.
    @inlinable @inline(__always)
    public func sendBlocked(seconds: Double) { series.sendBlocked(seconds: seconds) }

    /// Whether a stamp of `now()`'s clock can be true: positive, and not later than now. (NaN is neither.)
    public static func isPast(_ seconds: Double) -> Bool { seconds > 0 && seconds <= now() }

    /// Seconds of CLOCK_MONOTONIC: what `send_ts` of an envelope holds, and Python's time.perf_counter() on Linux.
    public static func now() -> Double {
        // Of two parts: a double has not the digits for all nanoseconds at once.
        let (seconds, nanoseconds) = monotonicTime().quotientAndRemainder(dividingBy: 1_000_000_000)
        return Double(seconds) + Double(nanoseconds) * 1e-9
    }
}
