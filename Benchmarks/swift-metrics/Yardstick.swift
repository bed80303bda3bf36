// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import Synchronization

/// Not swift-prometheus itself, but a counter that does exactly what its handler does for an increment: a check of the sign
/// and one relaxed atomic add to one word, which belongs to this process and is shared by all its threads. As there, the word
/// is an object of its own that the handler refers to.
private final class YardstickCounter: CounterHandler {
    private final class Word: Sendable {
        let value = Atomic<Int64>(0)
    }

    private let word = Word()

    func increment(by amount: Int64) {
        precondition(amount >= 0)
        word.value.wrappingAdd(amount, ordering: .relaxed)
    }

    func reset() { word.value.store(0, ordering: .relaxed) }
}

/// Makes the yardstick; of everything else, what does nothing.
struct YardstickFactory: MetricsFactory {
    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { YardstickCounter() }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        NOOPMetricsHandler.instance
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { NOOPMetricsHandler.instance }
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
}
#endif
