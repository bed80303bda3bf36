// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import FDMetricsTestSupport
import Foundation
import Synchronization
import Testing

/// The metrics of the processes themselves. Of this one, which has joined its store once or several times.
@Suite("Process metrics")
struct ProcessMetricsTests {
    private let exposed: ExposedStore

    init() throws { exposed = try ExposedStore() }

    private func samples(_ options: RenderOptions, directory: String? = nil) throws -> [String: Double] {
        let text =
            try directory.map { try TextExposition.render(directory: $0, options: options) }
            ?? TextExposition.render(exposed.registry, options: options)
        return Dictionary(
            uniqueKeysWithValues: text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
                let space = line.lastIndex(of: " ")!
                return (String(line[..<space]), Double(line[line.index(after: space)...]) ?? .nan)
            })
    }

    @Test("Are not there unless they are asked for")
    func absent() throws {
        #expect(try exposed.text().isEmpty)
    }

    @Test("Have the values that the kernel gives")
    func values() throws {
        let counter = try exposed.registry.counter("a_first")
        counter.increment()
        let shown = try samples(.processMetrics)
        #expect(
            shown.keys.sorted() == [
                "a_first_total", "process_cpu_seconds_total", "process_max_fds", "process_open_fds",
                "process_resident_memory_bytes", "process_start_time_seconds", "process_threads",
                "process_virtual_memory_bytes",
            ])
        let status = try #require(ProcessStatus.own)
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(7), &limit)  // RLIMIT_NOFILE
        #expect(shown["process_max_fds"] == Double(limit.rlim_cur))
        #expect(try #require(shown["process_open_fds"]) >= 3)
        #expect(try #require(shown["process_threads"]) >= 1)
        #expect(try #require(shown["process_resident_memory_bytes"]) >= 1_048_576)
        #expect(
            try #require(shown["process_virtual_memory_bytes"]) >= #require(shown["process_resident_memory_bytes"]))
        #expect(try #require(shown["process_cpu_seconds_total"]) <= Double(status.cpuTicks + 100) / 100)
        // A process that started before now, and after this host was booted.
        let start = try #require(shown["process_start_time_seconds"])
        #expect(start <= Date().timeIntervalSince1970 + 1)
        #expect(start > Date().timeIntervalSince1970 - ProcessInfo.processInfo.systemUptime - 2)
    }

    @Test("One sample for each process, by worker or pid; added up without")
    func byWorker() throws {
        _ = try exposed.join()
        let byWorker = try samples(.processMetricsByWorker)
        #expect(byWorker["process_threads{worker=\"0\"}"] != nil)
        #expect(byWorker["process_threads{worker=\"1\"}"] != nil)
        #expect(byWorker["process_cpu_seconds_total{worker=\"1\"}"] != nil)
        #expect(byWorker["process_threads{worker=\"2\"}"] == nil)
        let limit = try #require(byWorker["process_max_fds{worker=\"0\"}"])
        #expect(try samples(.processMetrics)["process_max_fds"] == 2 * limit)
        #expect(
            try samples([.processMetrics, .labelsByPid])["process_max_fds"] == 2 * limit, "sums belong to no process")
        #expect(
            try TextExposition.render(exposed.registry, options: [.processMetricsByWorker, .labelsByPid]).contains(
                "process_max_fds{pid=\"\(getpid())\"}"))
    }

    @Test("Who only reads sees the same total, and changes nothing")
    func reader() throws {
        let segment = exposed.registry.store.firstSegment
        let accounted = ProcessAccounting(segment)
        let total = try #require(
            try samples(.processMetrics, directory: exposed.place.directory)["process_cpu_seconds_total"])
        #expect(accounted.totalTicks == 0)
        #expect(try #require(try samples(.processMetrics)["process_cpu_seconds_total"]) >= total)
        #expect(
            try #require(try samples(.processMetrics, directory: exposed.place.directory)["process_cpu_seconds_total"])
                >= total)
    }

    @Test("Of several that ask at once, one adds what a process has used; an earlier holder's word counts for nothing")
    func accountedOnce() throws {
        let store = exposed.registry.store
        let accounting = ProcessAccounting(store.firstSegment)
        let token = LeaseToken(bits: store.ownToken)
        let rounds: UInt64 = 2000
        let threads = 4
        let done = DispatchGroup()
        for _ in 0..<threads {
            done.enter()
            Thread.detachNewThread {
                for ticks in 1...rounds { accounting.account(token, ticks: ticks) }
                done.leave()
            }
        }
        done.wait()
        #expect(accounting.totalTicks == rounds)
        accounting.account(token, ticks: rounds - 1)
        #expect(accounting.totalTicks == rounds, "time does not run backwards")
        accounting.account(LeaseToken(slot: token.slot, generation: token.generation - 1), ticks: 9 * rounds)
        #expect(accounting.totalTicks == rounds, "the slot has another holder now")
    }

    @Test("The time of a dead process stays in the total, and its successor's is added")
    func dead() throws {
        let member = try exposed.join()
        let token = LeaseToken(bits: member.store.ownToken)
        let accounting = ProcessAccounting(exposed.registry.store.firstSegment)
        accounting.account(token, ticks: 700)
        Renderer.forget(member.store)
        exposed.place.close(member.store)
        #expect(accounting.totalTicks == 700)
        let heir = LeaseToken(bits: try exposed.join().store.ownToken)
        #expect(heir.slot == token.slot)
        accounting.account(heir, ticks: 50)
        #expect(accounting.totalTicks == 750)
    }

    @Test("A metric that the service registered under such a name is shown in its place")
    func registered() throws {
        try exposed.registry.gauge("process_open_fds", mode: .max).set(12345)
        let text = try TextExposition.render(exposed.registry, options: .processMetrics)
        #expect(text.contains("process_open_fds 12345.0\n"))
        #expect(text.components(separatedBy: "# TYPE process_open_fds ").count == 2)
    }
}
