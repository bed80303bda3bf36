// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetrics
import FDMetricsExposition
import FDMetricsTestSupport
import FDMetricsZMQ
import Glibc

/// A context that records into a store of its own, and what the store shows of it.
final class RecordedContext: Sendable {
    private let store = TemporaryStore()
    let registry: MetricRegistry
    let context: ZMQContext

    init(carrier: Carrier = .none) throws {
        registry = try MetricRegistry(directory: store.directory)
        context = try ZMQContext(recording: .on(registry), carrier: carrier)
    }

    /// For the files of ipc endpoints.
    var directory: String { store.directory }

    /// A socket that never makes a test wait for ever, and that the context's end does not wait for.
    func socket(
        _ type: SocketType, link: String? = nil, recording: ZMQRecording? = nil, carrier: Carrier? = nil
    ) throws -> ZMQSocket {
        let socket = try ZMQSocket(context, type, link: link, recording: recording, carrier: carrier)
        try socket.set(.linger, to: .zero)
        try socket.set(.receiveTimeout, to: .seconds(20))
        try socket.set(.sendTimeout, to: .seconds(20))
        return socket
    }

    func text() throws -> String {
        try TextExposition.render(registry)
    }

    /// The values of a link's series by name.
    func values(_ address: String, prefix: String = "fastdeploy") throws -> [Substring: Double] {
        let start = "\(prefix):zmq:"
        let label = "{address=\"\(address)\"} "
        var values: [Substring: Double] = [:]
        for line in try text().split(separator: "\n") where line.hasPrefix(start) && line.contains(label) {
            let parts = line.dropFirst(start.count).split(separator: label, maxSplits: 1)
            values[parts[0]] = Double(parts[1])
        }
        return values
    }

    /// The value of one of them; nil if there is no such series.
    func value(_ series: String, _ address: String, prefix: String = "fastdeploy") throws -> Double? {
        try values(address, prefix: prefix)[series[...]]
    }

    /// All that a link counts.
    func totals(_ address: String) throws -> LinkTotals {
        let values = try values(address)
        return LinkTotals(
            sent: values["msg_send_total"] ?? -1,
            failed: values["msg_send_failed_total"] ?? -1,
            sentBytes: values["msg_bytes_send_total"] ?? -1,
            received: values["msg_recv_total"] ?? -1,
            receivedBytes: values["msg_bytes_recv_total"] ?? -1,
            latencies: values["latency_count"] ?? -1)
    }
}

/// The six series of a link; -1 for one that is not there.
struct LinkTotals: Equatable {
    var sent = 0.0
    var failed = 0.0
    var sentBytes = 0.0
    var received = 0.0
    var receivedBytes = 0.0
    var latencies = 0.0

    /// Counts a message that the link carried from end to end.
    mutating func carried(_ frames: [[UInt8]], received receivedFrames: [[UInt8]]? = nil) {
        sent += 1
        sentBytes += Double(frames.joined().count)
        received += 1
        receivedBytes += Double((receivedFrames ?? frames).joined().count)
    }
}

/// The error of a call that must fail with one of ZeroMQ's; nil if it does not.
func error<Result>(_ body: () throws -> Result) -> ZMQError? {
    do {
        _ = try body()
        return nil
    } catch {
        return error as? ZMQError
    }
}

/// A thread that blocks, which threads of the concurrency pool must not.
final class TestThread<Result: Sendable> {
    private final class Box {
        var result: Result?
    }

    private let box = Box()
    private var thread = pthread_t()

    init(_ body: sending @escaping () -> Result) {
        let work = TestThreadWork { [box] in box.result = body() }
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<TestThreadWork>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        precondition(status == 0, "pthread_create: \(status)")
    }

    func join() -> Result {
        pthread_join(thread, nil)
        return box.result!
    }
}

private final class TestThreadWork {
    let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }
}
#endif
