// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsInspection
import FDMetricsStore
import Glibc

/// A screenful of `fdmctl top`, as lines that each fill the width exactly.
struct TopFrame {
    enum Style { case plain, reverse, dim }

    /// Texts that stand in a line one behind the other, and the column where each begins.
    struct Line {
        private(set) var cells: [(column: Int, text: String)] = []
        private var end = 0
        var style = Style.plain

        init() {}

        /// One text, in exactly so many columns.
        init(_ text: String, _ style: Style, width: Int) {
            cells = [(0, fitted(text, width))]
            self.style = style
        }

        /// Adds a text, or as much of it as a line of so many columns has room for.
        mutating func add(_ text: String, width: Int) {
            if end >= width { return }
            let taken = columns(text)
            // The gap behind the last column may be cut without a mark.
            let isCut = end + taken > width + (text.hasSuffix(" ") ? 1 : 0)
            let cell = isCut ? fitted(text, width - end) : end + taken > width ? String(text.dropLast()) : text
            cells.append((end, cell))
            end += taken
        }

        /// Fills what is left of so many columns.
        mutating func fill(width: Int) {
            if end < width { cells.append((end, String(repeating: " ", count: width - end))) }
        }
    }

    let lines: [Line]

    /// How many rows of a table a screen of so many lines has.
    static func page(height: Int) -> Int { max(1, height - 5) }

    /// - Parameters:
    ///   - reading: nil: there is no store at the moment; `problem` says why.
    ///   - state: is told how far it may scroll.
    init(
        _ reading: TopReading?, problem: String?, _ state: inout TopState, directory: String, seconds: Double,
        width: Int, height: Int
    ) {
        var lines: [Line] = []
        func add(_ text: String, _ style: Style = .plain) { lines.append(Line(text, style, width: width)) }
        let clock = (state.isPaused ? "paused " : "") + (reading.map { clockText($0.time) } ?? "")
        let title = "fdmctl top  \(sanitized(reading?.directory ?? directory))"
        add(fitted(title, max(0, width - columns(clock) - 1)) + " " + clock, .reverse)
        if let problem {
            add(sanitized(problem))
        } else {
            add(reading.map { summary($0) } ?? "")
        }
        if state.showsHelp {
            Self.help.forEach { add($0) }
        } else if let reading {
            add(status(state, seconds: seconds))
            let page = Self.page(height: height)
            let table: TopTable
            switch state.pane {
            case .series:
                let rows = state.rows(reading.series)
                table = TopTable(Self.visible(rows, page, &state), of: rows)
            case .processes:
                let rows = state.processSort.sorted(reading.processes.rows)
                table = TopTable(Self.visible(rows, page, &state), of: rows)
            }
            var (header, rows) = table.lines(width: width, shift: state.shift)
            header.style = .reverse
            lines += [header] + rows
        }
        while lines.count < height - 1 { add("") }
        lines = Array(lines.prefix(max(0, height - 1)))
        add(
            state.isEditing
                ? "/\(sanitized(state.filterText))_  enter keeps the filter, esc drops it"
                : "q quit  p processes/series  s sort  / filter  space pause  j k scroll  ? help", .dim)
        self.lines = lines
    }

    /// The rows from where the state has scrolled to.
    private static func visible<Row>(_ rows: [Row], _ page: Int, _ state: inout TopState) -> [Row] {
        state.lastScroll = rows.count - page
        return Array(rows.dropFirst(state.scroll).prefix(page))
    }

    private static let help = [
        "",
        "  q               quit",
        "  p               processes instead of series, and back",
        "  s               sort: series by name, rate, value, p99; processes by slot,",
        "                  cpu, memory, uptime",
        "  /               filter series by a regular expression; enter keeps it,",
        "                  esc drops it (also later)",
        "  space           pause, go on",
        "  j k, arrows     scroll; page up, page down, g and G (home, end) too;",
        "                  left and right: the ends of long names",
        "",
        "  T     c counter, g gauge, h histogram, s summary, i info, e state set",
        "  VALUE the total, the value, or the number of observations",
        "  P50.. of what was observed since the last refresh, or if that is nothing,",
        "        ever; interpolated within buckets like PromQL's histogram_quantile()",
        "",
        "  Any key goes back.",
    ]
}

/// The store in a line.
func summary(_ reading: TopReading) -> String {
    let statistics = reading.statistics
    let all = reading.processes.rows.count, live = reading.processes.rows.count(where: \.isAlive)
    var parts = [
        "processes \(live) live of \(all)", "series \(statistics.series) in \(statistics.families) families",
        byteText(statistics.bytesReserved),
    ]
    let dropped = statistics.droppedNoSpace &+ statistics.droppedSeriesLimit
    if dropped > 0 { parts.append("DROPPED \(dropped)") }
    if statistics.conflicts > 0 { parts.append("CONFLICTS \(statistics.conflicts)") }
    if statistics.damagedRecords > 0 { parts.append("DAMAGED \(statistics.damagedRecords)") }
    return parts.joined(separator: ", ")
}

private func status(_ state: TopState, seconds: Double) -> String {
    let sort = state.pane == .series ? state.sort.rawValue : state.processSort.rawValue
    var text = "\(state.pane == .series ? "series" : "processes") by \(sort), every \(numberText(seconds)) s"
    if !state.filterText.isEmpty {
        text += ", filter /\(sanitized(state.filterText))/"
        if state.isFilterWrong { text += " (not a regular expression)" }
    }
    return text
}

/// The time of day, of the user's time zone.
func clockText(_ seconds: Int) -> String {
    var seconds = time_t(seconds)
    var parts = tm()
    localtime_r(&seconds, &parts)
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
}
