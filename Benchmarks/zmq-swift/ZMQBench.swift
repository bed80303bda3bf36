// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsZMQ
import FDMetricsZMQRecording
import Glibc

/// `zmq-bench DIRECTORY`: what `FDMetricsZMQ` adds to a message of 256 bytes through libzmq, between two processes over ipc:
/// in Swift what native/zmq.c measures in C, in the same way.
@main
struct ZMQBench {
    static func main() {
        do {
            let arguments = CommandLine.arguments
            guard arguments.count > 1 else {
                throw BenchError(description: "usage: zmq-bench DIRECTORY")
            }
            if arguments.count > 2 {
                try Turns(directory: arguments[1], sends: arguments[2] == "send").run()
            } else {
                try TwoProcesses(directory: arguments[1]).run()
            }
        } catch {
            var text = "zmq-bench: \(error)\n"
            _ = text.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            exit(1)
        }
    }

    /// Both ends' totals are exactly what was timed.
    static func verify(_ directory: String, messages: Int) throws {
        let registry = try MetricRegistry(directory: "\(directory)/store")
        for way in [Way.counting, .trailer] {
            let series = try ZMQLink(registry: registry, address: way.address(directory)).series
            let found = [
                series.sentMessages.value, series.receivedMessages.value, series.sentBytes.value / 256,
                series.receivedBytes.value / 256,
            ]
            let latencies = way == .trailer ? messages : 0
            guard found.allSatisfy({ $0 == Double(messages) }), series.latency.total.count == latencies else {
                throw BenchError(description: "\(way): \(found) was recorded of \(messages) messages")
            }
        }
    }
}

/// What went wrong.
struct BenchError: Error, CustomStringConvertible {
    let description: String
}

/// This program twice, with a pipe each way.
struct TwoProcesses {
    let directory: String

    /// The descriptors that each of the two finds its pipes at.
    static let fromOther: Int32 = 3
    static let toOther: Int32 = 4

    func run() throws {
        var toSender: [Int32] = [0, 0]
        var toReceiver: [Int32] = [0, 0]
        guard pipe(&toSender) == 0, pipe(&toReceiver) == 0 else { throw BenchError(description: "pipe: \(errno)") }
        let all = toSender + toReceiver
        let children = [
            try spawn("receive", read: toReceiver[0], write: toSender[1], closing: all),
            try spawn("send", read: toSender[0], write: toReceiver[1], closing: all),
        ]
        for descriptor in all { close(descriptor) }
        for child in children {
            var status: Int32 = 0
            guard waitpid(child, &status, 0) == child, status == 0 else {
                throw BenchError(description: "a process failed")
            }
        }
        try ZMQBench.verify(directory, messages: Turns.messages)
    }

    private func spawn(_ side: String, read: Int32, write: Int32, closing all: [Int32]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // By way of high numbers, since a pipe may stand where another one goes.
        posix_spawn_file_actions_adddup2(&actions, read, 100)
        posix_spawn_file_actions_adddup2(&actions, write, 101)
        for descriptor in all { posix_spawn_file_actions_addclose(&actions, descriptor) }
        posix_spawn_file_actions_adddup2(&actions, 100, Self.fromOther)
        posix_spawn_file_actions_adddup2(&actions, 101, Self.toOther)
        posix_spawn_file_actions_addclose(&actions, 100)
        posix_spawn_file_actions_addclose(&actions, 101)
        var arguments: [UnsafeMutablePointer<CChar>?] = ["zmq-bench", directory, side].map { (text: String) in
            strdup(text)
        }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var child = pid_t()
        let status = posix_spawn(&child, "/proc/self/exe", &actions, nil, &arguments, environ)
        guard status == 0 else { throw BenchError(description: "posix_spawn: \(status)") }
        return child
    }
}
