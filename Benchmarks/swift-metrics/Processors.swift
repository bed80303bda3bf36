// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import Glibc

/// Which processors a thread runs on. Swift does not import these calls, which are GNU's own, so they are looked up by name.
enum Processors {
    private typealias Affinity = @convention(c) (pid_t, Int, UnsafeMutableRawPointer) -> CInt
    private static let setSize = 128

    private static func call(_ name: String, _ set: UnsafeMutableRawPointer) -> Bool {
        guard let address = dlsym(nil, name) else { return false }
        return unsafeBitCast(address, to: Affinity.self)(0, setSize, set) == 0
    }

    /// The first two that this process may use.
    static func usable() -> [Int] {
        var set = [UInt8](repeating: 0, count: setSize)
        guard set.withUnsafeMutableBytes({ call("sched_getaffinity", $0.baseAddress.unsafelyUnwrapped) }) else {
            return []
        }
        return Array((0..<setSize * 8).filter { set[$0 / 8] & (1 << UInt8($0 % 8)) != 0 }.prefix(2))
    }

    /// Keeps the calling thread on one.
    static func pin(to processor: Int) -> Bool {
        var set = [UInt8](repeating: 0, count: setSize)
        set[processor / 8] |= 1 << UInt8(processor % 8)
        return set.withUnsafeMutableBytes { call("sched_setaffinity", $0.baseAddress.unsafelyUnwrapped) }
    }
}
#endif
