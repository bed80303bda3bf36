// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import FDMetricsStore
import Synchronization

/// The time stamp that travels as one more frame at the end of a message, so that identities, the empty delimiter and topic
/// prefixes stay where they are. All numbers are little-endian:
///
///      0  "FDM1"
///      4  flags u32: 0
///      8  time of the send u64: ns of CLOCK_MONOTONIC
///     16  clock domain u64: stamps of the same domain can be compared
public enum ZMQTrailer {
    /// The bytes of a trailer.
    public static let size = 24
    // "FDM1" and flags 0, read as one little-endian word.
    private static let head: UInt64 = 0x0000_0000_314D_4446

    /// Writes a trailer of now. The buffer has at least `size` bytes.
    public static func write(to buffer: UnsafeMutableRawBufferPointer) {
        guard buffer.count >= 24 else { return }
        buffer.storeBytes(of: head.littleEndian, toByteOffset: 0, as: UInt64.self)
        buffer.storeBytes(of: monotonicTime().littleEndian, toByteOffset: 8, as: UInt64.self)
        buffer.storeBytes(of: ClockDomain.current.littleEndian, toByteOffset: 16, as: UInt64.self)
    }

    /// Whether a frame is a trailer: its size and its first four bytes say so.
    public static func isTrailer(_ frame: UnsafeRawBufferPointer) -> Bool {
        frame.count == 24 && frame.loadUnaligned(as: UInt32.self).littleEndian == 0x314D_4446
    }

    /// Nanoseconds from the send to now; nil: the stamp is of another clock domain, of the future, or of a later version
    /// whose flags are not known here.
    @usableFromInline
    static func latency(_ trailer: UnsafeRawBufferPointer) -> UInt64? {
        guard trailer.count == 24, trailer.loadUnaligned(as: UInt64.self).littleEndian == head,
            trailer.loadUnaligned(fromByteOffset: 16, as: UInt64.self).littleEndian == ClockDomain.current
        else { return nil }
        let sent = trailer.loadUnaligned(fromByteOffset: 8, as: UInt64.self).littleEndian
        let now = monotonicTime()
        return sent > 0 && sent <= now ? now - sent : nil
    }
}

/// Nanoseconds of CLOCK_MONOTONIC.
@inline(__always)
func monotonicTime() -> UInt64 {
    CFDMetricsLinux_monotonic_time()
}

/// Which clock CLOCK_MONOTONIC is: that of one boot of one kernel, shifted by one time namespace.
public enum ClockDomain {
    /// A hash of the boot id and of the time namespace's inode, the same in all processes that share the clock; never 0. A
    /// fork child keeps its parent's: a process enters a time namespace by its children only, before they exec.
    @inline(__always)
    public static var current: UInt64 {
        let known = known.load(ordering: .relaxed)
        return known != 0 ? known : find()
    }

    // 0: not asked for yet. A static constant would cost each message a call that asks whether it is there.
    private static let known = Atomic<UInt64>(0)

    @inline(never)
    private static func find() -> UInt64 {
        var hash = KeyHash(seed: 0)
        let boot = (try? bootID()) ?? (0, 0)
        hash.combine(boot.0)
        hash.combine(boot.1)
        var info = CFDMetricsLinux_file()
        // Linux 5.6; before that there is one clock for all.
        hash.combine(CFDMetricsLinux_stat("/proc/self/ns/time", &info) == 0 ? info.inode : 0)
        let found = hash.value
        known.store(found, ordering: .relaxed)
        return found
    }
}
