// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetricsTestSupport
import FDMetricsZMQ
import FDMetricsZMQRecording
import Glibc
import Testing

@Suite struct EnvelopeTests {
    func parse(_ text: String) -> (sentAt: Double, payload: String)? {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes { ZMQEnvelope(parsing: $0) }
            .map { ($0.sentAt, String(decoding: bytes[$0.payload], as: UTF8.self)) }
    }

    static let payloads = [
        "1", "-0.5e+3", "null", "true", "false", "\"\"", "[]", "{}", "[ ]", "{ }", "[1,2 , 3]", "\"data\"", "NaN",
        "[-Infinity, Infinity]", "{\"data\": {\"__meta\": {\"send_ts\": 9}}, \"x\": [{}, [], \"}\"]}",
        "\"a\\\"b\\\\ \\u00e9 \u{e9} \u{1F600} {[\"", "{\"a\" : {\"b\" : [ {\"c\" :\n\t1 } ]}}",
    ]

    @Test(arguments: payloads)
    func whatIsWrappedComesOut(_ payload: String) throws {
        for seconds in [12345.678901234, 1e-9, 4_000_000_000.5, 0] {
            let message = try Array(payload.utf8).withUnsafeBytes {
                try ZMQEnvelope.message(around: $0, sentAt: seconds)
            }
            #expect(message.text == "{\"__meta\": {\"send_ts\": \(seconds)}, \"data\": \(payload)}")
            let parsed = try #require(parse(message.text!))
            #expect(parsed.sentAt == seconds && parsed.payload == payload)
        }
    }

    @Test(arguments: [
        #"{"__meta":{"send_ts":1.5},"data":[1]}"#,
        #"{"data":[1],"__meta":{"send_ts":1.5}}"#,
        "\n{ \"data\"\t: [1] ,\r\n \"__meta\" : { \"send_ts\" : 15e-1 } } ",
        #"{"__meta":{"trace":{"send_ts":7},"send_ts":1.5,"hop":[2]},"data":[1]}"#,
        #"{"id":{"data":2},"__meta":{"send_ts":1.5},"data":[1],"z":"__meta"}"#,
    ])
    func orderWhiteSpaceAndOtherMembersDoNotMatter(_ text: String) throws {
        let parsed = try #require(parse(text))
        #expect(parsed.sentAt == 1.5 && parsed.payload == "[1]")
    }

    static let foreign = [
        "", " ", "{}", "[]", "null", "plain text", "{\"data\": 1}", "{\"__meta\": {\"send_ts\": 1}}",
        #"{"__meta": {}, "data": 1}"#, #"{"__meta": 1, "data": 1}"#, #"{"__meta": null, "data": 1}"#,
        #"{"__meta": [{"send_ts": 1}], "data": 1}"#, #"{"__meta": {"send_ts": "1"}, "data": 1}"#,
        #"{"__meta": {"send_ts": true}, "data": 1}"#, #"{"__meta": {"send_ts": null}, "data": 1}"#,
        #"{"__meta": {"send_ts": NaN}, "data": 1}"#, #"{"__meta": {"send_ts": 1e999}, "data": 1}"#,
        #"{"__meta": {"send_ts": 0x10}, "data": 1}"#, #"{"__meta": {"send_ts": 01}, "data": 1}"#,
        #"{"__meta": {"send_ts": 1.}, "data": 1}"#, #"{"__meta": {"send_ts": .5}, "data": 1}"#,
        #"{"__meta": {"send_ts": +1}, "data": 1}"#, #"{"__meta": {"send_ts": 1e}, "data": 1}"#,
        #"{"__meta": {"send_ts": -}, "data": 1}"#, #"{"__meta": {"send_ts": 1 2}, "data": 1}"#,
        #"{"__meta": {"other": {"send_ts": 1}}, "data": 1}"#, #"{"x": {"__meta": {"send_ts": 1}, "data": 1}}"#,
        #"[{"__meta": {"send_ts": 1}, "data": 1}]"#, #"{"__meta": {"send_ts": 1}, "data": }"#,
        #"{"__meta": {"send_ts": 1}, "data": 1"#, #"{"__meta": {"send_ts": 1}, "data": 1}}"#,
        #"{"__meta": {"send_ts": 1}, "data": 1} x"#, #"{"__meta": {"send_ts": 1}, "data": 1,}"#,
        #"{"__meta": {"send_ts": 1,}, "data": 1}"#, #"{"__meta": {"send_ts": 1}, "data": [1,]}"#,
        #"{"__meta": {"send_ts": 1}, "data": [1}}"#, #"{"__meta": {"send_ts": 1}, "data": {"a"}}"#,
        #"{"__meta": {"send_ts": 1}, "data": {"a": 1,}}"#, #"{"__meta": {"send_ts": 1}, "data": {1: 2}}"#,
        #"{"__meta": {"send_ts": 1}, "data": [1 2]}"#, #"{"__meta": {"send_ts": 1}, "data": tru}"#,
        #"{"__meta": {"send_ts": 1}, "data": truee}"#, #"{"__meta": {"send_ts": 1}, "data": "open}"#,
        #"{"__meta": {"send_ts": 1}, "data": "\x"}"#, #"{"__meta": {"send_ts": 1}, "data": "\u12g4"}"#,
        "{\"__meta\": {\"send_ts\": 1}, \"data\": \"line\nbreak\"}", #"{"__meta": {"send_ts": 1} "data": 1}"#,
        #"{'__meta': {'send_ts': 1}, 'data': 1}"#, #"{"__meta": {"send_ts": 1}, "data": 1, "data": 2}"#,
        #"{"__meta": {"send_ts": 1}, "__meta": {"send_ts": 2}, "data": 1}"#,
        #"{"__meta": {"send_ts": 1, "send_ts": 2}, "data": 1}"#,
        #"{"__meta": {"send_ts": 1}, "data": 1, "d\u0061ta": 2}"#,
        "\u{FEFF}{\"__meta\": {\"send_ts\": 1}, \"data\": 1}",
    ]

