// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import Glibc
import Synchronization

/// The counter and the yardstick in turn: one is never timed without the other right beside it, since a virtual machine may
/// be twice as fast for some seconds as for the next ones. native/harness.h does the same in C, and says more of why.
struct CounterTurns {
    let counter: Counter
    let yardstick: Counter

    private static let slices = 200
    private static let sliceIncrements = 100_000
    private static let repeatsToKeep = 15
    private static let repeatsToTry = 60
    private static let patienceNanoseconds = 3e9
    /// The most by which two figures may differ that should be the same.
    private static let agreement = 1.25

    /// Measures, prints, and returns how many increments the counter has had.
    func run() throws -> Int {
        let processors = Processors.usable()
        guard let first = processors.first, Processors.pin(to: first) else {
            throw BenchError(description: "cannot pin the thread to a processor")
        }
        var calls = oneThread()
        if processors.count < 2 {
            var note = "swift-metrics-bench: fewer than two CPUs, nothing is measured with two threads\n"
            _ = note.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        } else {
            calls += try twoThreads(processors)
        }
        return calls
    }

    private func oneThread() -> Int {
        var least = Double.infinity
        var leastYardstick = Double.infinity
        for _ in 0..<Self.slices {
            leastYardstick = min(leastYardstick, time(yardstick))
            least = min(least, time(counter))
        }
        print(
            "{\"program\": \"swift-metrics\", \"op\": \"counter_increment\", \"threads\": 1, \"ns\": \(least), "
                + "\"yardstick_ns\": \(leastYardstick)}")
        return Self.slices * Self.sliceIncrements
    }

    private func time(_ counter: Counter) -> Double {
        let start = now()
        increment(counter, times: Self.sliceIncrements)
        return (now() - start) / Double(Self.sliceIncrements)
    }

    private func twoThreads(_ processors: [Int]) throws -> Int {
        var figures: [(counter: Double, yardstick: Double)] = []
        var tried = 0
        var calls = 0
        let start = now()
        while figures.count < Self.repeatsToKeep, tried < Self.repeatsToTry, now() - start < Self.patienceNanoseconds {
            tried += 1
            let turn = PinnedTurn(counter: counter, yardstick: yardstick)
            let sides = try turn.run(on: processors)
            calls += sides[0].calls + sides[1].calls
            guard let before = Self.together(sides, 0), let own = Self.together(sides, 1),
                let after = Self.together(sides, 2), max(before, after) <= min(before, after) * Self.agreement
            else { continue }
            figures.append((own, (before + after) / 2))
        }
        func list(_ values: [Double]) -> String { values.map { "\($0)" }.joined(separator: ", ") }
        print(
            "{\"program\": \"swift-metrics\", \"op\": \"counter_increment\", \"threads\": 2, \"tried\": \(tried), "
                + "\"two_thread_ns\": [\(list(figures.map(\.counter)))], "
                + "\"yardstick_ns\": [\(list(figures.map(\.yardstick)))], "
                + "\"against_yardstick\": [\(list(figures.map { $0.counter / $0.yardstick }))]}")
        return calls
    }

    /// Nanoseconds an increment of a phase, over both threads. nil: they did not work at the same time, or one was away.
    private static func together(_ sides: [PinnedTurn.Side], _ phase: Int) -> Double? {
        let apart = abs(sides[0].phases[phase].start - sides[1].phases[phase].start)
        guard !sides[0].wasDisturbed, !sides[1].wasDisturbed, apart < PinnedTurn.phaseNanoseconds / 20 else {
            return nil
        }
        return 2 / (sides[0].phases[phase].rate + sides[1].phases[phase].rate)
    }
}

/// What is measured: swift-metrics' own call, inlined into its caller as in any program.
@inline(never)
func increment(_ counter: Counter, times: Int) {
    for _ in 0..<times { counter.increment() }
}

/// Nanoseconds of the monotonic clock.
func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}
#endif
