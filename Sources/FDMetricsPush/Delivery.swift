// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
/// What is sent when, and what becomes of it: the rules of delivery without a clock or a network of their own.
///
/// One request is under way at a time, and always the oldest: so the samples of each series arrive in the order of their
/// times, and a request that was not answered is sent again with the same content.
struct Delivery {
    /// What to do now.
    enum Step: Equatable {
        /// Make the request with this content.
        case send(id: UInt64, PushBatch)
        /// Ask again at this time, or as soon as something changes.
        case wait(until: ContinuousClock.Instant?)
        /// All is done, or time is up.
        case finished
    }

    /// What is worth a line in the log.
    enum Event: Equatable {
        /// The first of several failures, or of these reasons.
        case failing(reason: String, wait: Duration)
        /// The same again.
        case stillFailing(reason: String, wait: Duration)
        case recovered(failures: Int)
        case refused(reason: String, samples: Int, isRepeated: Bool)
        case remark(String)
        case overflowed(samples: Int, isRepeated: Bool)
    }

    /// The shortest time from one replay to the next.
    static let shortestReplayInterval: Duration = .seconds(1)

    private var queue: PushQueue
    private var backoff: Backoff
    private let replay: Duration
    private var random: any RandomNumberGenerator & Sendable
    private var notBefore: ContinuousClock.Instant?
    private var sending: UInt64?
    private var end: ContinuousClock.Instant?
    private var failures = 0
    private var lastReason = ""
    private var lastRefusal = ""
    private var isOverflowing = false
    private var lastReplay: ContinuousClock.Instant?
    private(set) var statistics = PushStatistics()

    /// - Parameters:
    ///   - queueLimit: The most bytes that wait.
    ///   - replay: How long before a lost connection a request may have been acknowledged that is made once more.
    init(
        queueLimit: Int, backoff: Backoff, replay: Duration,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        queue = PushQueue(limit: queueLimit)
        self.backoff = backoff
        self.replay = replay
        self.random = random
    }

    /// The bytes that are held.
    var queuedBytes: Int { queue.bytes }
    var queuedBatches: Int { queue.count }

    /// Takes in the requests of a reading.
    /// - Parameter replacing: Whether they make those that wait needless.
    mutating func enqueue(_ batches: [PushBatch], replacing: Bool = false) -> [Event] {
        if replacing { queue.removeAll(but: sending) }
        var dropped = PushQueue.Overflow()
        for batch in batches { dropped += queue.append(batch, sending: sending) }
        if dropped.batches == 0 { return [] }
        statistics.overflowed += dropped.samples
        statistics.overflowedRequests += dropped.batches
        defer { isOverflowing = true }
        return [.overflowed(samples: dropped.samples, isRepeated: isOverflowing)]
    }

    /// Says that nothing more comes, and when to give up.
    mutating func finish(by deadline: ContinuousClock.Instant) { end = deadline }

    /// What to do.
    mutating func step(at now: ContinuousClock.Instant) -> Step {
        if let end, now >= end || queue.isEmpty {
            if sending == nil { return .finished }
        }
        if sending != nil { return .wait(until: end) }
        guard let entry = queue.first else { return .wait(until: nil) }
        if let notBefore, now < notBefore { return .wait(until: min(notBefore, end ?? notBefore)) }
        sending = entry.id
        return .send(id: entry.id, entry.batch)
    }

    /// Takes in what a request came to.
    mutating func complete(_ id: UInt64, _ verdict: PushVerdict, at now: ContinuousClock.Instant) -> [Event] {
        guard sending == id else { return [] }
        sending = nil
        guard let entry = queue.entry(id) else { return [] }
        switch verdict {
        case .accepted(let remark):
            statistics.requests += 1
            if !entry.isReplay { statistics.sent += entry.batch.samples }
            if replay > .zero { queue.keep(id, at: now) } else { queue.remove(id) }
            queue.forget(acknowledgedBefore: now - replay)
            lastRefusal = ""
            isOverflowing = false
            return recovered() + (remark.map { [.remark($0)] } ?? [])
        case .refused(let reason):
            queue.remove(id)
            let recovered = recovered()
            // What had been acknowledged is not lost with it.
            if entry.isReplay { return recovered }
            statistics.refusedRequests += 1
            statistics.refused += entry.batch.samples
            defer { lastRefusal = reason }
            return recovered
                + [.refused(reason: reason, samples: entry.batch.samples, isRepeated: lastRefusal == reason)]
        case .retry(let reason, let after):
            statistics.retries += 1
            failures += 1
            let wait = backoff.next(asked: after, using: &random)
            notBefore = now + wait
            defer { lastReason = reason }
            return failures == 1 || reason != lastReason
                ? [.failing(reason: reason, wait: wait)] : [.stillFailing(reason: reason, wait: wait)]
        }
    }

    /// Says that the connection is lost: the receiver may have been killed, with what it had not yet written.
    mutating func connectionLost(at now: ContinuousClock.Instant) {
        // Some receivers end the connection after each answer, which must not go round and round.
        if let lastReplay, now - lastReplay < Self.shortestReplayInterval { return }
        queue.forget(acknowledgedBefore: now - replay)
        let count = queue.replayKept()
        statistics.replayed += count
        if count > 0 { lastReplay = now }
    }

    /// Counts a store that could not be read.
    mutating func countUnread() { statistics.unread += 1 }

    /// What became of everything, at the end.
    func finalStatistics() -> PushStatistics {
        var statistics = statistics
        statistics.undelivered = queue.samples
        statistics.undeliveredRequests = queue.requests
        return statistics
    }

    private mutating func recovered() -> [Event] {
        backoff.reset()
        notBefore = nil
        defer { (failures, lastReason) = (0, "") }
        return failures == 0 ? [] : [.recovered(failures: failures)]
    }
}
#endif
