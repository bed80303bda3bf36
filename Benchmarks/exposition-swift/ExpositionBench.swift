// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// `exposition-bench DIRECTORY`: the same series in each format, rendered in turn within one process; and, as a yardstick
/// for the protobuf format, through messages of swift-protobuf that are kept with all their labels.
///
/// `exposition-bench DIRECTORY WAY` renders in one way alone, many times, for a profiler.
@main
struct ExpositionBench {
    /// Renderings of each way.
    static let repeats = 60
    static let profiledRepeats = 5000

    static func main() {
        do {
            let arguments = CommandLine.arguments
            guard arguments.count == 2 || arguments.count == 3 else {
                throw BenchError(description: "usage: exposition-bench DIRECTORY [WAY]")
            }
            for shape in Shape.all {
                let workload = try Workload(shape, directory: "\(arguments[1])/\(shape.name)")
                if arguments.count == 3 {
                    try profile(workload, arguments[2])
                } else {
                    try run(workload)
                }
            }
        } catch {
            var text = "exposition-bench: \(error)\n"
            _ = text.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            exit(1)
        }
    }

    /// The formats in turn, with every series updated before each, so that none can give a finished text again. Whichever
    /// comes first finds what it needs further away from the CPU, so each is that in one of three rounds.
    static func run(_ workload: Workload) throws {
        let formats = Way.formats(workload)
        var figures = formats.map { Figure(way: $0) }
        for number in 0..<repeats {
            for turn in formats.indices { try figures[(number + turn) % formats.count].measure(workload) }
        }
        // Apart, as it leaves nothing of the others in the caches.
        if let messages = Way.messages(workload) {
            var figure = Figure(way: messages)
            for _ in 0..<repeats { try figure.measure(workload) }
            figures.append(figure)
        }
        try workload.verify()
        var line = "{\"program\": \"exposition\", \"op\": \"\(workload.shape.name)\""
        line += ", \"series\": \(workload.shape.series)"
        for figure in figures {
            line += ", \"\(figure.way.name)_ns\": \(Int(figure.least)), \"\(figure.way.name)_bytes\": \(figure.bytes)"
        }
        print(line + "}")
    }

    private static func profile(_ workload: Workload, _ name: String) throws {
        for way in Way.formats(workload) where way.name == name {
            for _ in 0..<profiledRepeats { try way.render().free() }
        }
    }

    /// Nanoseconds of the monotonic clock.
    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }
}

/// The least time of a way; disturbances only ever add.
struct Figure {
    let way: Way
    private(set) var least = Double.infinity
    private(set) var bytes = 0

    init(way: Way) { self.way = way }

    mutating func measure(_ workload: Workload) throws {
        workload.touch()
        let start = ExpositionBench.now()
        let rendered = try way.render()
        least = min(least, ExpositionBench.now() - start)
        bytes = rendered.count
        rendered.free()
    }
}

/// What went wrong.
struct BenchError: Error, CustomStringConvertible {
    let description: String
}