    @Test(arguments: foreign)
    func whatOnlyLooksLikeOneIsHandedOverUnchanged(_ text: String) throws {
        let recorded = try RecordedContext()
        let (sender, receiver) = try pair(recorded)
        #expect(parse(text) == nil)
        try sender.send(text)
        let message = try receiver.receiveJSON()
        #expect(message.envelope == nil && String(decoding: message.payload, as: UTF8.self) == text)
        let size = Double(text.utf8.count)
        #expect(
            try recorded.totals("inproc://pair")
                == LinkTotals(sent: 1, sentBytes: size, received: 1, receivedBytes: size))
    }

    static let lookAlikes = [
        #"{"__meta": {"send_ts": 1}}"#, #"{"__meta": {}, "data": 1}"#, #"{"__meta": 1, "data": 1}"#,
        #"{"data": 1, "__meta": null}"#, #"{"__meta": {"send_ts": "1"}, "data": 1}"#,
        #"{"__meta": {"send_ts": NaN}, "data": 1}"#, #"{"__meta": {"send_ts": 1e999}, "data": 1}"#,
        #"{"__meta": {"send_ts": 1}, "__meta": {"send_ts": 2}, "data": 1}"#,
        #"{"__meta": {"send_ts": 1}, "data": 1, "data": 2}"#, #"{"__meta": {"send_ts": 1}, "data": 1, "d\u0061ta": 2}"#,
        #"{"__meta": {"send_ts": 1e18}, "data": 1}"#,
    ]
    static let plain = ["1", "[]", "{}", #"{"data": 1}"#, #"{"x": {"__meta": {"send_ts": 1}}}"#, #"["__meta"]"#]
    static let undecodable: [[UInt8]] =
        [
            "", " ", "plain text", #"{"__meta": {"send_ts": 1}, "data": }"#, #"{"__meta": {"send_ts": 01}, "data": 1}"#,
            #"{"data": 1"#, "[1] 2", "\u{FEFF}1",
        ].map { Array($0.utf8) } + [Array("\"".utf8) + [0xC3, 0x28] + Array("\"".utf8), [0xFF]]

    @Test func whatBecomesOfEachKindIsCounted() throws {
        let recorded = try RecordedContext()
        let (sender, receiver) = try pair(recorded)
        func check(_ messages: [[UInt8]], isJSON: Bool, skipped: Bool) throws {
            for bytes in messages {
                let before = try recorded.values("inproc://pair")
                try sender.send(bytes)
                let message = try receiver.receiveJSON()
                #expect(message.payload == bytes && message.envelope == nil && message.isJSON == isJSON)
                let after = try recorded.values("inproc://pair")
                func grown(_ name: Substring) -> Double { after[name]! - before[name]! }
                #expect(grown("msg_recv_total") == 1 && grown("msg_bytes_recv_total") == Double(bytes.count))
                #expect(grown("msg_recv_failed_total") == (isJSON ? 0 : 1) && grown("latency_count") == 0)
                #expect(
                    grown("latency_skipped_total") == (skipped ? 1 : 0), "\(String(decoding: bytes, as: UTF8.self))")
            }
        }
        try check(Self.lookAlikes.map { Array($0.utf8) }, isJSON: true, skipped: true)
        try check(Self.plain.map { Array($0.utf8) }, isJSON: true, skipped: false)
        try check(Self.undecodable, isJSON: false, skipped: false)
        receiver.countUndecodable()
        #expect(
            try recorded.value("msg_recv_failed_total", "inproc://pair") == Double(Self.undecodable.count + 1))
    }

    @Test func deepNestingNeedsNoStack() throws {
        let deep = String(repeating: "[", count: 200_000) + String(repeating: "]", count: 200_000)
        #expect(parse("{\"__meta\": {\"send_ts\": 1}, \"data\": \(deep)}")?.payload.utf8.count == 400_000)
        #expect(parse("{\"__meta\": {\"send_ts\": 1}, \"data\": \(deep)]}") == nil)
    }

    /// Whatever single byte is damaged, inserted or lost, and wherever the text is cut: no crash, and what is still taken
    /// for an envelope has a payload that can be wrapped and unwrapped again.
    @Test func damage() throws {
        var random = SeededGenerator(for: "envelope damage")
        let sound = Array(
            #"{"__meta": {"send_ts": 12.5e0, "x": [1]}, "data": {"a": ["b\n", -1.5, true, null], "c": {}}}"#.utf8)
        let likely = Array("{}[]\":,\\0123456789.eE+-truefalsn \u{0}\u{1F}\u{7F}".utf8)
        var recognised = 0
        for _ in 0..<20_000 {
            var bytes = sound
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                let anyByte = UInt8.random(in: 0...255, using: &random)
                let byte = Bool.random(using: &random) ? likely.randomElement(using: &random)! : anyByte
                switch Int.random(in: 0..<8, using: &random) {
                case 0: bytes.removeLast(bytes.count - index)
                case 1, 2: bytes.insert(byte, at: index)
                case 3, 4: bytes.remove(at: index)
                default: bytes[index] = byte
                }
                if bytes.isEmpty { break }
            }
            guard let envelope = bytes.withUnsafeBytes({ ZMQEnvelope(parsing: $0) }) else { continue }
            recognised += 1
            let payload = Array(bytes[envelope.payload])
            let again = try payload.withUnsafeBytes { try ZMQEnvelope.message(around: $0, sentAt: envelope.sentAt) }
            let parsed = try #require(again.withUnsafeBytes { ZMQEnvelope(parsing: $0) })
            #expect(Array(again.bytes[parsed.payload]) == payload && parsed.sentAt == envelope.sentAt)
        }
        // Damage inside strings and numbers leaves an envelope: the loop must have seen both kinds.
        #expect(recognised > 100 && recognised < 19_900)
    }

    @Test func theLatencyOfAnEnvelopeIsRecorded() throws {
        let recorded = try RecordedContext()
        let (sender, receiver) = try pair(recorded)
        let start = ZMQLink.now()
        try sender.sendEnvelope(Array(#"{"prompt": "hi"}"#.utf8))
        try sender.sendEnvelope(Array("[]".utf8), after: [ZMQMessage("topic"), ZMQMessage("")])
        let first = try receiver.receiveJSON()
        #expect(first.leading.isEmpty && first.payload == Array(#"{"prompt": "hi"}"#.utf8))
        let sentAt = try #require(first.envelope?.sentAt)
        #expect(sentAt >= start && sentAt <= ZMQLink.now())
        let second = try receiver.receiveJSON()
        #expect(second.leading.map(\.text) == ["topic", ""] && second.payload == Array("[]".utf8))

        let totals = try recorded.totals("inproc://pair")
        let bytes = Double(first.frame.count + 5 + second.frame.count)
        #expect(totals == LinkTotals(sent: 2, sentBytes: bytes, received: 2, receivedBytes: bytes, latencies: 2))
        let milliseconds = try #require(try recorded.value("latency_sum", "inproc://pair"))
        #expect(milliseconds > 0 && milliseconds <= (ZMQLink.now() - start) * 2000)
    }

    @Test func anEnvelopeFromTheFutureIsHandedOverUnchanged() throws {
        let recorded = try RecordedContext()
        let (sender, receiver) = try pair(recorded)
        let future = try ZMQEnvelope.message(around: UnsafeRawBufferPointer(start: nil, count: 0), sentAt: 0)
        #expect(future.text == "{\"__meta\": {\"send_ts\": 0.0}, \"data\": }")
        let text = "{\"__meta\": {\"send_ts\": \(ZMQLink.now() + 3600)}, \"data\": 1}"
        try sender.send(text)
        let message = try receiver.receiveJSON()
        #expect(message.envelope == nil && String(decoding: message.payload, as: UTF8.self) == text)
        #expect(try recorded.totals("inproc://pair").received == 1)
        #expect(try recorded.totals("inproc://pair").latencies == 0)
        #expect(try recorded.value("latency_skipped_total", "inproc://pair") == 1)
    }

    @Test func aFailedEnvelopeCountsOnceAndSendsNothing() throws {
        let recorded = try RecordedContext()
        let router = try recorded.socket(.router)
        try router.set(.routerMandatory, to: true)
        try router.bind("inproc://router")
        let failed = error {
            try router.sendEnvelope(Array("1".utf8), after: [ZMQMessage("nobody")], flags: .dontWait)
        }
        #expect(failed?.code == EHOSTUNREACH)
        #expect(error { try router.receiveJSON(flags: .dontWait) }?.isAgain == true)
        #expect(try recorded.totals("inproc://router") == LinkTotals(failed: 1))
    }

    func pair(_ recorded: RecordedContext) throws -> (ZMQSocket, ZMQSocket) {
        let left = try recorded.socket(.pair)
        let right = try recorded.socket(.pair)
        try left.bind("inproc://pair")
        try right.connect("inproc://pair")
        return (left, right)
    }
}
#endif
