// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetrics
import Glibc

/// One ZeroMQ link: the series of an address, found once, so that a message costs one call and no look-up.
///
/// Needs no libzmq: whoever sends and receives says here what happened. Copying it is copying addresses; it may be used
/// from any thread, and in fork children.
///
/// Beside what it records there is in_flight, messages sent less messages received. It costs nothing here, because a
/// scrape computes it: with both ends on one store, the queue's depth and, once it is drained, exactly what was lost.
public struct ZMQLink: Sendable {
    /// Messages that libzmq accepted; a multipart message is one.
    public let sentMessages: Counter
    /// Sends that failed, serialisation and EAGAIN included.
    public let failedSends: Counter
    /// Bytes of all frames of accepted messages.
    public let sentBytes: Counter
    /// Messages received, with or without a time stamp.
    public let receivedMessages: Counter
    /// Bytes of all frames of received messages.
    public let receivedBytes: Counter
    /// Milliseconds from the send call to the return of the receive call.
    public let latency: Histogram
    /// Messages received that could not be decoded.
    public let failedReceives: Counter
    /// Messages received whose stamp gave no latency: of another clock, of the future, or none though it looked like one.
    public let skippedLatencies: Counter
    /// Seconds that sends waited for room.
    public let blockedSeconds: Counter
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
        func counter(_ name: String, _ help: String) throws(MetricError) -> Counter {
            try registry.counterFamily("\(prefix):zmq:\(name)", labels: ["address"], help: help).labels(address)
        }
        sentMessages = try counter("msg_send_total", "Total number of zmq messages sent")
        failedSends = try counter("msg_send_failed_total", "Total number of zmq messages that could not be sent")
        sentBytes = try counter("msg_bytes_send_total", "Total number of bytes sent over zmq")
        receivedMessages = try counter("msg_recv_total", "Total number of zmq messages received")
        receivedBytes = try counter("msg_bytes_recv_total", "Total number of bytes received over zmq")
        failedReceives = try counter("msg_recv_failed_total", "Total number of zmq messages that could not be decoded")
        skippedLatencies = try counter(
            "latency_skipped_total", "Total number of zmq messages whose time stamp gave no latency")
        blockedSeconds = try counter("send_blocked_seconds_total", "Time that zmq sends waited for room (in seconds)")
        latency = try registry.histogramFamily(
            "\(prefix):zmq:latency", labels: ["address"], bounds: ZMQLink.latencyBounds,
            help: "Latency of zmq messages, from send to receive (in milliseconds)"
        ).labels(address)
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

    /// One message was accepted.
    @inlinable @inline(__always)
    public func sent(bytes: Int) {
        sentMessages.increment()
        sentBytes.increment(by: UInt64(truncatingIfNeeded: max(0, bytes)))
    }

    /// One send failed.
    @inlinable @inline(__always)
    public func sendFailed() { failedSends.increment() }

    /// One message was received.
    @inlinable @inline(__always)
    public func received(bytes: Int) {
        receivedMessages.increment()
        receivedBytes.increment(by: UInt64(truncatingIfNeeded: max(0, bytes)))
    }

    /// One message was received in an envelope that says when its send began, on the clock of `now()`. A time that is not
    /// finite, not positive or later than now gives no latency, which is counted.
    public func received(bytes: Int, sentAt seconds: Double) {
        received(bytes: bytes)
        let elapsed = ZMQLink.now() - seconds
        if seconds > 0, elapsed >= 0, elapsed.isFinite {
            latency.observe(elapsed * 1000)
        } else {
            skippedLatencies.increment()
        }
    }

    /// One message was received with a trailer; `bytes` are without it. A stamp of another clock domain or of the future
    /// gives no latency, which is counted.
    public func received(bytes: Int, trailer: UnsafeRawBufferPointer) {
        received(bytes: bytes)
        if let elapsed = ZMQTrailer.latency(trailer) {
            latency.observe(Double(elapsed) * 1e-6)
        } else {
            skippedLatencies.increment()
        }
    }

    /// One message was received that looks like an envelope and is none.
    public func receivedUnusableStamp(bytes: Int) {
        received(bytes: bytes)
        skippedLatencies.increment()
    }

    /// One message, counted as received, could not be decoded.
    public func receiveFailed() { failedReceives.increment() }

    /// A send waited for room; nothing for a time that is not positive and finite.
    public func sendBlocked(seconds: Double) {
        if seconds > 0, seconds.isFinite { blockedSeconds.increment(by: seconds) }
    }

    /// Seconds of CLOCK_MONOTONIC: what `send_ts` of an envelope holds, and Python's time.perf_counter() on Linux.
    public static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
