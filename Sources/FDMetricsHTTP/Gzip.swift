// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import CZlib
import Glibc

/// gzip in one go, into memory from malloc.
enum Gzip {
    /// The compressed bytes, to be released with free(); nil: there was no memory for them.
    ///
    /// At zlib's fastest level: metrics are so alike that the higher ones win little, and cost several times the render.
    static func compress(_ bytes: UnsafeRawBufferPointer) -> UnsafeMutableRawBufferPointer? {
        var stream = z_stream()
        // 15 bits of window, and 16 more for gzip's header in place of zlib's.
        let status = deflateInit2_(
            &stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            CInt(MemoryLayout<z_stream>.size))
        guard status == Z_OK else { return nil }
        defer { deflateEnd(&stream) }

        // Text of metrics shrinks to a tenth; a block that is too small doubles.
        var capacity = bytes.count / 8 + 1024
        guard var block = malloc(capacity) else { return nil }
        var written = 0
        var rest = bytes
        // z_stream counts in 32 bits, so that a text of more than 4 GiB takes several turns.
        while true {
            let taken = min(rest.count, 1 << 30)
            let room = min(capacity - written, 1 << 30)
            // zlib does not write to its input; its type lacks a const.
            stream.next_in = UnsafeMutablePointer(mutating: rest.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.avail_in = uInt(taken)
            stream.next_out = (block + written).assumingMemoryBound(to: UInt8.self)
            stream.avail_out = uInt(room)
            let result = deflate(&stream, taken == rest.count ? Z_FINISH : Z_NO_FLUSH)
            written += room - Int(stream.avail_out)
            rest = UnsafeRawBufferPointer(rebasing: rest[(taken - Int(stream.avail_in))...])
            if result == Z_STREAM_END { break }
            guard result == Z_OK || result == Z_BUF_ERROR else {
                free(block)
                return nil
            }
            if capacity - written < 1024 {
                capacity *= 2
                guard let larger = realloc(block, capacity) else {
                    free(block)
                    return nil
                }
                block = larger
            }
        }
        return UnsafeMutableRawBufferPointer(start: block, count: written)
    }
}
#endif
