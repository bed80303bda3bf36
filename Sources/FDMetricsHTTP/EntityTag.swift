// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
/// The ETag of an answer: a hash of its bytes before compression, and whether they are compressed. So "304 Not Modified"
/// means that not one byte is different.
struct EntityTag: Hashable, Sendable {
    var hash: UInt64
    var isGzipped: Bool

    /// As in the header ETag, with its quotes.
    var text: String {
        let digits = String(hash, radix: 16)
        return "\"\(String(repeating: "0", count: 16 - digits.count))\(digits)\(isGzipped ? "-gzip" : "")\""
    }

    /// Whether a header If-None-Match lists it.
    func matches(_ header: String?) -> Bool {
        guard let header else { return false }
        let text = text
        // No tag of ours has a comma in it, so that a part of another's tag cannot be taken for it.
        return header.split(separator: ",").contains { part in
            var tag = part.drop { $0 == " " || $0 == "\t" }
            while let last = tag.last, last == " " || last == "\t" { tag.removeLast() }
            // A proxy that changed the encoding makes a tag weak; the comparison is the weak one (RFC 9110, 13.1.2).
            return tag == "*" || tag == text || tag == "W/" + text
        }
    }
}
#endif
