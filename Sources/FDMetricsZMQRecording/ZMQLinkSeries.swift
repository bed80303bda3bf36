// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetrics

/// The series that the messages of a link touch: addresses and nothing else, so that a message costs no reference counting.
///
/// Needs no libzmq: whoever sends and receives says here what happened. May be used from any thread, and in fork children.
public struct ZMQLinkSeries: Sendable {
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

    init(registry: MetricRegistry, prefix: String, address: String) throws(MetricError) {
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
    @inlinable @inline(__always)
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
}
