// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsZMQ

/// `zmq-example ask|answer NAME ENDPOINT COUNT`: one end of a REQ/REP link, in Swift.
@main
struct Link {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let count = Int(arguments[4]) else {
            return print("usage: zmq-example ask|answer NAME ENDPOINT COUNT")
        }
        let asks = arguments[1] == "ask"

        // The sockets of a context record by themselves, into the store of all processes of the service: FDMETRICS_DIR.
        // With the trailer the receiver knows the latency. Without a name the link is called as its endpoint.
        let context = try ZMQContext(carrier: .trailer)
        let socket = try ZMQSocket(context, asks ? .req : .rep, link: arguments[2])
        if asks {
            try socket.connect(arguments[3])
            for number in 0..<count {
                try socket.send("message \(number) from Swift")
                _ = try socket.receive()
            }
        } else {
            try socket.bind(arguments[3])
            for _ in 0..<count {
                _ = try socket.receive()
                try socket.send("answer from Swift")
            }
        }
        socket.close()
        try context.terminate()
    }
}
