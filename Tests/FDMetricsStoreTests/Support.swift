// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import Foundation
import Synchronization

/// FDM_STRESS: how many times as long the tests with random choices and races take.
let stress = max(1, ProcessInfo.processInfo.environment["FDM_STRESS"].flatMap { Int($0) } ?? 1)

/// The code of the error that a call throws; nil: it throws none.
func code(_ body: () throws -> Void) -> StoreError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? StoreError)?.code
    }
}

/// The error that a call throws as a sentence; empty: it throws none.
func message(_ body: () throws -> Void) -> String {
    do {
        try body()
        return ""
    } catch {
        return "\(error)"
    }
}

/// What threads that run together share.
private final class Gate<Result: Sendable>: Sendable {
    let waiting: Atomic<Int>
    let results = Mutex<[Int: Result]>([:])

    init(_ count: Int) { waiting = Atomic(count) }
}

/// Runs a body in threads that start at once, and gives what each returned.
func inThreads<Result: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) -> Result) -> [Result] {
    let gate = Gate<Result>(count)
    let done = DispatchGroup()
    for index in 0..<count {
        done.enter()
        Thread.detachNewThread {
            gate.waiting.wrappingSubtract(1, ordering: .acquiringAndReleasing)
            while gate.waiting.load(ordering: .acquiring) > 0 { sched_yield() }
            let result = body(index)
            gate.results.withLock { $0[index] = result }
            done.leave()
        }
    }
    done.wait()
    return gate.results.withLock { all in (0..<count).map { all[$0]! } }
}

/// What a file has, without the holes of it: a write anywhere changes this. A write into a hole takes blocks.
struct Fingerprint: Equatable {
    private let size: Int64
    private let blocks: Int64
    private let beginning: Data?

    init(_ path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { preconditionFailure("cannot stat \(path): \(errorText(errno))") }
        size = Int64(info.st_size)
        blocks = Int64(info.st_blocks)
        let file = FileHandle(forReadingAtPath: path)
        // Header, index, slots and the first records; the tests here fill no more.
        beginning = try? file?.read(upToCount: 512 << 10)
    }
}

/// The sum over lanes of the word of whole numbers of a counter.
func total(_ handle: UnsafeMutablePointer<SeriesHandle>) -> UInt64 {
    guard let cell = handle.pointee.cell else { return 0 }
    return (0...Int(handle.pointee.laneMask)).reduce(0) {
        $0 &+ word(cell + $1 * StoreFormat.laneStride).pointee.load(ordering: .relaxed)
    }
}

/// Adds to one lane of a counter.
func add(_ handle: UnsafeMutablePointer<SeriesHandle>, _ amount: UInt64, lane: UInt32 = 0) {
    word(handle.laneCell(cpu: lane)).pointee.wrappingAdd(amount, ordering: .relaxed)
}

extension Store {
    /// The series with these values, of a family without further keys.
    func series(_ family: Family, _ values: String...) throws -> UnsafeMutablePointer<SeriesHandle> {
        try series(family, names: family.descriptor.labelNames, values: values)
    }
}
