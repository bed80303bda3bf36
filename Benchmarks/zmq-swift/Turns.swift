// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsZMQ
import Glibc

/// One of the two processes. Its ways take turns, in an order that changes with each turn, and are timed while the other
/// process sleeps.
struct Turns {
    private static let turns = 400
    private static let batches = 6
    // Messages that are timed together: a clock read costs as much as what is looked for.
    private static let group = 16
    private static let warmUp = 64
    // Nanoseconds between two groups of sends: see python_zmq.py.
    private static let gap = 60e3

    /// Messages of each way in all.
    static let messages = warmUp + turns * batches * group

    let directory: String
    let sends: Bool

    func run() throws {
        let cpus = Affinity.cpus()
        // The threads of the contexts begin with their first sockets, on the CPU of who makes these.
        Affinity.pin(cpus[cpus.count - 1])
        let ways = try Ways(directory: directory)
        if sends { try waitForOther() }
        let wires = try Way.allCases.map { try ways.open($0, sends ? .push : .pull) }
        Affinity.pin(cpus[0])
        if !sends { try tellOther() }
        for wire in wires { try pass(wire, Self.warmUp) }
        var times = wires.map { _ in [Double]() }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<Self.batches {
            if !sends {
                try waitForOther()
                usleep(20_000)  // The last messages arrive.
            }
            for _ in 0..<Self.turns {
                for way in wires.indices.shuffled(using: &generator) {
                    let start = Self.now()
                    try pass(wires[way], Self.group)
                    let end = Self.now()
                    times[way].append((end - start) / Double(Self.group))
                    while sends && Self.now() < end + Self.gap {}
                }
            }
            try tellOther()
            if sends { try waitForOther() }
        }
        report(times)
    }

    private func pass(_ wire: any Wire, _ count: Int) throws {
        if sends { try wire.send(count) } else { try wire.receive(count) }
    }

    private func report(_ times: [[Double]]) {
        let side = sends ? "send" : "receive"
        for (way, taken) in zip(Way.allCases, times) {
            let added = Self.median(zip(taken, times[0]).map { $0 - $1 })
            print(
                "{\"program\": \"zmq-swift\", \"op\": \"\(way.rawValue)\", \"\(side)_ns\": \(Self.median(taken)),",
                "\"\(side)_added_ns\": \(added)}")
        }
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }

    private func tellOther() throws {
        guard write(TwoProcesses.toOther, ".", 1) == 1 else { throw BenchError(description: "the other process ended") }
    }

    private func waitForOther() throws {
        var byte: UInt8 = 0
        guard read(TwoProcesses.fromOther, &byte, 1) == 1 else {
            throw BenchError(description: "the other process ended")
        }
    }
}

/// Which CPUs run a thread. Called by name: Swift's Glibc does not show what needs _GNU_SOURCE.
enum Affinity {
    private typealias Get = @convention(c) (pid_t, Int, UnsafeMutableRawPointer?) -> Int32
    private typealias Set = @convention(c) (pid_t, Int, UnsafeRawPointer?) -> Int32
    private static let bytes = 128

    /// The first two CPUs that this process may use.
    static func cpus() -> [Int] {
        var mask = [UInt8](repeating: 0, count: bytes)
        _ = unsafeBitCast(dlsym(nil, "sched_getaffinity"), to: Get.self)(0, bytes, &mask)
        let usable = (0..<bytes * 8).filter { (cpu: Int) -> Bool in
            let bits = mask[cpu / 8]
            return bits & (1 << UInt8(cpu % 8)) != 0
        }
        return Array(usable.prefix(2))
    }

    /// Has the calling thread, and those that it makes, run on one CPU.
    static func pin(_ cpu: Int) {
        var mask = [UInt8](repeating: 0, count: bytes)
        mask[cpu / 8] = 1 << UInt8(cpu % 8)
        _ = unsafeBitCast(dlsym(nil, "sched_setaffinity"), to: Set.self)(0, bytes, mask)
    }
}
