// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import Dispatch
import FDMetricsExposition
import FDMetricsStore
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import FDMetricsHTTP

/// Renders when it is told to, and counts.
final class SteppedWorker: RenderWorker {
    /// How many renders of each job have begun, and whether they may end at once.
    private let begun = Mutex<[RenderJob: Int]>([:])
    private let steps = DispatchSemaphore(value: 0)

    func result(of job: RenderJob, wishes: [Rendering.Wish]) -> RenderResult {
        let number = begun.withLock { counts in
            counts[job, default: 0] += 1
            return counts[job] ?? 0
        }
        steps.wait()
        return .failure(StoreError(.system, "\(job.name) \(number)"))
    }

    func step(_ count: Int = 1) {
        for _ in 0..<count { steps.signal() }
    }

    func hasBegun(_ job: RenderJob, _ count: Int) -> Bool { begun.withLock { $0[job] ?? 0 } >= count }
}

extension RenderJob {
    fileprivate var name: String {
        switch self {
        case .scrape(let request): "\(request.format) \(request.names)"
        case .page(let path, _): path
        }
    }

    static let text = RenderJob.scrape(ScrapeRequest(accept: nil, acceptEncoding: nil))
    static let openMetrics = RenderJob.scrape(
        ScrapeRequest(accept: "application/openmetrics-text", acceptEncoding: nil))
    static func named(_ name: String) -> RenderJob {
        .scrape(ScrapeRequest(accept: nil, acceptEncoding: nil, names: [name]))
    }
}

/// A scheduler on a loop of its own, with one worker, and what came of the requests.
final class SchedulerBench: Sendable {
    let worker = SteppedWorker()
    let scheduler: RenderScheduler
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let threads = NIOThreadPool(numberOfThreads: 1)
    private let results = Mutex<[String]>([])

    init(waitingRenders: Int = 2) {
        threads.start()
        scheduler = RenderScheduler(
            eventLoop: group.next(), threads: threads, workers: [worker], unsent: UnsentAnswers(limit: 1 << 20),
            waitingRenders: waitingRenders)
    }

    /// On the loop.
    func run<T: Sendable>(_ body: @escaping @Sendable (RenderScheduler) -> T) async throws -> T {
        let scheduler = scheduler
        return try await group.next().submit { body(scheduler) }.get()
    }

    /// - Returns: nil: refused.
    @discardableResult
    func submit(_ job: RenderJob, as name: String) async throws -> RenderScheduler.Ticket? {
        try await run { scheduler in
            scheduler.submit(job, Rendering.Wish(isGzipped: false, ifNoneMatch: nil)) { result, _ in
                guard case .failure(let error) = result else { return }
                self.results.withLock { $0.append("\(name): \(error.message)") }
            }
        }
    }

    /// What came, once there is so much of it.
    func results(_ count: Int) async throws -> [String] {
        while true {
            let results = results.withLock { $0 }
            if results.count >= count { return results }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    func begun(_ job: RenderJob, _ count: Int) async throws {
        while !worker.hasBegun(job, count) { try await Task.sleep(for: .milliseconds(1)) }
    }

    func end() async throws {
        worker.step(100)
        try await threads.shutdownGracefully()
        try await group.shutdownGracefully()
    }
}

@Suite("Renders are shared exactly, and bounded", .timeLimit(.minutes(1)))
struct RenderSchedulerTests {
    @Test("Who comes while a render runs waits for the next, together with all others")
    func nextRenderIsShared() async throws {
        let bench = SchedulerBench()
        try await bench.submit(.text, as: "a")
        try await bench.begun(.text, 1)
        for name in ["b", "c", "d"] { try await bench.submit(.text, as: name) }
        bench.worker.step()
        #expect(try await bench.results(1) == ["a: text [] 1"])
        try await bench.begun(.text, 2)
        // The second runs: this one is for the third.
        try await bench.submit(.text, as: "e")
        bench.worker.step(2)
        #expect(
            try await bench.results(5)
                == ["a: text [] 1", "b: text [] 2", "c: text [] 2", "d: text [] 2", "e: text [] 3"])
        try await bench.end()
    }

    @Test("Different requests do not share, and the two kinds take turns")
    func differentJobs() async throws {
        let bench = SchedulerBench()
        try await bench.submit(.text, as: "a")
        try await bench.begun(.text, 1)
        try await bench.submit(.text, as: "b")
        try await bench.submit(.openMetrics, as: "c")
        try await bench.submit(.named("x"), as: "d")
        try await bench.submit(.page(path: "/", query: nil), as: "e")
        bench.worker.step(5)
        #expect(
            try await bench.results(5)
                == ["a: text [] 1", "d: text [\"x\"] 1", "b: text [] 2", "e: / 1", "c: openMetrics [] 1"])
        try await bench.end()
    }

