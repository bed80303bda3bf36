// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import Glibc
import Synchronization

/// Two threads, each on a processor of its own, go through three phases of some milliseconds together: the yardstick, the
/// counter, the yardstick once more.
final class PinnedTurn: Sendable {
    static let phaseNanoseconds = 2e6
    private static let chunk = 500

    /// What one thread saw.
    struct Side {
        var phases: [(start: Double, rate: Double)] = []
        /// Increments of the counter.
        var calls = 0
        /// The thread could not be kept on its processor, or was away from it.
        var wasDisturbed = false
    }

    private let counters: [Counter]
    private let arrived = Atomic<Int>(0)
    private let sides = Mutex([Side(), Side()])

    init(counter: Counter, yardstick: Counter) { counters = [yardstick, counter, yardstick] }

    private final class Start {
        let turn: PinnedTurn
        let index: Int
        let processor: Int

        init(_ turn: PinnedTurn, _ index: Int, _ processor: Int) {
            self.turn = turn
            self.index = index
            self.processor = processor
        }
    }

    /// Runs both threads to their end.
    func run(on processors: [Int]) throws -> [Side] {
        var threads: [pthread_t] = []
        for index in 0..<2 {
            var thread = pthread_t()
            let start = Unmanaged.passRetained(Start(self, index, processors[index])).toOpaque()
            let error = pthread_create(
                &thread, nil,
                { argument in
                    let start = Unmanaged<Start>.fromOpaque(argument.unsafelyUnwrapped).takeRetainedValue()
                    start.turn.work(start.index, start.processor)
                    return nil
                }, start)
            guard error == 0 else { throw BenchError(description: "pthread_create: \(error)") }
            threads.append(thread)
        }
        for thread in threads { pthread_join(thread, nil) }
        return sides.withLock { $0 }
    }

    private func work(_ index: Int, _ processor: Int) {
        var side = Side()
        side.wasDisturbed = !Processors.pin(to: processor)
        for (phase, counter) in counters.enumerated() {
            arrived.wrappingAdd(1, ordering: .sequentiallyConsistent)
            while arrived.load(ordering: .sequentiallyConsistent) < 2 * (phase + 1) {}
            let start = now()
            var elapsed = 0.0
            var longest = 0.0
            var count = 0
            repeat {
                increment(counter, times: Self.chunk)
                count += Self.chunk
                let next = now() - start
                longest = max(longest, next - elapsed)
                elapsed = next
            } while elapsed < Self.phaseNanoseconds
            let meanChunk = elapsed * Double(Self.chunk) / Double(count)
            if longest > 1e5, longest > 8 * meanChunk { side.wasDisturbed = true }
            side.phases.append((start, Double(count) / elapsed))
            if phase == 1 { side.calls += count }
        }
        sides.withLock { $0[index] = side }
    }
}
#endif
