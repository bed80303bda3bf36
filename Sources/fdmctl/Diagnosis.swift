// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition
import FDMetricsInspection

/// One thing that `fdmctl doctor` has found wrong.
struct DoctorFinding {
    enum Severity: String {
        /// Numbers are missing, or will be; or something is not as it should be.
        case warning
        /// The service cannot record, or nothing can be read.
        case error
    }

    let severity: Severity
    /// The kind of check, one word: it stays the same when the words of the problem change.
    let check: String
    /// The directory, process, environment or family.
    let subject: String
    let problem: String
    /// What to do.
    let advice: String

    /// error [owner] /dev/shm/x: what is wrong: what to do
    var line: String { "\(severity.rawValue) [\(check)] \(sanitized("\(subject): \(problem): \(advice)"))" }
}

/// What `fdmctl doctor` has looked at and found.
struct Diagnosis {
    /// A store that was looked at, in a line.
    struct StoreSummary {
        let directory: String
        let text: String
        let processes: [ProcessEntry]
    }

    private(set) var findings: [DoctorFinding] = []
    var stores: [StoreSummary] = []
    /// What is good to know and nothing wrong.
    var remarks: [String] = []

    mutating func error(_ check: String, _ subject: String, _ problem: String, _ advice: String) {
        add(.error, check, subject, problem, advice)
    }

    mutating func warn(_ check: String, _ subject: String, _ problem: String, _ advice: String) {
        add(.warning, check, subject, problem, advice)
    }

    private mutating func add(
        _ severity: DoctorFinding.Severity, _ check: String, _ subject: String, _ problem: String, _ advice: String
    ) {
        findings.append(
            DoctorFinding(severity: severity, check: check, subject: subject, problem: problem, advice: advice))
    }

    /// 0: nothing wrong, 1: warnings, 2: errors.
    var status: Int32 {
        if findings.contains(where: { $0.severity == .error }) { return 2 }
        return findings.isEmpty ? 0 : 1
    }

    /// Errors first; otherwise in the order in which they were found.
    private var ordered: [DoctorFinding] {
        findings.filter { $0.severity == .error } + findings.filter { $0.severity == .warning }
    }

    var text: String {
        var lines = remarks.map { sanitized($0) }
        lines += stores.map { sanitized("store \($0.directory): \($0.text)") }
        lines += ordered.map(\.line)
        if findings.isEmpty { lines.append("ok: nothing wrong") }
        return lines.joined(separator: "\n") + "\n"
    }

    var json: JSONText {
        .object([
            ("status", .string(["ok", "warnings", "errors"][Int(status)])),
            ("remarks", .array(remarks.map { .string($0) })),
            ("stores", .array(stores.map(\.json))),
            (
                "findings",
                .array(
                    ordered.map {
                        .object([
                            ("severity", .string($0.severity.rawValue)), ("check", .string($0.check)),
                            ("subject", .string($0.subject)), ("problem", .string($0.problem)),
                            ("advice", .string($0.advice)),
                        ])
                    })
            ),
        ])
    }
}

extension Diagnosis.StoreSummary {
    fileprivate var json: JSONText {
        .object([
            ("directory", .string(directory)), ("summary", .string(text)),
            (
                "live_processes",
                .array(
                    processes.filter(\.isAlive).map {
                        .object([
                            ("slot", .integer($0.slot)), ("pid", .integer($0.pid)), ("name", .string($0.name)),
                            ("command", .string($0.command)),
                        ])
                    })
            ),
        ])
    }
}
