// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetricsZMQ
import Glibc
import Synchronization
import Testing

@Suite struct SocketTests {
    func context() throws -> ZMQContext {
        try ZMQContext(recording: .off)
    }

    // MARK: Errors

    @Test func errorsNameOperationEndpointAndErrno() throws {
        let context = try context()
        let first = try ZMQSocket(context, .rep)
        try first.bind("inproc://taken")
        let second = try ZMQSocket(context, .rep)
        let taken = error { try second.bind("inproc://taken") }
        #expect(taken == ZMQError(code: EADDRINUSE, operation: "bind", endpoint: "inproc://taken"))
        #expect(taken?.reason == "Address already in use")
        #expect(
            taken?.description == "ZeroMQ bind on inproc://taken failed: Address already in use (errno \(EADDRINUSE)); "
                + "bind to another endpoint, or end the program that is bound to this one")
        #expect(second.endpoint == nil)

        #expect(error { try second.connect("nonsense") }?.code == EINVAL)
        #expect(error { try second.connect("carrier-pigeon://x") }?.code == EPROTONOSUPPORT)
        #expect(error { try second.unbind("inproc://other") }?.code == ENOENT)
        #expect(error { try second.disconnect("inproc://other") }?.code == ENOENT)
        #expect(error { try second.bind("ipc:///nowhere/at/all.ipc") }?.code == ENOENT)
        let own = error { try second.send("reply without request") }
        #expect(own?.isWrongState == true && own?.endpoint == nil && own?.reason.isEmpty == false)
    }

    @Test func aClosedSocketRefusesEverything() throws {
        let socket = try ZMQSocket(context(), .dealer)
        try socket.bind("inproc://closed")
        socket.close(linger: .zero)
        socket.close()
        let errors = [
            error { try socket.send("x") },
            error { try socket.send(ZMQMessage("x")) },
            error { try socket.receive() },
            error { try socket.poll(timeout: .zero) },
            error { try socket.bind("inproc://again") },
            error { try socket.get(.linger) },
            error { try socket.set(.linger, to: nil) },
        ]
        #expect(errors.map { $0?.code } == Array(repeating: ENOTSOCK, count: errors.count))
    }

    // MARK: Context

    /// Whether the receive has begun to wait by then or not.
    @Test func shutdownEndsABlockingReceive() throws {
        let context = try context()
        let socket = try ZMQSocket(context, .pull)
        try socket.bind("inproc://blocked")
        let thread = TestThread { error { try socket.receive() } }
        sched_yield()
        context.shutdown()
        #expect(thread.join()?.isTerminated == true)
    }

    @Test func aTerminatedContextMakesNoSockets() throws {
        let context = try context()
        try context.terminate()
        try context.terminate()
        #expect(error { try ZMQSocket(context, .pair) }?.isTerminated == true)
        #expect(error { try context.get(.ioThreads) }?.isTerminated == true)
    }

    @Test func contextOptions() throws {
        let context = try context()
        #expect(try context.get(.ioThreads) == 1)
        try context.set(.ioThreads, to: 2)
        #expect(try context.get(.ioThreads) == 2)
        #expect(error { try context.set(.ioThreads, to: -1) }?.code == EINVAL)
        try context.set(.maxSockets, to: 1)
        let only = try ZMQSocket(context, .pair)
        #expect(error { try ZMQSocket(context, .pair) }?.code == EMFILE)
        try context.set(.blocky, to: 0)
        #expect(try context.get(.blocky) == 0)
        only.close()
    }

    // MARK: Options

    @Test func optionsReadBackWhatWasSet() throws {
        let socket = try ZMQSocket(context(), .dealer)
        func check<Value: Equatable>(_ option: SocketOption<Value>, _ values: Value...) throws {
            for value in values {
                try socket.set(option, to: value)
                #expect(try socket.get(option) == value)
            }
        }
        try check(.linger, .zero, .milliseconds(250), nil)
        try check(.sendTimeout, .seconds(3), nil)
        try check(.receiveTimeout, .seconds(3), nil)
        try check(.reconnectInterval, .seconds(1), nil)
        try check(.maxReconnectInterval, .seconds(60), .zero)
        try check(.connectTimeout, .seconds(5))
        try check(.handshakeInterval, .seconds(5))
        try check(.heartbeatInterval, .seconds(5))
        try check(.sendHighWaterMark, 0, 7)
        try check(.receiveHighWaterMark, 0, 7)
        try check(.sendBuffer, 65536)
        try check(.receiveBuffer, 65536)
        try check(.backlog, 5)
        try check(.maxMessageSize, 1 << 40, -1)
        try check(.tcpKeepAlive, 1, 0, -1)
        try check(.affinity, 1)
        try check(.immediate, true, false)
        try check(.conflate, true, false)
        try check(.ipv6, true, false)
        try check(.routingID, [1, 0, 255], Array("name".utf8))
        try check(.plainUsername, "user")
        try check(.plainPassword, "secret")
        try check(.curveServer, true)
        try check(.plainServer, true)
        #expect(try socket.lastEndpoint() == "")
        #expect(try socket.get(.fileDescriptor) > 2)
        try socket.set(.linger, to: .nanoseconds(1))
        #expect(try socket.get(.linger) == .milliseconds(1))
        #expect(error { try socket.subscribe("x") }?.code == EINVAL)
        #expect(error { try socket.set(.routingID, to: []) }?.operation == "set ROUTING_ID")
        socket.close()
    }

    @Test func unsubscribingTakesASubscriptionBack() throws {
        let context = try context()
        let xpub = try ZMQSocket(context, .xpub)
        try xpub.set(.receiveTimeout, to: .seconds(20))
        try xpub.bind("inproc://topics")
        let sub = try ZMQSocket(context, .sub)
        try sub.connect("inproc://topics")
        try sub.subscribe("news")
        #expect(try xpub.receive().bytes == [1] + Array("news".utf8))
        try sub.unsubscribe("news")
        #expect(try xpub.receive().bytes == [0] + Array("news".utf8))
    }

    /// Keys of the example in zmq_curve(7).
    @Test func curveEncryptsALink() throws {
        let context = try context()
        let server = try ZMQSocket(context, .pull)
        try server.set(.receiveTimeout, to: .seconds(20))
        try server.set(.curveServer, to: true)
        try server.set(.curveSecretKey, to: "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6")
        try server.bind("tcp://127.0.0.1:*")
        let client = try ZMQSocket(context, .push)
        try client.set(.linger, to: .zero)
        try client.set(.curveServerKey, to: "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7")
        try client.set(.curvePublicKey, to: "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID")
        try client.set(.curveSecretKey, to: "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs")
        #expect(try client.get(.curvePublicKey) == "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID")
        try client.connect(server.lastEndpoint())
        try client.send("sealed")
        let message = try server.receive()
        #expect(message.text == "sealed" && message.property("Peer-Address") == "127.0.0.1")
        #expect(message.property("No-Such-Property") == nil)
    }

    // MARK: Messages

    @Test func messagesOfEverySource() throws {
        #expect(try ZMQMessage([UInt8]()).isEmpty)
        #expect(try ZMQMessage("grüße").bytes == Array("grüße".utf8))
        #expect(try ZMQMessage([0xFF, 0xFE]).text == nil)
        #expect(try ZMQMessage([1, 2, 3]) == ZMQMessage([1, 2, 3][...]))
        #expect(try ZMQMessage([1]) != ZMQMessage([2]))
    }

    /// More than any address space holds: libzmq refuses before it looks at the bytes.
    @Test func withoutMemoryThereIsNoMessage() throws {
        let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
        defer { byte.deallocate() }
        let huge = UnsafeRawBufferPointer(start: byte.baseAddress, count: 1 << 60)
        let refused = error { try ZMQMessage(copying: huge) }
        #expect(refused?.code == ENOMEM && refused?.operation == "make message")
        #expect(error { try ZMQEnvelope.message(around: huge, sentAt: 1) }?.code == ENOMEM)
    }

    /// The receiver over inproc reads the very memory that the sender adopted, and it is freed once, when nobody has it.
    @Test(arguments: [1, 33, 34, 1_000_000])
    func adoptedMemoryIsSentWithoutACopyAndFreedOnce(_ size: Int) throws {
        let freed = FreeCount()
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
        memory.initializeMemory(as: UInt8.self, repeating: 42)
        let start = UInt(bitPattern: memory.baseAddress)
        do {
            let context = try context()
            let push = try ZMQSocket(context, .push)
            let pull = try ZMQSocket(context, .pull)
            try pull.set(.receiveTimeout, to: .seconds(20))
            try pull.bind("inproc://adopt")
            try push.connect("inproc://adopt")
            var message: ZMQMessage? = try ZMQMessage(adopting: memory) { memory in
                freed.add(memory.count)
                memory.deallocate()
            }
            try push.send(message!)
            try push.send(message!)
            message = nil
            for _ in 0..<2 {
                let received = try pull.receive()
                #expect(received.bytes == [UInt8](repeating: 42, count: size))
                if size > 33 {
                    #expect(received.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } == start)
                    #expect(freed.sizes == [])
                }
            }
        }
        #expect(freed.sizes == [size])
    }

    @Test func aMessageThatWasNotTakenCanBeSentAgain() throws {
        let context = try context()
        let freed = FreeCount()
        let push = try ZMQSocket(context, .push)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 8)
        memory.initializeMemory(as: UInt8.self, repeating: 7)
        var message: ZMQMessage? = try ZMQMessage(adopting: memory) { memory in
            freed.add(memory.count)
            memory.deallocate()
        }
        #expect(error { try push.send(message!, flags: .dontWait) }?.isAgain == true)
        #expect(message!.count == 100 && freed.sizes == [])
        let pull = try ZMQSocket(context, .pull)
        try pull.set(.receiveTimeout, to: .seconds(20))
        try pull.bind("inproc://later")
        try push.connect("inproc://later")
        try push.send(message!)
        message = nil
        #expect(try pull.receive().count == 100)
        #expect(freed.sizes == [100])
    }

    // MARK: Polling

    @Test func pollTellsWhatCanBeDone() throws {
        let context = try context()
        let left = try ZMQSocket(context, .pair)
        #expect(try left.poll([.readable, .writable], timeout: .zero) == [])
        try left.bind("inproc://poll")
        let right = try ZMQSocket(context, .pair)
        try right.connect("inproc://poll")
        #expect(try left.poll([.readable, .writable], timeout: .seconds(20)) == .writable)
        try right.send("x")
        #expect(try left.poll(timeout: .seconds(20)) == .readable)
        #expect(try left.get(.events) == [.readable, .writable])
    }

    @Test func aPollerWaitsForSocketsAndFileDescriptors() throws {
        let context = try context()
        let pulls = try ["inproc://one", "inproc://two"].map { endpoint in
            let pull = try ZMQSocket(context, .pull)
            try pull.bind(endpoint)
            return pull
        }
        var pipe: [Int32] = [0, 0]
        #expect(Glibc.pipe(&pipe) == 0)
        defer { pipe.forEach { _ = Glibc.close($0) } }
        let poller = ZMQPoller()
        #expect(try poller.wait(timeout: .zero) == [])
        let keys = pulls.map { poller.add($0) } + [poller.add(fileDescriptor: pipe[0])]
        #expect(try poller.wait(timeout: .milliseconds(1)) == [])

        let push = try ZMQSocket(context, .push)
        try push.connect("inproc://two")
        try push.send("x")
        #expect(try poller.wait(timeout: .seconds(20)).map(\.key) == [keys[1]])
        #expect(write(pipe[1], "y", 1) == 1)
        #expect(try poller.wait(timeout: .seconds(20)).map(\.key) == [keys[1], keys[2]])
        poller.modify(keys[1], [])
        let events = try poller.wait(timeout: .seconds(20))
        #expect(events.map(\.key) == [keys[2]] && events.map(\.events) == [.readable])
        poller.modify(keys[1], .readable)
        poller.remove(keys[2])
        #expect(try poller.wait(timeout: .seconds(20)).map(\.key) == [keys[1]])
        pulls[0].close()
        #expect(error { try poller.wait() }?.code == ENOTSOCK)
    }
}

/// What a free function was called with.
final class FreeCount: Sendable {
    private let calls = Mutex<[Int]>([])

    var sizes: [Int] { calls.withLock { $0 } }

    func add(_ size: Int) { calls.withLock { $0.append(size) } }
}
#endif
