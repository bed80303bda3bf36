// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetrics
import FDMetricsExposition
import FDMetricsZMQ
import Glibc

/// A context that records into a store of its own, and what the store shows of it.
final class RecordedContext: Sendable {
    let directory: String
    let registry: MetricRegistry
    let context: ZMQContext

    init() throws {
        directory = try makeTemporaryDirectory()
        registry = try MetricRegistry(directory: directory)
        context = try ZMQContext(recording: .on(registry))
    }

    deinit {
        removeTemporaryDirectory(directory)
    }

    /// A socket that never makes a test wait for ever, and that the context's end does not wait for.
    func socket(_ type: SocketType, link: String? = nil, recording: ZMQRecording? = nil) throws -> ZMQSocket {
        let socket = try ZMQSocket(context, type, link: link, recording: recording)
        try socket.set(.linger, to: .zero)
        try socket.set(.receiveTimeout, to: .seconds(20))
        try socket.set(.sendTimeout, to: .seconds(20))
        return socket
    }

    func text() throws -> String {
        try TextExposition.render(registry.store)
    }

    /// The value of a link's series; nil if there is no such series.
    func value(_ series: String, _ address: String, prefix: String = "fastdeploy") throws -> Double? {
        let start = "\(prefix):zmq:\(series){address=\"\(address)\"} "
        let line = try text().split(separator: "\n").first { $0.hasPrefix(start) }
        return line.flatMap { Double($0.dropFirst(start.count)) }
    }

    /// All that a link counts.
    func totals(_ address: String) throws -> LinkTotals {
        LinkTotals(
            sent: try value("msg_send_total", address) ?? -1,
            failed: try value("msg_send_failed_total", address) ?? -1,
            sentBytes: try value("msg_bytes_send_total", address) ?? -1,
            received: try value("msg_recv_total", address) ?? -1,
            receivedBytes: try value("msg_bytes_recv_total", address) ?? -1,
            latencies: try value("latency_count", address) ?? -1)
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

func makeTemporaryDirectory() throws -> String {
    var template = [UInt8]("/dev/shm/fdmetrics-zmq-tests-XXXXXX".utf8) + [0]
    let made = template.withUnsafeMutableBytes { mkdtemp($0.baseAddress!.assumingMemoryBound(to: CChar.self)) != nil }
    guard made else { throw ZMQError(code: errno, operation: "mkdtemp") }
    return String(decoding: template.dropLast(), as: UTF8.self)
}

func removeTemporaryDirectory(_ path: String) {
    if let stream = opendir(path) {
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { name in
                String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { removeTemporaryDirectory("\(path)/\(name)") }
        }
        closedir(stream)
    }
    remove(path)
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
