// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import FDMetricsStore

extension StoreCheckReport {
    /// What `fdmctl check` and fdm_check_directory say: the findings, one a line, and where there is no error a line that
    /// begins with "ok".
    /// - Parameter notes: Whether notes are among the findings.
    package func text(notes: Bool) -> TextBuffer {
        var out = TextBuffer()
        for finding in findings where notes || finding.severity == .error {
            // Names and labels are texts of others.
            out.add(finding.description, as: .plain)
            out.add("\n")
        }
        if findings.contains(where: { $0.severity == .error }) { return out }
        out.add("ok: ")
        out.add(segments)
        out.add(" segments, ")
        out.add(families)
        out.add(" families, ")
        out.add(series)
        out.add(" series, ")
        out.add(liveProcesses)
        out.add(" processes live\n")
        return out
    }
}