    @Test("What clients can invent is bounded; a scrape of all metrics always gets in")
    func bound() async throws {
        let bench = SchedulerBench(waitingRenders: 2)
        try await bench.submit(.text, as: "a")
        try await bench.begun(.text, 1)
        #expect(try await bench.submit(.named("1"), as: "b") != nil)
        #expect(try await bench.submit(.named("2"), as: "c") != nil)
        #expect(try await bench.submit(.named("3"), as: "d") == nil)
        #expect(try await bench.submit(.page(path: "/", query: nil), as: "e") == nil)
        // Equal ones need no place of their own.
        #expect(try await bench.submit(.named("1"), as: "f") != nil)
        #expect(try await bench.submit(.openMetrics, as: "g") != nil)
        bench.worker.step(4)
        #expect(try await bench.results(5).count == 5)
        #expect(try await bench.submit(.named("3"), as: "h") != nil)
        try await bench.end()
    }

    @Test("What comes of a render that is under way goes to nobody whose request was taken back")
    func cancellationWhileItRuns() async throws {
        let bench = SchedulerBench()
        let ticket = try #require(try await bench.submit(.text, as: "a"))
        try await bench.submit(.openMetrics, as: "b")
        try await bench.begun(.text, 1)
        try await bench.run { $0.cancel(ticket) }
        bench.worker.step(2)
        #expect(try await bench.results(1) == ["b: openMetrics [] 1"])
        // Again when it is over: nothing is left to take back.
        try await bench.run { $0.cancel(ticket) }
        try await bench.submit(.text, as: "c")
        bench.worker.step()
        #expect(try await bench.results(2) == ["b: openMetrics [] 1", "c: text [] 2"])
        try await bench.end()
    }

    @Test("A render that nobody waits for any more is not begun, and makes room")
    func cancellation() async throws {
        let bench = SchedulerBench(waitingRenders: 1)
        try await bench.submit(.text, as: "a")
        try await bench.begun(.text, 1)
        let ticket = try #require(try await bench.submit(.named("1"), as: "b"))
        let shared = try #require(try await bench.submit(.openMetrics, as: "c"))
        try await bench.submit(.openMetrics, as: "d")
        try await bench.run { scheduler in
            scheduler.cancel(ticket)
            scheduler.cancel(shared)
        }
        #expect(try await bench.submit(.named("2"), as: "e") != nil)
        bench.worker.step(3)
        #expect(
            try await bench.results(3) == ["a: text [] 1", "e: text [\"2\"] 1", "d: openMetrics [] 1"])
        #expect(!bench.worker.hasBegun(.named("1"), 1))
        try await bench.end()
    }
}

@Suite("Bytes that clients have not taken")
struct UnsentAnswersTests {
    private final class Reader {}

    @Test("An answer counts once, until its last reader has it")
    func counting() {
        let unsent = UnsentAnswers(limit: 100)
        let (one, two) = (Reader(), Reader())
        let answer = unsent.add(byteCount: 80)
        unsent.add(one, of: answer) {}
        unsent.add(two, of: answer) {}
        #expect(unsent.byteCount == 80)
        unsent.remove(one, of: answer)
        #expect(unsent.byteCount == 80)
        unsent.remove(two, of: answer)
        #expect(unsent.byteCount == 0)
        unsent.forget(unsent.add(byteCount: 5))
        #expect(unsent.byteCount == 0)
    }

    @Test("Past the limit the oldest readers are cut off, once they were given their time")
    func cutOff() {
        let unsent = UnsentAnswers(limit: 100)
        let readers = (0..<3).map { _ in Reader() }
        var cutOff: [Int] = []
        for (index, reader) in readers.enumerated() {
            unsent.add(reader, of: unsent.add(byteCount: 80)) { cutOff.append(index) }
        }
        let start = NIODeadline.now()
        // Not yet: they have just begun.
        #expect(unsent.makeRoom(start) != nil)
        #expect(cutOff.isEmpty)
        #expect(unsent.makeRoom(start + UnsentAnswers.patience + .seconds(1)) == nil)
        #expect(cutOff == [0, 1])
        #expect(unsent.byteCount == 80)
    }

    @Test("Two answers have room beside each other, however large they are, also with small ones")
    func twoLargeOnes() {
        let unsent = UnsentAnswers(limit: 100)
        let readers = (0..<4).map { _ in Reader() }
        var cutOff: [Int] = []
        func send(_ index: Int, _ byteCount: Int) {
            unsent.add(readers[index], of: unsent.add(byteCount: byteCount)) { cutOff.append(index) }
        }
        let later = NIODeadline.now() + UnsentAnswers.patience + .seconds(1)
        send(0, 1_000)
        send(1, 50)
        #expect(unsent.makeRoom(later) == nil)
        send(2, 2_000)
        #expect(cutOff.isEmpty)
        // A third one is one too many.
        #expect(unsent.makeRoom(later) == nil)
        #expect(cutOff == [0])
        send(3, 500)
        #expect(unsent.makeRoom(later) == nil)
        #expect(cutOff == [0, 1, 2])
        #expect(unsent.byteCount == 500)
    }
}
#endif
