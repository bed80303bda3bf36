// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

/// The names in a directory, sorted, without "." and ".."; nil: errno says why.
package func directoryEntries(_ path: String) -> [String]? {
    guard let stream = CFDMetricsLinux_open_entries(path) else { return nil }
    defer { CFDMetricsLinux_close_entries(stream) }
    var names: [String] = []
    while let entry = CFDMetricsLinux_next_entry(stream) {
        let name = String(cString: entry)
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
}
