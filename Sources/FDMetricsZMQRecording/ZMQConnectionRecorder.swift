// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics

/// What a socket's monitor may report. The raw values stand in the C header.
public enum ZMQConnectionEvent: UInt32, Sendable, CaseIterable {
    /// A connecting socket reached its peer.
    case connected = 1
    /// A bound socket took a peer.
    case accepted = 2
    /// A connection ended.
    case disconnected = 3
    /// A connecting socket tries again.
    case connectRetried = 4
    /// A peer was reached that does not speak the protocol, or is not let in.
    case handshakeFailed = 5
}

/// The series of a link's connections. Used from a monitor's thread, off the path of messages; a value of addresses.
public struct ZMQConnectionRecorder: Sendable {
    private let connected: Counter
    private let accepted: Counter
    private let disconnected: Counter
    private let retried: Counter
    private let failed: Counter
    private let connections: Gauge

    init(registry: MetricRegistry, prefix: String, address: String) throws(MetricError) {
        func counter(_ name: String, _ help: String) throws(MetricError) -> Counter {
            try registry.counterFamily("\(prefix):zmq:\(name)", labels: ["address"], help: help).labels(address)
        }
        connected = try counter("connected_total", "Total number of zmq connections made to a peer")
        accepted = try counter("accepted_total", "Total number of zmq connections accepted from a peer")
        disconnected = try counter("disconnected_total", "Total number of zmq connections that ended")
        retried = try counter("connect_retried_total", "Total number of attempts to connect again over zmq")
        failed = try counter("handshake_failed_total", "Total number of zmq handshakes that failed")
        connections = try registry.gaugeFamily(
            "\(prefix):zmq:connections", labels: ["address"], mode: .liveSum,
            help: "Number of zmq connections that live processes hold"
        ).labels(address)
    }

    /// Counts an event.
    public func record(_ event: ZMQConnectionEvent) {
        switch event {
        case .connected:
            connected.increment()
            connections.increment()
        case .accepted:
            accepted.increment()
            connections.increment()
        case .disconnected:
            disconnected.increment()
            connections.decrement()
        case .connectRetried: retried.increment()
        case .handshakeFailed: failed.increment()
        }
    }
}
