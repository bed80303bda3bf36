// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import Glibc

/// The live view: reads, draws and obeys keys until somebody ends it.
struct TopView {
    let reader: TopReader
    let directory: String
    /// Seconds.
    let interval: Double
    var state: TopState

    private var reading: TopReading?
    private var problem: String?

    init(reader: TopReader, directory: String, interval: Double, state: TopState) {
        self.reader = reader
        self.directory = directory
        self.interval = interval
        self.state = state
    }

    /// - Returns: the signal that ended it; nil: a key did.
    /// - Throws: `system` where the terminal cannot be used.
    mutating func run() throws(StoreError) -> Int32? {
        guard var terminal = Terminal() else { throw .system("cannot use this terminal", errno) }
        defer { terminal.leave() }
        var due = Self.now
        while true {
            if !state.isPaused, Self.now >= due {
                read()
                due = Self.now + interval
            }
            let (width, height) = terminal.size
            terminal.draw(
                TopFrame(
                    reading, problem: problem, &state, directory: directory, seconds: interval, width: width,
                    height: height))
            let rest = state.isPaused ? 60 : max(0, due - Self.now)
            switch terminal.wait(milliseconds: Int(rest * 1000) + 1) {
            case .timeout, .resized: break
            case .ended(let signal): return signal
            case .keys(let keys):
                for key in keys where state.handle(key, page: TopFrame.page(height: height)) == .quit { return nil }
            }
        }
    }

    /// A store that goes away while it is looked at may come again: the service restarts.
    private mutating func read() {
        do throws(StoreError) {
            reading = try reader.read()
            problem = nil
        } catch {
            problem = error.message
        }
    }

    /// Seconds of a clock that does not jump.
    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
