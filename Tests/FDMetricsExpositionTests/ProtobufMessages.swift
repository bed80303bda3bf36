// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetrics
import FDMetricsExposition
import FDMetricsProtobuf
import SwiftProtobuf

/// What swift-protobuf makes of the protobuf format.
struct ProtobufMessages {
    typealias Family = Io_Prometheus_Client_MetricFamily
    typealias Metric = Io_Prometheus_Client_Metric

    let families: [Family]

    init(_ registry: MetricRegistry, options: RenderOptions = [], names: [String] = []) throws {
        try self.init(TextExposition.renderBytes(registry, as: .protobuf, options: options, names: names))
    }

    /// Splits messages by their lengths, each of which must be spelled with as few bytes as it has.
    init(_ bytes: [UInt8]) throws {
        var families: [Family] = []
        var position = 0
        while position < bytes.count {
            var length = 0
            var shift = 0
            repeat {
                length |= Int(bytes[position] & 0x7F) << shift
                shift += 7
                position += 1
            } while bytes[position - 1] & 0x80 != 0
            if bytes[position - 1] == 0, shift > 7 { throw Broken("a length of \(shift / 7) bytes that ends in zero") }
            guard position + length <= bytes.count else { throw Broken("a length that goes beyond the end") }
            families.append(try Family(serializedBytes: Array(bytes[position..<(position + length)])))
            position += length
        }
        self.families = families
    }

    /// The family of a name, which must be there once.
    subscript(_ name: String) -> Family {
        get throws {
            let found = families.filter { $0.name == name }
            guard found.count == 1 else { throw Broken("\(found.count) families \(name) of \(families.map(\.name))") }
            return found[0]
        }
    }

    struct Broken: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}

extension Io_Prometheus_Client_Metric {
    /// Names and values, in order: `a=x b=y`.
    var labels: String { label.map { "\($0.name)=\($0.value)" }.joined(separator: " ") }
}
#endif
