// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// Whether this process may register names of any UTF-8, as Prometheus 3 takes them: `http.requests`, `Größe`.
///
/// Off by default, because an older Prometheus gets such names escaped, so that the name in a query is not the one in the
/// program. It says nothing of what other processes register, and of what is rendered: names that are in the store are
/// shown as the scraper can read them. Thread-safe; a fork child has its parent's setting.
public enum UTF8Names {
    /// Not decided yet, no, yes.
    private enum Setting: UInt8, AtomicRepresentable { case byEnvironment, refused, allowed }

    private static let setting = Atomic<Setting>(.byEnvironment)

    /// Before it is set: whether the environment has FDMETRICS_UTF8_NAMES=1, which is looked at once.
    public static var areAllowed: Bool {
        get {
            let current = setting.load(ordering: .relaxed)
            if current != .byEnvironment { return current == .allowed }
            let isAsked =
                CFDMetricsLinux_getenv("FDMETRICS_UTF8_NAMES").map { CFDMetricsLinux_strcmp($0, "1") == 0 } ?? false
            // Who has set it meanwhile knows better.
            let result = setting.compareExchange(
                expected: .byEnvironment, desired: isAsked ? .allowed : .refused, ordering: .relaxed)
            return result.exchanged ? isAsked : result.original == .allowed
        }
        set { setting.store(newValue ? .allowed : .refused, ordering: .relaxed) }
    }
}
