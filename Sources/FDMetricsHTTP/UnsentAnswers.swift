// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import NIOCore

/// Counts the rendered bytes that clients have not taken yet, so that slow ones cannot fill the memory.
///
/// Clients that wait for one render share its bytes, which stay until the last of them has everything. Where all bytes
/// together are more than the limit, the next render waits, and clients that have had an answer's bytes for longer than
/// `patience` are cut off, those of the oldest answer first. But one answer, however large, and what is small beside it
/// never hold up the next: two scrapers whose answers are each above the limit both get them. Confined to its event loop.
final class UnsentAnswers {
    /// One render's bytes, and who is being sent them.
    final class Answer {
        fileprivate let byteCount: Int
        fileprivate let since = NIODeadline.now()
        fileprivate var readers: [ObjectIdentifier: () -> Void] = [:]
        fileprivate init(byteCount: Int) { self.byteCount = byteCount }
    }

    /// A client on the same host takes an answer in a few milliseconds.
    static let patience = TimeAmount.milliseconds(500)

    private let limit: Int
    /// The oldest first.
    private var answers: [Answer] = []
    private(set) var byteCount = 0

    init(limit: Int) { self.limit = limit }

    /// Enters an answer that has been rendered.
    func add(byteCount: Int) -> Answer {
        let answer = Answer(byteCount: byteCount)
        answers.append(answer)
        self.byteCount += byteCount
        return answer
    }

    /// Enters a client that an answer is being sent to.
    /// - Parameter close: cuts the client off; `remove` need not be called then.
    func add(_ reader: AnyObject, of answer: Answer, close: @escaping () -> Void) {
        answer.readers[ObjectIdentifier(reader)] = close
    }

    /// A client has everything, or has gone.
    func remove(_ reader: AnyObject, of answer: Answer) {
        answer.readers[ObjectIdentifier(reader)] = nil
        forget(answer)
    }

    /// Forgets an answer that is being sent to nobody.
    func forget(_ answer: Answer) {
        guard answer.readers.isEmpty, let index = answers.firstIndex(where: { $0 === answer }) else { return }
        answers.remove(at: index)
        byteCount -= answer.byteCount
    }

    private var hasRoom: Bool {
        if byteCount <= limit { return true }
        let largest = answers.lazy.map(\.byteCount).max() ?? 0
        return byteCount - largest <= limit / 2
    }

    /// Makes room for one more answer, at the cost of slow clients.
    /// - Returns: nil: there is room; else how long to wait before it is asked for again.
    func makeRoom(_ now: NIODeadline = .now()) -> TimeAmount? {
        while !hasRoom, let oldest = answers.first {
            let age = now - oldest.since
            if age < Self.patience { return Self.patience - age + .milliseconds(1) }
            let readers = oldest.readers.values
            oldest.readers = [:]
            forget(oldest)
            for close in readers { close() }
        }
        return nil
    }
}
#endif
