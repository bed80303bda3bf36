// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore

/// A table of texts. One column has no width of its own and takes what the others leave.
struct TopTable {
    struct Column {
        let title: String
        /// nil: what is left.
        let width: Int?
        let isRight: Bool
    }

    let columns: [Column]
    let rows: [[String]]

    private var taken: Int { columns.reduce(columns.count - 1) { $0 + ($1.width ?? 0) } }

    /// The titles and the rows in lines of so many columns of the terminal.
    /// - Parameter shift: of texts that are too long for what is left to them, so many columns are left out.
    func lines(width: Int, shift: Int) -> (header: String, rows: [String]) {
        let rest = max(8, width - taken)
        func line(_ texts: [String]) -> String {
            let cells = zip(columns, texts).map { column, text in
                let text = column.width == nil ? shifted(text, by: shift, width: rest) : text
                return fitted(text, column.width ?? rest, alignedRight: column.isRight)
            }
            return fitted(cells.joined(separator: " "), width)
        }
        return (line(columns.map(\.title)), rows.map(line))
    }

    /// As wide as the widest text needs, without blanks at the ends of lines.
    var plainText: String {
        let titles = columns.map(\.title)
        let widths = columns.indices.map { index in
            rows.reduce(fdmctl.columns(titles[index])) { max($0, fdmctl.columns($1[index])) }
        }
        return ([titles] + rows).map { texts in
            var line = zip(columns.indices, texts).map { index, text in
                fitted(text, widths[index], alignedRight: columns[index].isRight)
            }.joined(separator: " ")
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}

extension TopTable {
    /// The series: in 80 columns 32 are left for their names.
    init(_ rows: [TopModel.Row]) {
        columns = [
            Column(title: "SERIES", width: nil, isRight: false), Column(title: "T", width: 1, isRight: false),
            Column(title: "VALUE", width: 9, isRight: true), Column(title: "RATE/s", width: 8, isRight: true),
            Column(title: "P50", width: 8, isRight: true), Column(title: "P90", width: 8, isRight: true),
            Column(title: "P99", width: 8, isRight: true),
        ]
        self.rows = rows.map { row in
            // How many were observed has no unit; what was observed has.
            let isCount = row.type == .histogram || row.type == .summary
            let value = row.state.map { sanitized($0) } ?? HumanNumber.text(row.value, isCount ? .none : row.unit)
            let rate = row.type == .counter || isCount ? HumanNumber.text(row.rate) : ""
            var quantiles = row.quantiles.map { HumanNumber.text($0, row.unit) }
            if row.type == .summary { quantiles = ["mean", HumanNumber.text(row.mean, row.unit)] }
            quantiles += Array(repeating: "", count: 3 - quantiles.count)
            return [sanitized(row.text), Self.letter(row.type), value, rate] + quantiles
        }
    }

    private static func letter(_ type: MetricType) -> String {
        switch type {
        case .counter: "c"
        case .gauge: "g"
        case .histogram: "h"
        case .summary: "s"
        case .info: "i"
        case .stateSet: "e"
        }
    }

    /// The processes.
    init(_ rows: [TopProcesses.Row]) {
        columns = [
            Column(title: "SLOT", width: 4, isRight: true), Column(title: "PID", width: 8, isRight: true),
            Column(title: "STATE", width: 7, isRight: false), Column(title: "UPTIME", width: 6, isRight: true),
            Column(title: "CPU%", width: 6, isRight: true), Column(title: "MEMORY", width: 8, isRight: true),
            Column(title: "THR", width: 4, isRight: true), Column(title: "COMMAND", width: nil, isRight: false),
        ]
        self.rows = rows.map { row in
            [
                "\(row.slot)", "\(row.pid)", row.state, HumanNumber.span(row.uptime),
                row.cpu.map { HumanNumber.fixed($0, 1) } ?? "-", HumanNumber.text(row.residentBytes, .bytes),
                row.threads.map { "\($0)" } ?? "-", sanitized(row.command),
            ]
        }
    }
}

/// What the rows are sorted by.
enum TopSort: String, CaseIterable {
    case name, rate, value, p99

    /// The greatest first, those that have no such number last, equal ones by name.
    func sorted(_ rows: [TopModel.Row]) -> [TopModel.Row] {
        func key(_ row: TopModel.Row) -> Double {
            let number =
                switch self {
                case .name: 0.0
                case .rate: row.rate ?? -.infinity
                case .value: row.value ?? -.infinity
                case .p99: row.quantiles.last.flatMap { $0 } ?? -.infinity
                }
            return number.isNaN ? -.infinity : number
        }
        if self == .name { return rows }
        return rows.enumerated().map { (key($0.element), $0.offset, $0.element) }
            .sorted { ($1.0, $0.1) < ($0.0, $1.1) }.map(\.2)
    }

    var next: TopSort { Self.allCases[(Self.allCases.firstIndex(of: self)! + 1) % Self.allCases.count] }
}

/// What the processes are sorted by.
enum TopProcessSort: String, CaseIterable {
    case slot, cpu, memory, uptime

    func sorted(_ rows: [TopProcesses.Row]) -> [TopProcesses.Row] {
        func key(_ row: TopProcesses.Row) -> Double {
            switch self {
            case .slot: 0
            case .cpu: row.cpu ?? -1
            case .memory: row.residentBytes ?? -1
            case .uptime: row.uptime ?? -1
            }
        }
        if self == .slot { return rows }
        return rows.enumerated().map { (key($0.element), $0.offset, $0.element) }
            .sorted { ($1.0, $0.1) < ($0.0, $1.1) }.map(\.2)
    }

    var next: TopProcessSort { Self.allCases[(Self.allCases.firstIndex(of: self)! + 1) % Self.allCases.count] }
}
