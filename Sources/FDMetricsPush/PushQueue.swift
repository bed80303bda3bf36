// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
/// Batches that wait for their turn, oldest first, and those that were acknowledged only just now; together within a limit
/// of bytes.
struct PushQueue {
    struct Entry: Sendable {
        let id: UInt64
        let batch: PushBatch
        /// Whether it was acknowledged before, and is sent again only because the receiver may have forgotten it.
        var isReplay = false
        /// When it was first acknowledged, of those that are kept or sent again.
        var acknowledged: ContinuousClock.Instant?
    }

    /// What was thrown away for want of room.
    struct Overflow: Equatable {
        var batches = 0
        var samples = 0

        static func += (total: inout Self, other: Self) {
            total.batches += other.batches
            total.samples += other.samples
        }
    }

    private let limit: Int
    private var waiting: [Entry] = []
    private var kept: [Entry] = []
    private var nextID: UInt64 = 0
    /// The bytes of all entries.
    private(set) var bytes = 0

    /// - Parameter limit: The most bytes of all batches.
    init(limit: Int) { self.limit = limit }

    var isEmpty: Bool { waiting.isEmpty }
    var count: Int { waiting.count }
    /// The samples that wait; not those that are sent again.
    var samples: Int { waiting.reduce(0) { $0 + ($1.isReplay ? 0 : $1.batch.samples) } }
    /// The batches that wait; not those that are sent again.
    var requests: Int { waiting.count { !$0.isReplay } }
    /// The batch that is to be sent next.
    var first: Entry? { waiting.first }

    /// The batch of a number, if it waits.
    func entry(_ id: UInt64) -> Entry? { waiting.first { $0.id == id } }

    /// Adds a batch at the end. What there is no room for goes, oldest first: acknowledged batches, then waiting ones, but
    /// not the one that is being sent.
    mutating func append(_ batch: PushBatch, sending: UInt64? = nil) -> Overflow {
        var overflow = Overflow()
        while bytes + batch.body.count > limit, !kept.isEmpty { removeKept() }
        while bytes + batch.body.count > limit {
            guard let index = waiting.firstIndex(where: { $0.id != sending }) else { break }
            let entry = removeWaiting(index)
            if entry.isReplay { continue }
            overflow.batches += 1
            overflow.samples += entry.batch.samples
        }
        if bytes + batch.body.count > limit {
            overflow.batches += 1
            overflow.samples += batch.samples
            return overflow
        }
        waiting.append(Entry(id: nextID, batch: batch))
        nextID += 1
        bytes += batch.body.count
        return overflow
    }

    /// Forgets a batch that needs no further attempt.
    mutating func remove(_ id: UInt64) {
        if let index = waiting.firstIndex(where: { $0.id == id }) { removeWaiting(index) }
    }

    /// Forgets all that wait but one.
    mutating func removeAll(but id: UInt64?) {
        for entry in waiting where entry.id != id { remove(entry.id) }
    }

    /// Takes a batch that was acknowledged out of those that wait, and keeps it for a replay.
    mutating func keep(_ id: UInt64, at time: ContinuousClock.Instant) {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        var entry = waiting.remove(at: index)
        // Sent again and again it would never be forgotten, if each time counted.
        entry.acknowledged = entry.acknowledged ?? time
        kept.append(entry)
    }

    /// Forgets what was acknowledged before a time.
    mutating func forget(acknowledgedBefore time: ContinuousClock.Instant) {
        while let entry = kept.first, let acknowledged = entry.acknowledged, acknowledged < time { removeKept() }
    }

    /// Puts the kept batches back, before all that wait. They get new numbers: an answer on its way is not one to them.
    mutating func replayKept() -> Int {
        let replayed = kept.map { entry in
            defer { nextID += 1 }
            return Entry(id: nextID, batch: entry.batch, isReplay: true, acknowledged: entry.acknowledged)
        }
        waiting.insert(contentsOf: replayed, at: 0)
        kept = []
        return replayed.count
    }

    @discardableResult
    private mutating func removeWaiting(_ index: Int) -> Entry {
        let entry = waiting.remove(at: index)
        bytes -= entry.batch.body.count
        return entry
    }

    /// The oldest.
    private mutating func removeKept() { bytes -= kept.removeFirst().batch.body.count }
}
#endif
