// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import FDMetricsExposition
import Glibc

/// Everything that a descriptor gives until its end; nil: errno says why.
func readAll(_ descriptor: Int32) -> [UInt8]? {
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0 && errno == EINTR { continue }
        if count < 0 { return nil }
        if count == 0 { return content }
        content += chunk[..<count]
    }
}

/// A whole file, such as one of /proc, whose size is not known before; nil: errno says why.
func readFile(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { return nil }
    let content = readAll(descriptor)
    let code = errno
    close(descriptor)
    errno = code
    return content
}

/// Where a symbolic link leads; nil: errno says why.
func linkTarget(_ path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = buffer.withUnsafeMutableBytes { raw in
        readlink(path, raw.baseAddress!.assumingMemoryBound(to: CChar.self), raw.count)
    }
    return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
}

/// What stat(2) says of a path; nil: errno says why.
func fileStatus(_ path: String, followingLink: Bool = true) -> stat? {
    var status = stat()
    return (followingLink ? stat(path, &status) : lstat(path, &status)) == 0 ? status : nil
}

/// Whether two paths lead to one file or directory; false where one of them cannot be seen.
func isSameFile(_ one: String, _ other: String) -> Bool {
    guard let one = fileStatus(one), let other = fileStatus(other) else { return false }
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino
}

/// The same of a text that is not one of Swift's.
func writeOut(_ text: consuming TextBuffer) {
    writeOut(text.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
}

/// Writes a text to standard output at once. What cannot be written makes the command fail at its end.
func writeOut(_ text: String) {
    print(text, terminator: "")
    _ = CFDMetricsLinux_flush_output()
}
