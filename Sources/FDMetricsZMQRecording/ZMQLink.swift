// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetrics
import Glibc

/// One ZeroMQ link: the six series of an address, found once, so that a message costs one call and no look-up.
///
/// Needs no libzmq: whoever sends and receives says here what happened. Copying it is copying six addresses; it may be
/// used from any thread, and in fork children. Where a series could not be made, its part records nothing.
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

    /// One message was received whose send began at a time of `now()`'s clock. A time that is not finite, not positive or
    /// later than now is taken for none.
    @inlinable
    public func received(bytes: Int, sentAt seconds: Double) {
        received(bytes: bytes)
        let elapsed = ZMQLink.now() - seconds
        if seconds > 0, elapsed >= 0, elapsed.isFinite { latency.observe(elapsed * 1000) }
    }

    /// Seconds of CLOCK_MONOTONIC: what `send_ts` of an envelope holds, and Python's time.perf_counter() on Linux.
    public static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
