// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsZMQ
import Glibc

/// Something else came than was expected.
struct PeerError: Error, CustomStringConvertible {
    let description: String

    static func expect(_ condition: Bool, _ what: @autoclosure () -> String) throws {
        if !condition { throw PeerError(description: "expected \(what())") }
    }
}

/// What this end says and hears, and its totals.
struct Conversation {
    private static let topic = [UInt8]("topic".utf8)
    private static let hello = [UInt8]("\"hello\"".utf8)

    let socket: ZMQSocket
    /// The socket's type as the command line has it: with "-rep" or "-req" it adds the empty delimiter.
    let kind: String
    let count: UInt32
    let seed: UInt32
    private var sent = 0
    private var sentBytes = 0
    private var received = 0
    private var receivedBytes = 0
    private var failed = 0

    init(socket: ZMQSocket, kind: String, count: UInt32, seed: UInt32) {
        self.socket = socket
        self.kind = kind
        self.count = count
        self.seed = seed
    }

    private var isJSON: Bool { socket.carrier == .envelope }

    /// Says and hears everything, and gives the totals as JSON.
    mutating func hold(binds: Bool) throws -> String {
        switch socket.type {
        case .push, .pub, .xpub: try sendAll()
        case .pull, .sub, .xsub: try receiveAll()
        case .req, .dealer: try requestAll()
        case .pair where !binds: try requestAll()
        default: try serveAll()
        }
        return """
            {"sent": \(sent), "sent_bytes": \(sentBytes), "received": \(received), \
            "received_bytes": \(receivedBytes), "failed": \(failed)}
            """
    }

    private func payload(_ number: UInt32, ofReply: Bool = false) -> [[UInt8]] {
        Payload.frames(seed: ofReply ? seed &+ 1 : seed, number: number, isJSON: isJSON)
    }

    private mutating func send(_ frames: [[UInt8]]) throws {
        if isJSON {
            try socket.sendJSON(frames[frames.count - 1], after: frames.dropLast().map { try ZMQMessage($0) })
        } else {
            try socket.sendMultipart(frames)
        }
        sent += 1
        sentBytes += frames.joined().count
    }

    private mutating func receive() throws -> [[UInt8]] {
        received += 1
        guard isJSON else {
            let frames = try socket.receiveMultipart().map(\.bytes)
            receivedBytes += frames.joined().count
            return frames
        }
        let message = try socket.receiveJSON()
        receivedBytes += message.leading.reduce(message.frame.count) { $0 + $1.count }
        return message.leading.map(\.bytes) + [message.payload]
    }

    /// A send that libzmq must refuse: it counts as failed, and nothing else happens.
    private mutating func sendRefused(_ isExpected: (ZMQError) -> Bool) throws {
        do {
            try socket.send("refused", flags: kind == "router" ? .more : [])
        } catch let error where isExpected(error) {
            failed += 1
            return
        }
        throw PeerError(description: "a send was not refused")
    }

    private mutating func sendAll() throws {
        let head = kind == "push" ? [] : [Self.topic]
        if kind == "pub" {
            var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            repeat { try send(head + [Self.hello]) } while poll(&input, 1, 5) == 0
        } else if kind == "xpub" {
            // The subscription, which has neither envelope nor trailer.
            let frames = try socket.receiveMultipart().map(\.bytes)
            try PeerError.expect(frames == [[1] + Self.topic], "a subscription, got \(frames)")
        }
        for number in 0..<count { try send(head + payload(number)) }
    }

    private mutating func receiveAll() throws {
        let head = kind == "pull" ? [] : [Self.topic]
        if kind == "xsub" {
            try socket.send([1] + Self.topic)
        } else {
            try sendRefused { $0.code == ENOTSUP }
        }
        var isReady = false
        var number: UInt32 = 0
        while number < count {
            let frames = try receive()
            if kind == "sub" && frames == head + [Self.hello] {
                if !isReady { write("ready\n") }
                isReady = true
                continue
            }
            try PeerError.expect(frames == head + payload(number), "message \(number) as it was sent")
            number += 1
        }
    }

    private mutating func requestAll() throws {
        let head: [[UInt8]] = kind == "dealer-rep" ? [[]] : []
        for number in 0..<count {
            try send(head + payload(number))
            if number == 0 && kind == "req" { try sendRefused(\.isWrongState) }
            try PeerError.expect(
                try receive() == head + payload(number, ofReply: true), "reply \(number) as it was sent")
        }
    }

    private mutating func serveAll() throws {
        let head = kind == "router" ? 1 : kind == "router-req" ? 2 : 0
        if kind == "rep" {
            try sendRefused(\.isWrongState)
        } else if kind == "router" {
            try sendRefused { $0.code == EHOSTUNREACH }
        }
        for number in 0..<count {
            let frames = try receive()
            let body = [[UInt8]](frames.dropFirst(head))
            try PeerError.expect(body == payload(number), "request \(number) as it was sent")
            try send(frames.prefix(head) + payload(number, ofReply: true))
        }
    }
}

/// Writes a text on standard output, at once.
func write(_ text: String, to descriptor: Int32 = STDOUT_FILENO) {
    var text = text
    text.withUTF8 { bytes in
        var start = 0
        while start < bytes.count {
            let written = Glibc.write(descriptor, bytes.baseAddress! + start, bytes.count - start)
            if written <= 0 { break }
            start += written
        }
    }
}
