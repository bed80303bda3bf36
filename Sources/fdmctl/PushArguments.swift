// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import ArgumentParser

/// NAME=VALUE on the command line.
struct PushAssignment: ExpressibleByArgument {
    let name: String
    let value: String

    init?(argument: String) {
        guard let sign = argument.firstIndex(of: "="), sign != argument.startIndex else { return nil }
        name = String(argument[..<sign])
        value = String(argument[argument.index(after: sign)...])
    }

    /// Whether a label of Prometheus may have this name.
    var isLabelName: Bool {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z"), digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        return !name.hasPrefix("__")
            && name.utf8.enumerated().allSatisfy { index, byte in
                letters.contains(byte | 32) || byte == UInt8(ascii: "_") || index > 0 && digits.contains(byte)
            }
    }
}

/// A number of bytes on the command line: 65536, 64K, 32M, 1G.
struct PushByteCount: ExpressibleByArgument, CustomStringConvertible {
    let bytes: Int

    init(bytes: Int) { self.bytes = bytes }

    init?(argument: String) {
        let shifts: [Character: Int] = ["K": 10, "M": 20, "G": 30]
        let shift = argument.last.flatMap { shifts[Character($0.uppercased())] }
        guard let number = Int(shift == nil ? argument[...] : argument.dropLast()), number > 0,
            number <= Int.max >> (shift ?? 0)
        else { return nil }
        bytes = number << (shift ?? 0)
    }

    var description: String {
        for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] where bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return String(bytes)
    }

    var defaultValueDescription: String { description }
}

/// Which metrics of the processes are pushed.
enum PushProcessMetrics: String, ExpressibleByArgument, CaseIterable {
    case none, total, worker
}
#endif
