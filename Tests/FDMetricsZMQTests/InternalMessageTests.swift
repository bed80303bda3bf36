// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetricsZMQ
import Testing

/// What libzmq says to itself, and what it makes, is no message of a link.
@Suite struct InternalMessageTests {
    enum Mechanism: CaseIterable { case null, plain, curve }

    static let (serverKey, serverSecret) = (
        "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
    )
    static let (clientKey, clientSecret) = (
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
    )

    /// The handler lets the peer in: its answer is libzmq's, without a trailer, whatever the sockets' carrier is.
    @Test(arguments: Carrier.allCases, Mechanism.allCases)
    func authentication(_ carrier: Carrier, _ mechanism: Mechanism) throws {
        for type in [SocketType.rep, .router] {
            let recorded = try RecordedContext(carrier: carrier)
            let handler = try recorded.socket(type)
            try handler.bind("inproc://zeromq.zap.01")
            let server = try recorded.socket(.rep)
            let client = try recorded.socket(.req)
            try server.set(.authenticationDomain, to: "domain")
            switch mechanism {
            case .null: break
            case .plain:
                try server.set(.plainServer, to: true)
                try client.set(.plainUsername, to: "user")
                // As long as a trailer, and beginning like one.
                try client.set(.plainPassword, to: "FDM1" + String(repeating: "p", count: 20))
            case .curve:
                try server.set(.curveServer, to: true)
                try server.set(.curveSecretKey, to: Self.serverSecret)
                try client.set(.curveServerKey, to: Self.serverKey)
                try client.set(.curvePublicKey, to: Self.clientKey)
                try client.set(.curveSecretKey, to: Self.clientSecret)
            }
            try server.bind("tcp://127.0.0.1:*")
            let address = try server.lastEndpoint()
            try client.connect(address)
            try client.send("question")

            let request = try handler.receiveMultipart().map(\.bytes)
            let head = type == .router ? Array(request[..<2]) : []
            let asked = Array(request[head.count...])
            #expect(asked[0] == Array("1.0".utf8) && asked[2] == Array("domain".utf8))
            if mechanism == .plain { #expect(asked.count == 8 && asked[7].count == 24) }
            let answer: [[UInt8]] = ["200", "OK", "user", ""].map { Array($0.utf8) }
            try handler.sendMultipart(head + asked[..<2] + answer)

            #expect(try server.receive().text == "question")
            try server.send("answer")
            #expect(try client.receive().text == "answer")
            let totals = try recorded.totals(address)
            #expect(totals.sent == 2 && totals.received == 2 && totals.latencies == (carrier == .trailer ? 2 : 0))
            #expect(try !recorded.text().contains("zeromq.zap"))
        }
    }

    /// A socket that has left libzmq's endpoint is one like any other.
    @Test func whoWasAHandlerOnce() throws {
        let recorded = try RecordedContext(carrier: .trailer)
        let socket = try recorded.socket(.rep)
        try socket.bind("inproc://zeromq.zap.01")
        #expect(try recorded.values("inproc://zeromq.zap.01").isEmpty)
        try socket.unbind("inproc://zeromq.zap.01")
        try socket.bind("inproc://service")
        let client = try recorded.socket(.req)
        try client.connect("inproc://service")
        try client.send("question")
        #expect(try socket.receive().text == "question")
        #expect(try recorded.totals("inproc://service").latencies == 1)
    }

    @Test(arguments: Carrier.allCases)
    func probesDoNotCount(_ carrier: Carrier) throws {
        let recorded = try RecordedContext(carrier: carrier)
        let router = try recorded.socket(.router)
        let address = Transport.ipc.endpoint(in: recorded.directory)
        try router.bind(address)
        var totals = LinkTotals()
        for round in 0..<5 {
            let id = Array("peer \(round)".utf8)
            let dealer = try recorded.socket(.dealer)
            try dealer.set(.routingID, to: id)
            try dealer.set(.probeRouter, to: true)
            try dealer.connect(address)
            #expect(try router.receiveMultipart().map(\.bytes) == [id, []])
            // The program's own empty messages do count.
            for content in [Array("x".utf8), []] {
                try dealer.send(content, flags: [])
                #expect(try router.receiveMultipart().map(\.bytes) == [id, content])
                totals.carried([content], received: [id, content])
            }
            // libzmq drops a routing id alone.
            try router.send(id, flags: [])
            try router.sendMultipart([id, Array("y".utf8)])
            #expect(try dealer.receiveMultipart().map(\.bytes) == [Array("y".utf8)])
            totals.carried([id, Array("y".utf8)], received: [Array("y".utf8)])
        }
        if carrier == .trailer { totals.latencies = totals.received }
        #expect(try recorded.totals(address) == totals)
        #expect(try recorded.value("in_flight", address) == 0)
    }

    /// What a SUB subscribes to is no message that somebody sent.
    @Test func subscriptionsDoNotCount() throws {
        let recorded = try RecordedContext()
        let xpub = try recorded.socket(.xpub)
        try xpub.bind("inproc://topics")
        let sub = try recorded.socket(.sub)
        try sub.connect("inproc://topics")
        try sub.subscribe("news")
        #expect(try xpub.receive().bytes == [1] + Array("news".utf8))
        try xpub.send("news")
        #expect(try sub.receive().text == "news")
        #expect(
            try recorded.totals("inproc://topics")
                == LinkTotals(sent: 1, sentBytes: 4, received: 1, receivedBytes: 4))
    }

    /// No trailer follows a routing id alone, so the frame after it stays where a poll sees it.
    @Test func nothingIsReadAheadAfterARoutingID() throws {
        let recorded = try RecordedContext()
        let (router, dealer) = (try recorded.socket(.router), try recorded.socket(.dealer))
        try router.bind("inproc://ids")
        try dealer.connect("inproc://ids")
        try dealer.send("x")
        #expect(try router.receive().hasMore)
        #expect(try router.get(.receiveMore) && router.poll(timeout: .zero) == .readable)
        #expect(try router.receive().text == "x")
    }
}
#endif
