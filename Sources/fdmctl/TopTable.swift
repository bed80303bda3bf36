// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsInspection
import FDMetricsStore

/// A table of texts. Numbers are never cut: where there is little room, whole columns are left out.
struct TopTable {
    struct Column {
        let title: String
        /// The least width. It is as wide as its widest number where that is more.
        let width: Int
        var isRight = true
        /// Of texts that may be cut: how wide the widest is, in all rows. They get this where there is room. nil: numbers.
        var need: Int?
        /// The column with the greatest is left out first; 0: it stays.
        var rank = 0
    }

    let columns: [Column]
    let rows: [[String]]

    /// The titles and the rows in lines of so many columns of the terminal.
    /// - Parameter shift: of texts that are too long for what is left to them, so many columns are left out.
    func lines(width: Int, shift: Int) -> (header: TopFrame.Line, rows: [TopFrame.Line]) {
        let shown = shownColumns(width)
        func line(_ texts: [String]) -> TopFrame.Line {
            var line = TopFrame.Line()
            for (index, columnWidth) in shown {
                let isLong = columns[index].need != nil
                let text = isLong ? shifted(texts[index], by: shift, width: columnWidth) : texts[index]
                line.add(fitted(text, columnWidth, alignedRight: columns[index].isRight) + " ", width: width)
            }
            line.fill(width: width)
            return line
        }
        return (line(columns.map(\.title)), rows.map(line))
    }

    /// The columns that there is room for, and how wide each is.
    private func shownColumns(_ width: Int) -> [(index: Int, width: Int)] {
        var shown = columns.indices.map { index -> (index: Int, width: Int) in
            let column = columns[index]
            let title = FDMetricsInspection.columns(column.title)
            guard let need = column.need else { return (index, max(column.width, widest(index))) }
            return (index, max(title, min(need, column.width)))
        }
        var left: Int { width - shown.reduce(shown.count - 1) { $0 + $1.width } }
        while left < 0, let last = shown.indices.max(by: { rank(shown[$0]) < rank(shown[$1]) }), rank(shown[last]) > 0 {
            shown.remove(at: last)
        }
        // What is left goes to the texts, from left to right; what is missing is taken from them.
        for place in shown.indices {
            guard let need = columns[shown[place].index].need else { continue }
            shown[place].width = max(1, min(max(need, shown[place].width), shown[place].width + left))
        }
        return shown
    }

    private func rank(_ shown: (index: Int, width: Int)) -> Int { columns[shown.index].rank }

    /// The width of the widest text of a column, its title included.
    private func widest(_ index: Int) -> Int {
        rows.reduce(FDMetricsInspection.columns(columns[index].title)) {
            max($0, FDMetricsInspection.columns($1[index]))
        }
    }

    /// As wide as the widest text needs, without blanks at the ends of lines.
    var plainText: String {
        let widths = columns.indices.map(widest)
        return ([columns.map(\.title)] + rows).map { texts in
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
    /// - Parameter rows: those that are shown.
    /// - Parameter all: those that can be scrolled to, which say how wide the column of the names is.
    init(_ rows: [TopModel.Row], of all: [TopModel.Row]) {
        let texts = rows.map(Self.texts)
        // A state may be cut where a number may not.
        let numbers = zip(rows, texts).reduce(9) {
            $1.0.state == nil ? max($0, FDMetricsInspection.columns($1.1[2])) : $0
        }
        let states = all.reduce(numbers) { max($0, $1.state.map { FDMetricsInspection.columns(sanitized($0)) } ?? 0) }
        columns = [
            Column(title: "SERIES", width: 20, isRight: false, need: Self.need(all.map(\.text))),
            Column(title: "T", width: 1, isRight: false, rank: 1), Column(title: "VALUE", width: numbers, need: states),
            Column(title: "RATE/s", width: 8, rank: 2), Column(title: "P50", width: 8, rank: 4),
            Column(title: "P90", width: 8, rank: 5), Column(title: "P99", width: 8, rank: 3),
        ]
        self.rows = texts
    }

    private static func need(_ texts: [String]) -> Int {
        texts.reduce(0) { max($0, FDMetricsInspection.columns(sanitized($1))) }
    }

    private static func texts(_ row: TopModel.Row) -> [String] {
        // How many were observed has no unit; what was observed has.
        let isCount = row.type == .histogram || row.type == .summary
        let value = row.state.map { sanitized($0) } ?? HumanNumber.text(row.value, isCount ? .none : row.unit)
        let rate = row.type == .counter || isCount ? HumanNumber.text(row.rate) : ""
        var quantiles = row.quantiles.map { HumanNumber.text($0, row.unit) }
        if row.type == .summary { quantiles = ["mean", HumanNumber.text(row.mean, row.unit)] }
        quantiles += Array(repeating: "", count: 3 - quantiles.count)
        return [sanitized(row.text), letter(row.type), value, rate] + quantiles
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

    /// The processes. Their names have a column where one of them was given a name.
    init(_ rows: [TopProcesses.Row], of all: [TopProcesses.Row]) {
        let hasNames = all.contains { $0.isNamed }
        columns =
            [
                Column(title: "SLOT", width: 4, rank: 5), Column(title: "PID", width: 8),
                Column(title: "STATE", width: 7, isRight: false), Column(title: "UPTIME", width: 6, rank: 4),
                Column(title: "CPU%", width: 6, rank: 2), Column(title: "MEMORY", width: 8, rank: 3),
                Column(title: "THR", width: 4, rank: 6),
            ]
            + (hasNames ? [Column(title: "NAME", width: 20, isRight: false, need: Self.need(all.map(\.name)))] : [])
            + [
                Column(
                    title: "COMMAND", width: 20, isRight: false, need: Self.need(all.map(\.command)),
                    rank: hasNames ? 1 : 0)
            ]
        self.rows = rows.map { row in
            [
                "\(row.slot)", "\(row.pid)", row.state, HumanNumber.span(row.uptime),
                row.cpu.map { HumanNumber.fixed($0, 1) } ?? "-", HumanNumber.text(row.residentBytes, .bytes),
                row.threads.map { "\($0)" } ?? "-",
            ] + (hasNames ? [sanitized(row.name)] : []) + [sanitized(row.command)]
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
