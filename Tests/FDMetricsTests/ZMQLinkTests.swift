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
        link.receiveFailed()
        link.sendBlocked(seconds: 1.5)
        for senseless in [0, -1, .nan, .infinity] { link.sendBlocked(seconds: senseless) }
        link.receivedUnusableStamp(bytes: 3)
        other.sent(bytes: 1)
        #expect(
            try counts("ipc:///run/a") == [
                "msg_send_total": "3.0", "msg_send_failed_total": "1.0", "msg_bytes_send_total": "100.0",
                "msg_recv_total": "3.0", "msg_bytes_recv_total": "10.0", "latency_count": "0.0", "latency_sum": "0.0",
                "msg_recv_failed_total": "1.0", "latency_skipped_total": "1.0", "send_blocked_seconds_total": "1.5",
                "in_flight": "0.0",
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
        let first = link.series.latency.total
        #expect(first.count == 1 && first.sum >= 0)
        // An hour ago, if the machine is up for so long, else its first second: later than every bound.
        let long = min(3600, ZMQLink.now() / 2)
        link.received(bytes: 5, sentAt: ZMQLink.now() - long)
        #expect(link.series.latency.total.count == 2)
        #expect(link.series.latency.total.sum - first.sum >= long * 1000)
        #expect(link.series.receivedMessages.value == 2 && link.series.receivedBytes.value == 10)
    }

    @Test(
        "A stamp that cannot be is taken for none", arguments: [0, -1, .nan, .infinity, -.infinity, 1e300] as [Double])
    func badStamp(seconds: Double) throws {
        let link = try ZMQLink(registry: place.registry, address: "x")
        link.received(bytes: 5, sentAt: seconds)
        link.received(bytes: 5, sentAt: ZMQLink.now() + 3600)
        #expect(link.series.receivedMessages.value == 2)
        #expect(link.series.receivedBytes.value == 10)
        #expect(link.series.latency.total == (0, 0))
        #expect(link.series.skippedLatencies.value == 2)
    }

    @Test("What is sent and not received is in flight, over all processes, and what is left is lost")
    func inFlight() throws {
        let link = try ZMQLink(registry: place.registry, address: "x")
        let peer = try ZMQLink(registry: place.join(), address: "x")
        for _ in 0..<5 { link.sent(bytes: 1) }
        #expect(try counts("x")["in_flight"] == "5.0")
        for _ in 0..<3 { peer.received(bytes: 1) }
        #expect(try counts("x")["in_flight"] == "2.0")
        peer.received(bytes: 1)
        link.sendFailed()
        #expect(try counts("x")["in_flight"] == "1.0")
        #expect(
            try TextExposition.render(directory: place.registry.store.directory).contains(
                "in_flight{address=\"x\"} 1.0"))
    }

    @Test("A trailer's latency is taken on the same clock only, and from the past only")
    func trailers() throws {
        let link = try ZMQLink(registry: place.registry, address: "x")
        var trailer = [UInt8](repeating: 0xFF, count: ZMQTrailer.size)
        trailer.withUnsafeMutableBytes { ZMQTrailer.write(to: $0) }
        #expect(trailer.withUnsafeBytes { ZMQTrailer.isTrailer($0) })
        #expect(Array(trailer[..<8]) == Array("FDM1".utf8) + [0, 0, 0, 0])
        func receive(_ bytes: [UInt8]) { bytes.withUnsafeBytes { link.received(bytes: 4, trailer: $0) } }
        receive(trailer)
        #expect(link.series.latency.total.count == 1 && link.series.latency.total.sum >= 0)
        var future = trailer, foreign = trailer, flagged = trailer
        future[15] = 0x7F
        foreign[16] ^= 1
        flagged[4] = 1
        for damaged in [future, foreign, flagged, Array(trailer.dropLast()), []] { receive(damaged) }
        #expect(link.series.latency.total.count == 1)
        #expect(link.series.skippedLatencies.value == 5)
        #expect(link.series.receivedMessages.value == 6 && link.series.receivedBytes.value == 24)
        #expect(!Array(trailer.dropLast()).withUnsafeBytes { ZMQTrailer.isTrailer($0) })
        #expect(![UInt8](repeating: 0, count: 24).withUnsafeBytes { ZMQTrailer.isTrailer($0) })
    }

    @Test("Connections are counted, and those that live processes hold are added up")
    func connections() throws {
        let link = try ZMQLink(registry: place.registry, address: "x")
        #expect(try counts("x")["connections"] == nil)
        let recorder = try link.watchConnections()
        for event in [.connected, .accepted, .disconnected, .connectRetried] as [ZMQConnectionEvent] {
            recorder.record(event)
        }
        recorder.record(.accepted)
        recorder.record(.handshakeFailed)
        let counted = try counts("x").filter { !$0.key.hasPrefix("msg_") && !$0.key.hasPrefix("latency") }
        #expect(
            counted == [
                "connected_total": "1.0", "accepted_total": "2.0", "disconnected_total": "1.0",
                "connect_retried_total": "1.0", "handshake_failed_total": "1.0", "connections": "2.0",
                "in_flight": "0.0", "send_blocked_seconds_total": "0.0",
            ])
        for _ in 0..<2 { recorder.record(.disconnected) }
        #expect(try counts("x")["connections"] == "0.0")
    }

    @Test("Has the declared bounds, types and names, with any prefix")
    func declarations() throws {
        let link = try ZMQLink(registry: place.registry, prefix: "mine", address: "a\"b")
        link.series.latency.observe(0.5)
        let text = try TextExposition.render(place.registry)
        let types = text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
        #expect(
            types == [
                "# TYPE mine:zmq:in_flight gauge", "# TYPE mine:zmq:latency histogram",
                "# TYPE mine:zmq:latency_skipped_total counter", "# TYPE mine:zmq:msg_bytes_recv_total counter",
                "# TYPE mine:zmq:msg_bytes_send_total counter", "# TYPE mine:zmq:msg_recv_total counter",
                "# TYPE mine:zmq:msg_recv_failed_total counter", "# TYPE mine:zmq:msg_send_total counter",
                "# TYPE mine:zmq:msg_send_failed_total counter", "# TYPE mine:zmq:send_blocked_seconds_total counter",
            ])
        let bounds = text.split(separator: "\n").filter {
            $0.hasPrefix("mine:zmq:latency_bucket{address=\"a\\\"b\",le=")
        }
        #expect(bounds.count == ZMQLink.latencyBounds.count + 1)
        #expect(bounds.filter { $0.hasSuffix(" 0.0") }.count == 6)
        #expect(refusal { _ = try ZMQLink(registry: place.registry, prefix: "a-b", address: "x") } != nil)
    }
}
