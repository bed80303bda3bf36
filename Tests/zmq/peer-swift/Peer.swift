// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsZMQ
import Glibc

/// `zmq-peer bind|connect TYPE CARRIER ENDPOINT COUNT SEED [check|dump|json|watch]`
///
/// One end of a conversation, as peer.c, where the arguments are explained; `watch` is in watcher.c.
@main
struct Peer {
    static func main() {
        do {
            try run(CommandLine.arguments)
        } catch {
            write("zmq-peer: \(error)\n", to: STDERR_FILENO)
            exit(1)
        }
    }

    private static func run(_ arguments: [String]) throws {
        guard arguments.count >= 7, let type = socketType(arguments[2]), let carrier = carrier(arguments[3]),
            let count = UInt32(arguments[5]), let seed = UInt32(arguments[6])
        else {
            throw PeerError(
                description: "usage: zmq-peer bind|connect TYPE CARRIER ENDPOINT COUNT SEED [check|dump|json|watch]")
        }
        let context = try ZMQContext()
        let socket = try ZMQSocket(context, type, carrier: carrier)
        try socket.set(.receiveTimeout, to: .seconds(30))
        try socket.set(.sendTimeout, to: .seconds(30))
        try socket.set(.reconnectInterval, to: .milliseconds(5))
        if type == .router { try socket.set(.routerMandatory, to: true) }
        if type == .sub { try socket.subscribe("topic") }
        let binds = arguments[1] == "bind"
        let mode = arguments.count > 7 ? arguments[7] : "check"
        if mode == "watch" {
            try socket.set(.linger, to: .zero)
            try socket.watchConnections()
        }
        if binds { try socket.bind(arguments[4]) } else { try socket.connect(arguments[4]) }
        if let failure = socket.recordingFailure { throw failure }
        switch mode {
        case "dump":
            for _ in 0..<count {
                let frames = try socket.receiveMultipart()
                write(frames.map { $0.isEmpty ? "-" : hexadecimal($0.bytes) }.joined(separator: " ") + "\n")
            }
        case "json":
            for _ in 0..<count {
                let message = try socket.receiveJSON()
                write((message.isJSON ? "value " : "undecodable ") + hexadecimal(message.payload) + "\n")
            }
        case "watch": try watch(socket, arguments[4], binds: binds)
        default:
            var conversation = Conversation(socket: socket, kind: arguments[2], count: count, seed: seed)
            write(try conversation.hold(binds: binds) + "\n")
        }
        socket.close()
        try context.terminate()
    }

    /// Does what it is told, as watcher.c.
    private static func watch(_ socket: ZMQSocket, _ endpoint: String, binds: Bool) throws {
        write("ready\n")
        while let line = readLine(), line != "close" {
            switch line {
            case "send": try socket.send("x")
            default: if binds { try socket.unbind(endpoint) } else { try socket.disconnect(endpoint) }
            }
            write("done\n")
        }
    }

    private static func socketType(_ name: String) -> SocketType? {
        let base = name.prefix { $0 != "-" }
        return SocketType.allCases.first { "\($0)" == base }
    }

    private static func carrier(_ name: String) -> Carrier? {
        Carrier.allCases.first { "\($0)" == name }
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
