// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore

/// Numbers in few columns: 12345, 1.23M, 4.50ms, 61.2MiB.
enum HumanNumber {
    /// What a family's numbers measure.
    enum Unit {
        case none, seconds, bytes

        /// By the unit that the family declares, or its name ends with.
        init(_ family: FamilyDescriptor) {
            if family.unit == "seconds" || family.name.hasSuffix("_seconds") {
                self = .seconds
            } else if family.unit == "bytes" || family.name.hasSuffix("_bytes") {
                self = .bytes
            } else {
                self = .none
            }
        }
    }

    /// nil: "-".
    static func text(_ value: Double?, _ unit: Unit = .none) -> String {
        guard let value else { return "-" }
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if value == 0 { return "0" }
        switch unit {
        case .none: return scaled(value, by: 1000, ["", "k", "M", "G", "T", "P", "E"], exactBelow: 100_000)
        case .bytes: return scaled(value, by: 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"], exactBelow: 1024)
        case .seconds: return seconds(value)
        }
    }

    private static func scaled(_ value: Double, by step: Double, _ names: [String], exactBelow: Double) -> String {
        if abs(value) < exactBelow { return digits(value) + names[0] }
        var scaled = value
        var index = 0
        // 999.95 would be written as 1000.
        while abs(scaled) >= step * 0.9995, index < names.count - 1 {
            scaled /= step
            index += 1
        }
        return abs(scaled) >= step * 1000 ? exponent(value) : digits(scaled) + names[index]
    }

    private static func seconds(_ value: Double) -> String {
        let size = abs(value)
        if size < 0.9995e-6 { return digits(value * 1e9) + "ns" }
        if size < 0.9995e-3 { return digits(value * 1e6) + "us" }
        if size < 0.9995 { return digits(value * 1e3) + "ms" }
        return size < 100_000 ? digits(value) + "s" : scaled(value, by: 1000, ["s", "ks", "Ms", "Gs"], exactBelow: 0)
    }

    /// Whole numbers as they are, others with three digits that count.
    private static func digits(_ value: Double) -> String {
        let size = abs(value)
        if value == value.rounded(), size < 1e6 { return "\(Int(value))" }
        if size < 0.001 || size >= 1e6 { return exponent(value) }
        let places = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3
        return fixed(value, places)
    }

    /// A number with so many digits after the point.
    static func fixed(_ value: Double, _ places: Int) -> String {
        let factor = (0..<places).reduce(1.0) { product, _ in product * 10 }
        let whole = Int((abs(value) * factor).rounded())
        let sign = value < 0 && whole != 0 ? "-" : ""
        if places == 0 { return "\(sign)\(whole)" }
        let fraction = String(whole % Int(factor))
        return "\(sign)\(whole / Int(factor)).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
    }

    /// 1.2e-07
    private static func exponent(_ value: Double) -> String {
        var scaled = abs(value)
        var power = 0
        while scaled >= 9.95 {
            scaled /= 10
            power += 1
        }
        while scaled < 0.995 {
            scaled *= 10
            power -= 1
        }
        return "\(value < 0 ? "-" : "")\(fixed(scaled, 1))e\(power)"
    }

    /// A time span in two units: 45s, 12m03s, 5h07m, 3d04h.
    static func span(_ seconds: Double?) -> String {
        guard let seconds, seconds >= 0, seconds < 1e10 else { return "-" }
        let whole = Int(seconds)
        func pair(_ large: Int, _ name: String, _ small: Int, _ other: String) -> String {
            "\(large)\(name)\(small < 10 ? "0" : "")\(small)\(other)"
        }
        if whole < 60 { return "\(whole)s" }
        if whole < 3600 { return pair(whole / 60, "m", whole % 60, "s") }
        if whole < 86400 { return pair(whole / 3600, "h", whole % 3600 / 60, "m") }
        return pair(whole / 86400, "d", whole % 86400 / 3600, "h")
    }
}
