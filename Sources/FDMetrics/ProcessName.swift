// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore

/// The name of this process where the processes of a store are shown: `fdmctl top`, `dump` and `doctor`, and the page.
///
/// Without one it is FDMETRICS_PROCESS_NAME of the environment, as it is when the process takes its place in a store, and
/// without that the name that the kernel has (`/proc/PID/comm`). Thread-safe. A fork child does not have its parent's name,
/// because it is another process; the variable names it, or a call of its own.
public enum ProcessName {
    /// Sets the name, in all stores that this process has open or opens later. It is shown as long as the process is, alive or
    /// dead. Where a store has no room for it, a line for the log says so.
    /// - Parameter name: the first 112 bytes of it in UTF-8 are kept, to the end of a character; nil or empty: none.
    public static func set(_ name: String?) {
        var name = name ?? ""
        name.withUTF8 { _ = Store.setOwnName(UnsafeRawBufferPointer($0), whenLast: { _ in }) }
    }
}
