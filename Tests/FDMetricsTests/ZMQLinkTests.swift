// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsZMQRecording
import Testing

@Suite("ZeroMQ link")
struct ZMQLinkTests {
    private let place: TestRegistry

    init() throws { place = try TestRegistry() }

    private func counts(prefix: String = "fastdeploy", _ address: String) throws -> [String: String] {
        var counts: [String: String] = [:]
        for sample in try place.samples() where sample.contains("{address=\"\(address)\"}") {
            let parts = sample.split(separator: "{address=\"\(address)\"} ", maxSplits: 1)
            #expect(parts[0].hasPrefix("\(prefix):zmq:"))
            counts[String(parts[0].dropFirst("\(prefix):zmq:".count))] = String(parts[1])
        }
        return counts
    }

    @Test("Records messages, bytes and failures of its address")
    func records() throws {
        let link = try ZMQLink(registry: place.registry, address: "ipc:///run/a")
        let other = try ZMQLink(registry: place.registry, address: "ipc:///run/b")
        link.sent(bytes: 100)
        link.sent(bytes: 0)
        link.sent(bytes: -5)
        link.sendFailed()
        link.received(bytes: 7)
        link.received(bytes: -7)
        other.sent(bytes: 1)
        #expect(
            try counts("ipc:///run/a") == [
                "msg_send_total": "3.0", "msg_send_failed_total": "1.0", "msg_bytes_send_total": "100.0",
                "msg_recv_total": "2.0", "msg_bytes_recv_total": "7.0", "latency_count": "0.0", "latency_sum": "0.0",
            ])
        #expect(try counts("ipc:///run/b")["msg_send_total"] == "1.0")
    }

    @Test("The same address is the same link, in every process")
    func sameLink() throws {
        try ZMQLink(registry: place.registry, address: "tcp://h:1").sent(bytes: 1)
        try ZMQLink(registry: place.join(), address: "tcp://h:1").sent(bytes: 2)
        #expect(try counts("tcp://h:1")["msg_send_total"] == "2.0")
        #expect(try counts("tcp://h:1")["msg_bytes_send_total"] == "3.0")
    }

    @Test("Takes the latency of a stamp in the past, in milliseconds")
    func latency() throws {
        let link = try ZMQLink(registry: place.registry, address: "x")
        link.received(bytes: 5, sentAt: ZMQLink.now())
        let first = link.latency.total
        #expect(first.count == 1 && first.sum >= 0)
        // An hour ago, if the machine is up for so long, else its first second: later than every bound.
        let long = min(3600, ZMQLink.now() / 2)
        link.received(bytes: 5, sentAt: ZMQLink.now() - long)
        #expect(link.latency.total.count == 2)
        #expect(link.latency.total.sum - first.sum >= long * 1000)
        #expect(link.receivedMessages.value == 2 && link.receivedBytes.value == 10)
    }

    @Test(
        "A stamp that cannot be is taken for none", arguments: [0, -1, .nan, .infinity, -.infinity, 1e300] as [Double])
    func badStamp(seconds: Double) throws {
        let link = try ZMQLink(registry: place.registry, address: "x")
        link.received(bytes: 5, sentAt: seconds)
        link.received(bytes: 5, sentAt: ZMQLink.now() + 3600)
        #expect(link.receivedMessages.value == 2)
        #expect(link.receivedBytes.value == 10)
        #expect(link.latency.total == (0, 0))
    }

    @Test("Has the declared bounds, types and names, with any prefix")
    func declarations() throws {
        let link = try ZMQLink(registry: place.registry, prefix: "mine", address: "a\"b")
        link.latency.observe(0.5)
        let text = try TextExposition.render(place.registry)
        let types = text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
        #expect(
            types == [
                "# TYPE mine:zmq:latency histogram", "# TYPE mine:zmq:msg_bytes_recv_total counter",
                "# TYPE mine:zmq:msg_bytes_send_total counter", "# TYPE mine:zmq:msg_recv_total counter",
                "# TYPE mine:zmq:msg_send_total counter", "# TYPE mine:zmq:msg_send_failed_total counter",
            ])
        let bounds = text.split(separator: "\n").filter {
            $0.hasPrefix("mine:zmq:latency_bucket{address=\"a\\\"b\",le=")
        }
        #expect(bounds.count == ZMQLink.latencyBounds.count + 1)
        #expect(bounds.filter { $0.hasSuffix(" 0.0") }.count == 6)
        #expect(refusal { _ = try ZMQLink(registry: place.registry, prefix: "a-b", address: "x") } != nil)
    }
}
