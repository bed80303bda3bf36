// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetricsExposition
import Glibc
@_spi(CustomByteBufferAllocator) import NIOCore

/// A rendered store, as it is sent: the bytes, what they are compressed to, and their hash.
struct Rendering: Sendable {
    let contentType: String
    let hash: UInt64
    /// nil: nobody wants it.
    let plain: ByteBuffer?
    /// nil: nobody wants it, or there was no memory for it.
    let gzipped: ByteBuffer?

    /// What one of the waiting clients wants.
    struct Wish: Sendable {
        var isGzipped: Bool
        /// The header If-None-Match.
        var ifNoneMatch: String?
    }

    /// Takes over a text, and makes of it what the clients want who do not have it already.
    init(_ text: Renderer.Text, contentType: String, wishes: [Wish]) {
        let bytes = UnsafeMutableRawBufferPointer(start: text.start, count: text.count)
        // One text may stand under two content types, which are two representations.
        let seed = contentType.utf8.reduce(0) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let hash = ContentHash.hash(UnsafeRawBufferPointer(bytes), seed: seed)
        func isWanted(gzipped: Bool) -> Bool {
            wishes.contains {
                $0.isGzipped == gzipped && !EntityTag(hash: hash, isGzipped: gzipped).matches($0.ifNoneMatch)
            }
        }
        var compressed: UnsafeMutableRawBufferPointer?
        var isPlainWanted = isWanted(gzipped: false)
        if isWanted(gzipped: true) {
            compressed = Gzip.compress(UnsafeRawBufferPointer(bytes))
            // Without memory to compress it, it goes as it is.
            if compressed == nil { isPlainWanted = true }
        }
        self.contentType = contentType
        self.hash = hash
        gzipped = compressed.map(ByteBuffer.init(takingMalloced:))
        if isPlainWanted {
            plain = ByteBuffer(takingMalloced: bytes)
        } else {
            free(text.start)
            plain = nil
        }
    }

    /// What is to be sent to a client, and whether that is compressed; nil: the client has it already.
    func body(for wish: Wish) -> (bytes: ByteBuffer?, tag: EntityTag) {
        let tag = EntityTag(hash: hash, isGzipped: wish.isGzipped)
        if tag.matches(wish.ifNoneMatch) { return (nil, tag) }
        if wish.isGzipped, let gzipped { return (gzipped, tag) }
        return (plain, EntityTag(hash: hash, isGzipped: false))
    }

    /// The bytes that clients hold until they have taken them.
    var byteCount: Int { (plain?.readableBytes ?? 0) + (gzipped?.readableBytes ?? 0) }
}

extension ByteBuffer {
    /// Takes over memory from malloc, which is not copied.
    init(takingMalloced bytes: UnsafeMutableRawBufferPointer) {
        if bytes.isEmpty {
            free(bytes.baseAddress)
            self = ByteBuffer()
        } else {
            // The default allocator is malloc, realloc and free.
            self = ByteBuffer(takingOwnershipOf: bytes, allocator: ByteBufferAllocator())
        }
    }
}
#endif
