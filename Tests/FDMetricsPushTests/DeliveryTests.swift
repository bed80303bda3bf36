// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetricsTestSupport
import Testing

@testable import FDMetricsPush

/// The rules of delivery, with times that the tests name.
@Suite("Delivery")
struct DeliveryTests {
    private let start = ContinuousClock.now

    private func delivery(limit: Int = 1000, replay: Duration = .zero, seed: UInt64 = 1) -> Delivery {
        Delivery(
            queueLimit: limit, backoff: Backoff(initial: .seconds(1), maximum: .seconds(8)), replay: replay,
            random: SeededGenerator(seed: seed))
    }

    private func batch(_ number: UInt8, bytes: Int = 10, samples: Int = 2) -> PushBatch {
        PushBatch(body: Array(repeating: number, count: bytes), samples: samples)
    }

    /// Takes the step, which must be to send, and says with which number.
    private func send(_ delivery: inout Delivery, at time: ContinuousClock.Instant) throws -> (UInt64, UInt8) {
        guard case .send(let id, let batch) = delivery.step(at: time) else {
            throw Unexpected(step: "\(delivery.step(at: time))")
        }
        return (id, batch.body[0])
    }

    private struct Unexpected: Error { let step: String }

    @Test("Batches go one at a time, oldest first")
    func order() throws {
        var delivery = delivery()
        #expect(delivery.enqueue([batch(1), batch(2)]) == [])
        let (first, number) = try send(&delivery, at: start)
        #expect(number == 1)
        #expect(delivery.step(at: start) == .wait(until: nil), "one request at a time")
        #expect(delivery.complete(first, .accepted(remark: nil), at: start) == [])
        let (second, next) = try send(&delivery, at: start)
        #expect(next == 2)
        _ = delivery.complete(second, .accepted(remark: "all but one"), at: start)
        #expect(delivery.step(at: start) == .wait(until: nil))
        #expect(delivery.statistics.sent == 4 && delivery.statistics.requests == 2)
    }

    @Test("A failure is tried again with the same batch, after waits that double and then stay")
    func waits() throws {
        var delivery = delivery()
        _ = delivery.enqueue([batch(1), batch(2)])
        var now = start
        for expected in [1.0, 2, 4, 8, 8, 8] {
            let (id, number) = try send(&delivery, at: now)
            #expect(number == 1)
            _ = delivery.complete(id, .retry(reason: "status 503", after: nil), at: now)
            guard case .wait(let until?) = delivery.step(at: now) else { throw Unexpected(step: "no wait") }
            let wait = (until - now) / .seconds(1)
            #expect(wait >= expected / 2 && wait <= expected)
            #expect(delivery.step(at: until - .nanoseconds(1)) == .wait(until: until))
            now = until
        }
        let (id, _) = try send(&delivery, at: now)
        #expect(delivery.complete(id, .accepted(remark: nil), at: now) == [.recovered(failures: 6)])
        // The next batch begins with the shortest wait again.
        let (second, _) = try send(&delivery, at: now)
        _ = delivery.complete(second, .retry(reason: "status 503", after: nil), at: now)
        guard case .wait(let until?) = delivery.step(at: now) else { throw Unexpected(step: "no wait") }
        #expect(until - now <= .seconds(1))
    }

    @Test("What the receiver asks for is waited for, within reason")
    func retryAfter() throws {
        var delivery = delivery()
        _ = delivery.enqueue([batch(1)])
        var now = start
        for (asked, least) in [(20, 20), (1_000_000, 600)] {
            let (id, _) = try send(&delivery, at: now)
            _ = delivery.complete(id, .retry(reason: "status 429", after: .seconds(asked)), at: now)
            guard case .wait(let until?) = delivery.step(at: now) else { throw Unexpected(step: "no wait") }
            #expect(until - now == .seconds(least))
            now = until
        }
    }

    @Test("Each trouble is told once")
    func events() throws {
        var delivery = delivery()
        _ = delivery.enqueue([batch(1), batch(2), batch(3)])
        func complete(_ verdict: PushVerdict) throws -> [Delivery.Event] {
            let (id, _) = try send(&delivery, at: start + .seconds(100_000 * delivery.statistics.retries))
            return delivery.complete(id, verdict, at: start)
        }
        guard case .failing(reason: "a", _) = try complete(.retry(reason: "a", after: nil)).first,
            case .stillFailing(reason: "a", _) = try complete(.retry(reason: "a", after: nil)).first,
            case .failing(reason: "b", _) = try complete(.retry(reason: "b", after: nil)).first
        else { throw Unexpected(step: "events") }
        let refused = try complete(.refused(reason: "no"))
        #expect(refused == [.recovered(failures: 3), .refused(reason: "no", samples: 2, isRepeated: false)])
        #expect(try complete(.refused(reason: "no")) == [.refused(reason: "no", samples: 2, isRepeated: true)])
        #expect(delivery.statistics.refused == 4)
        #expect(!delivery.finalStatistics().isComplete)
    }

