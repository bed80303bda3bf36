// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsZMQ
import Glibc

/// Answers requests on a ROUTER socket, and records what it does. Its socket records by itself.
final class Engine {
    private let context: ZMQContext
    private let socket: ZMQSocket
    private let requests: Counter
    private let operations: Counter
    private let seconds: Counter
    private let payload: Histogram
    private let longest: Gauge

    init(endpoint: String) throws {
        let registry = try MetricRegistry.default()
        requests = try registry.counterFamily(
            "demo_requests_total", labels: ["stage"], help: "Requests, at each stage that they pass."
        ).labels("engine")
        operations = try registry.counter(
            "demo_operations_total", help: "Operations of all processes, in all languages.")
        seconds = try registry.counter(
            "demo_compute_seconds_total", help: "Time spent on computing, pretended, by the engine and the recorder.")
        payload = try registry.histogram(
            "demo_payload_bytes", bounds: [16, 32, 64, 128, 256, 512], help: "Bytes of payloads.")
        longest = try registry.gauge(
            "demo_longest_payload_bytes", mode: .max, help: "The longest payload of any process so far.")

        // Both ends give the link the same name, and so share its series; without one it would be the endpoint.
        context = try ZMQContext(recording: .on(registry))
        socket = try ZMQSocket(context, .router, link: "engine")
        try socket.watchConnections()
        try socket.bind(endpoint)
        if let failure = socket.recordingFailure { throw failure }
    }

    /// Answers until the standard input ends.
    func run() throws {
        let poller = ZMQPoller()
        let arrivals = poller.add(socket)
        let commands = poller.add(fileDescriptor: STDIN_FILENO)
        while true {
            let events = try poller.wait()
            if events.contains(where: { $0.key == arrivals }) { try answer() }
            if events.contains(where: { $0.key == commands }) {
                var command: UInt8 = 0
                guard read(STDIN_FILENO, &command, 1) > 0 else { return }
                if command == UInt8(ascii: "s") {
                    while try !socket.poll(timeout: .zero).isEmpty { try answer() }
                    Ledger.say("idle")
                }
            }
        }
    }

    /// Ends when every connection that was lost is counted.
    func close() throws {
        socket.close(linger: .zero)
        try context.terminate()
    }

    /// Takes one request, which is there, and answers it. A worker that is gone gets no answer: the ROUTER drops it.
    private func answer() throws {
        let request = try Ledger.step(
            #"inc fastdeploy:zmq:msg_recv_total{address="engine"} 1"#,
            #"inc fastdeploy:zmq:latency_count{address="engine"} 1"#
        ) { try socket.receiveJSON() }
        Ledger.step(#"inc demo_requests_total{stage="engine"} 1"#) { requests.increment() }
        Ledger.step("inc demo_operations_total 1") { operations.increment() }

        let bytes = Double(request.withPayload { $0.count })
        Ledger.step("observe demo_payload_bytes \(bytes)") { payload.observe(bytes) }
        if bytes > longest.value {
            Ledger.step("set demo_longest_payload_bytes \(bytes)") { longest.set(bytes) }
        }
        // An eighth is exact in binary, so the sum is exact in any order.
        Ledger.step("inc demo_compute_seconds_total 0.125") { _ = seconds.increment(by: 0.125) }

        let reply = Array(#"{"reply": "#.utf8) + request.payload + Array("}".utf8)
        try Ledger.step(#"inc fastdeploy:zmq:msg_send_total{address="engine"} 1"#) {
            try socket.sendEnvelope(reply, after: request.leading)
        }
    }
}
