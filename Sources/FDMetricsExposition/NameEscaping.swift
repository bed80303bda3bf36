// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// How names that are not of the legacy character set are written, for a scraper that asked for it
/// (https://prometheus.io/docs/instrumenting/escaping_schemes/). A legacy name is the same in all of them.
///
/// The rules are those that Prometheus's libraries for Go and Python have in common. The specification differs from
/// both in one thing: other characters under `dots`, which it replaces by one underscore. All functions are pure.
public enum NameEscaping: UInt32, Sendable, CaseIterable, Hashable {
    /// Each character that is not legacy becomes an underscore: http.requests is http_requests.
    case underscores = 0
    /// A dot becomes _dot_, an underscore two, any other character two underscores: http_dot_requests.
    case dots = 1
    /// U__ in front, an underscore is doubled, any other character its code point: U__http_2e_requests.
    case values = 2
    /// Names as they are, quoted where the format needs it: {"http.requests"}.
    case allowUTF8 = 3

    /// The value of the parameter `escaping` in Accept and Content-Type.
    public var parameter: String {
        switch self {
        case .underscores: "underscores"
        case .dots: "dots"
        case .values: "values"
        case .allowUTF8: "allow-utf-8"
        }
    }

    /// The scheme that a parameter names; nil: none.
    public init?(parameter: String) {
        guard let scheme = Self.allCases.first(where: { $0.parameter == parameter }) else { return nil }
        self = scheme
    }

    /// The name of a metric family, or of a sample, as this scheme has it, without quotes. For formats that carry names
    /// as values, protobuf say, that is all there is to do.
    public func escaped(metric name: String) -> String {
        Self.isLegacy(metric: name) ? name : escaped(name, allowsColon: true)
    }

    /// The name of a label as this scheme has it, without quotes. A label name may not have a colon; it is escaped too.
    public func escaped(label name: String) -> String {
        Self.isLegacy(label: name) ? name : escaped(name, allowsColon: false)
    }

    /// Whether a name is [a-zA-Z_:][a-zA-Z0-9_:]*.
    public static func isLegacy(metric name: String) -> Bool { isLegacy(name, allowsColon: true) }

    /// Whether a name is [a-zA-Z_][a-zA-Z0-9_]*.
    public static func isLegacy(label name: String) -> Bool { isLegacy(name, allowsColon: false) }

    private static func isLegacy(_ name: String, allowsColon: Bool) -> Bool {
        var isFirst = true
        for scalar in name.unicodeScalars {
            if !isLegacy(scalar, isFirst: isFirst, allowsColon: allowsColon) { return false }
            isFirst = false
        }
        return !isFirst
    }

    private static func isLegacy(_ scalar: Unicode.Scalar, isFirst: Bool, allowsColon: Bool) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "_": true
        case "0"..."9": !isFirst
        case ":": allowsColon
        default: false
        }
    }

    private func escaped(_ name: String, allowsColon: Bool) -> String {
        if self == .allowUTF8 { return name }
        var text = self == .values ? "U__" : ""
        var isFirst = true
        for scalar in name.unicodeScalars {
            if scalar == "_", self != .underscores {
                text += "__"
            } else if scalar == ".", self == .dots {
                text += "_dot_"
            } else if Self.isLegacy(scalar, isFirst: isFirst, allowsColon: allowsColon) {
                text.unicodeScalars.append(scalar)
            } else {
                switch self {
                case .underscores: text += "_"
                case .dots: text += "__"
                case .values, .allowUTF8: text += "_\(String(scalar.value, radix: 16))_"
                }
            }
            isFirst = false
        }
        return text
    }
}

extension RenderOptions {
    /// Where the number of the scheme stands: bits 8 and 9.
    private static let escapingShift: UInt32 = 8
    private static let escapingMask: UInt32 = 3 << escapingShift

    /// How names that are not legacy are written. None of the other options changes with it.
    public var escaping: NameEscaping {
        get { NameEscaping(rawValue: (rawValue & Self.escapingMask) >> Self.escapingShift) ?? .underscores }
        set {
            self = RenderOptions(
                rawValue: rawValue & ~Self.escapingMask | newValue.rawValue << Self.escapingShift)
        }
    }

    /// Options with nothing but a way of escaping names.
    public static func escaping(_ scheme: NameEscaping) -> RenderOptions {
        RenderOptions(rawValue: scheme.rawValue << escapingShift)
    }
}