    @Test("The queue keeps to its limit: the oldest goes, but not what is being sent")
    func overflow() throws {
        var delivery = delivery(limit: 30)
        _ = delivery.enqueue([batch(1), batch(2), batch(3)])
        let (id, _) = try send(&delivery, at: start)
        #expect(delivery.enqueue([batch(4)]) == [.overflowed(samples: 2, isRepeated: false)])
        #expect(delivery.enqueue([batch(5)]) == [.overflowed(samples: 2, isRepeated: true)])
        #expect(delivery.queuedBytes == 30)
        _ = delivery.complete(id, .accepted(remark: nil), at: start)
        #expect(try send(&delivery, at: start).1 == 4)
        #expect(delivery.enqueue([batch(6, bytes: 31)]) == [.overflowed(samples: 4, isRepeated: false)])
        #expect(delivery.statistics.overflowed == 8)
    }

    @Test("Random batches, failures and lost connections: the limit holds, and nothing is unaccounted for")
    func random() throws {
        var random = SeededGenerator(for: "Delivery.random")
        for _ in 0..<50 {
            var delivery = delivery(limit: 200, replay: .seconds(3), seed: random.next())
            var now = start
            var added = 0
            for _ in 0..<300 {
                now += .milliseconds(Int.random(in: 0...2000, using: &random))
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<4:
                    let one = batch(0, bytes: .random(in: 1...80, using: &random), samples: 3)
                    added += 3
                    _ = delivery.enqueue([one])
                case 4: delivery.connectionLost(at: now)
                default:
                    guard case .send(let id, _) = delivery.step(at: now) else { continue }
                    if Bool.random(using: &random) { _ = delivery.enqueue([batch(0, bytes: 50, samples: 0)]) }
                    let verdicts: [PushVerdict] = [
                        .accepted(remark: nil), .retry(reason: "", after: nil), .refused(reason: ""),
                    ]
                    _ = delivery.complete(id, verdicts.randomElement(using: &random)!, at: now)
                }
                #expect(delivery.queuedBytes <= 200)
                let all = delivery.finalStatistics()
                #expect(all.sent + all.refused + all.overflowed + all.undelivered == added)
            }
        }
    }

    @Test("After a lost connection what was just acknowledged goes again, in order, before what waits")
    func replay() throws {
        var delivery = delivery(replay: .seconds(5))
        _ = delivery.enqueue([batch(1), batch(2), batch(3), batch(4)])
        for second in [0, 4, 8] {
            let (id, _) = try send(&delivery, at: start + .seconds(second))
            _ = delivery.complete(id, .accepted(remark: nil), at: start + .seconds(second))
        }
        let now = start + .seconds(8)
        let (underWay, _) = try send(&delivery, at: now)
        delivery.connectionLost(at: now)
        _ = delivery.complete(underWay, .retry(reason: "closed", after: nil), at: now)
        var numbers: [UInt8] = []
        for _ in 0..<3 {
            let (id, number) = try send(&delivery, at: now + .seconds(60))
            numbers.append(number)
            _ = delivery.complete(id, .accepted(remark: nil), at: now + .seconds(60))
        }
        #expect(numbers == [2, 3, 4], "the first was acknowledged too long ago")
        #expect(delivery.statistics.sent == 8, "a sample counts once")
        #expect(delivery.statistics.replayed == 2)
    }

    @Test("A receiver that ends the connection after each answer gets nothing again for longer than the replay's time")
    func replayEnds() throws {
        var delivery = delivery(replay: .seconds(5))
        var requests = 0
        for tenth in 0..<200 {
            let now = start + .milliseconds(100 * tenth)
            // Three more after the first, too late to be acknowledged together with it.
            if tenth % 60 == 0 { _ = delivery.enqueue([batch(1)]) }
            guard case .send(let id, _) = delivery.step(at: now) else { continue }
            requests += 1
            _ = delivery.complete(id, .accepted(remark: nil), at: now)
            delivery.connectionLost(at: now)
        }
        // Each once more, at once; by the next one's time it is too old.
        #expect(requests == 8)
        #expect(delivery.statistics.sent == 8 && delivery.statistics.replayed == 4)
    }

    @Test("At the end it sends what waits until time is up")
    func end() throws {
        var delivery = delivery()
        _ = delivery.enqueue([batch(1), batch(2)])
        let deadline = start + .seconds(10)
        delivery.finish(by: deadline)
        let (id, _) = try send(&delivery, at: start)
        _ = delivery.complete(id, .accepted(remark: nil), at: start)
        let (second, _) = try send(&delivery, at: start)
        _ = delivery.complete(second, .retry(reason: "", after: .seconds(100)), at: start)
        #expect(delivery.step(at: start) == .wait(until: deadline))
        #expect(delivery.step(at: deadline) == .finished)
        #expect(delivery.finalStatistics().undelivered == 2)
    }

    @Test("A request of metadata, which has no samples, counts as one that did not arrive", arguments: [true, false])
    func metadata(hasRoom: Bool) throws {
        var delivery = delivery(limit: hasRoom ? 100 : 10)
        _ = delivery.enqueue([batch(0, bytes: 20, samples: 0)])
        delivery.finish(by: start)
        #expect(delivery.step(at: start) == .finished)
        let statistics = delivery.finalStatistics()
        #expect(statistics.undelivered == 0 && statistics.overflowed == 0)
        #expect(!statistics.isComplete)
    }
}
#endif
