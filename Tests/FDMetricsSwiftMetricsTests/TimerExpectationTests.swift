// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import Dispatch
import FDMetricsStore
import FDMetricsSwiftMetrics
import Metrics
import Testing

/// What swift-metrics' own tests expect of timers, said of a store.
@Suite("swift-metrics: timers")
struct TimerExpectationTests {
    private let backend: Backend

    init() throws { backend = try Backend() }

    private func sum(_ name: String = "wait_seconds") throws -> Double? { try backend.samples()["\(name)_sum"] }
    private func count(_ name: String = "wait_seconds") throws -> Double? { try backend.samples()["\(name)_count"] }

    @Test("Durations of several threads are all counted, whatever they are")
    func threads() async throws {
        let timer = Timer(label: "wait", factory: backend.factory())
        let durations: [Int64] = [.min, -1, 0, 1, 1_000_000_000, .max]
        await inThreads(8) { _ in
            for _ in 0..<100 {
                for duration in durations { timer.recordNanoseconds(duration) }
            }
        }
        #expect(try count() == 4_800)
        #expect(try backend.samples()[#"wait_seconds_bucket{le="0.005"}"#] == 3_200)
        #expect(try backend.samples()[#"wait_seconds_bucket{le="1.0"}"#] == 4_000)
    }

    @Test("Nanoseconds to seconds, whole and not")
    func variants() throws {
        let timer = Timer(label: "wait", factory: backend.factory())
        timer.recordNanoseconds(3 as Int64)
        #expect(try sum() == 3e-9)
        timer.recordMicroseconds(5)
        timer.recordMilliseconds(7)
        timer.recordSeconds(11)
        timer.recordMicroseconds(0.5)
        timer.recordMilliseconds(0.25)
        timer.recordSeconds(1.5)
        #expect(try count() == 7)
        #expect(abs(try #require(try sum()) - 12.507_255_503) < 1e-12)
    }

    @Test("What overflows is the longest duration")
    func overflow() throws {
        let timer = Timer(label: "wait", factory: backend.factory())
        timer.recordNanoseconds(Int64.max)
        timer.recordMicroseconds(Int64.max)
        timer.recordMilliseconds(Double(Int64.max) + 1)
        timer.recordSeconds(Int64.max)
        timer.recordNanoseconds(UInt64.max)
        timer.recordSeconds(UInt64.max)
        #expect(try count() == 6)
        let longest = Double(Int64.max) / 1e9
        #expect(abs(try #require(try sum()) / (6 * longest) - 1) < 1e-12)
    }

    @Test("A negative duration counts, as 0")
    func negative() throws {
        let timer = Timer(label: "wait", factory: backend.factory())
        timer.recordMilliseconds(-5)
        #expect(try sum() == 0)
        #expect(try count() == 1)
    }

    @Test("Durations and intervals of the language and of Dispatch")
    func intervals() throws {
        let timer = Timer(label: "wait", factory: backend.factory())
        timer.record(duration: .milliseconds(250))
        timer.record(.microseconds(500) as DispatchTimeInterval)
        timer.record(DispatchTimeInterval.never)
        let start = DispatchTime.now()
        timer.recordInterval(
            since: start, end: DispatchTime(uptimeNanoseconds: start.uptimeNanoseconds + 1_000_000_000))
        #expect(try count() == 4)
        #expect(abs(try #require(try sum()) - 1.2505) < 1e-12)
    }

    @Test("measure() records one duration, of a body that throws too")
    func measure() async throws {
        let timer = Timer(label: "wait", factory: backend.factory())
        let result = timer.measure { 7 }
        #expect(result == 7)
        struct Failure: Error {}
        #expect(throws: Failure.self) { try timer.measure { throw Failure() } }
        await timer.measure { await Task.yield() }
        Timer.measure(label: "wait", factory: backend.factory()) {}
        #expect(try count() == 4)
        #expect(try #require(try sum()) > 0)
    }

    @Test("A preferred display unit leaves the series in seconds")
    func hint() throws {
        let timer = Timer(label: "wait", preferredDisplayUnit: .milliseconds, factory: backend.factory())
        timer.recordSeconds(2)
        #expect(try sum() == 2)
        #expect(try sum("wait_milliseconds") == nil)
    }

    @Test(
        "Where units are to be as preferred, they are",
        arguments: [
            (TimeUnit.nanoseconds, "nanoseconds", 7.2e12, "5e+06"), (.microseconds, "microseconds", 7.2e9, "5000.0"),
            (.milliseconds, "milliseconds", 7.2e6, "5.0"), (.seconds, "seconds", 7200, "0.005"),
            (.minutes, "minutes", 120, "8.333333333333333e-05"), (.hours, "hours", 2, "1.388888888888889e-06"),
            (.days, "days", 2.0 / 24, "5.787037037037037e-08"),
        ])
    func preferred(_ unit: TimeUnit, _ name: String, _ sum: Double, _ bound: String) throws {
        let factory = backend.factory { $0.timerUnit = .preferred }
        Timer(label: "wait", preferredDisplayUnit: unit, factory: factory).recordSeconds(7200)
        let samples = try backend.samples()
        #expect(samples["wait_\(name)_sum"] == sum)
        #expect(samples.count == 17)
        let bounds = samples.keys.filter { $0.hasPrefix("wait_\(name)_bucket") }
        #expect(bounds.contains("wait_\(name)_bucket{le=\"\(bound)\"}"), "\(bounds.sorted())")
    }

    @Test("Without a preference it is seconds, from the first recording on; later preferences change nothing")
    func noPreference() throws {
        let factory = backend.factory { $0.timerUnit = .preferred }
        let handler = factory.makeTimer(label: "wait", dimensions: [])
        #expect(try backend.samples().isEmpty)
        handler.recordNanoseconds(2_000_000_000)
        handler.preferDisplayUnit(.hours)
        handler.recordNanoseconds(1_000_000_000)
        #expect(try sum() == 3)
        #expect(try count() == 2)
    }

    @Test("A name that has the unit already does not get it twice; none is added where none is wanted")
    func names() throws {
        Timer(label: "a.duration.seconds", factory: backend.factory()).recordSeconds(1)
        Timer(label: "b.duration", factory: backend.factory { $0.timerUnit = .unnamed }).recordSeconds(2)
        #expect(try sum("a_duration_seconds") == 1)
        #expect(try sum("b_duration") == 2)
    }

    @Test("Bounds by label, by prefix, and for the rest; unsorted, doubled and infinite ones are put right")
    func bounds() throws {
        let factory = backend.factory {
            $0.timerBuckets.general = [1]
            $0.timerBuckets.labels = ["db.query": [0.5, 0.1, 0.5, .infinity, .nan]]
            $0.timerBuckets.prefixes = ["db.": [2], "db.query.": [3]]
        }
        for label in ["db.query", "db.commit", "db.query.plan", "http"] { _ = Timer(label: label, factory: factory) }
        func bounds(_ name: String) throws -> [Double]? { try backend.descriptor(name)?.bounds }
        #expect(try bounds("db_query_seconds") == [0.1, 0.5])
        #expect(try bounds("db_commit_seconds") == [2])
        #expect(try bounds("db_query_plan_seconds") == [3])
        #expect(try bounds("http_seconds") == [1])
        #expect(backend.problems == [])
    }
}
#endif
