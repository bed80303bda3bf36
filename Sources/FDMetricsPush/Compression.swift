// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import CSnappy
import CZlib

/// Why content could not be compressed.
struct CompressionError: Error, CustomStringConvertible {
    let description: String
}

/// Snappy's block format, which remote write demands: no frames, no checksum.
enum Snappy {
    static func compressed(_ content: [UInt8]) throws(CompressionError) -> [UInt8] {
        let capacity = snappy_max_compressed_length(content.count)
        var status = SNAPPY_OK
        let result = [UInt8](unsafeUninitializedCapacity: capacity) { output, count in
            var length = output.count
            status = content.withUnsafeBytes { input in
                snappy_compress(
                    input.baseAddress?.assumingMemoryBound(to: CChar.self), input.count,
                    UnsafeMutableRawPointer(output.baseAddress!).assumingMemoryBound(to: CChar.self), &length)
            }
            count = status == SNAPPY_OK ? length : 0
        }
        guard status == SNAPPY_OK else {
            throw CompressionError(description: "snappy did not compress \(content.count) bytes (\(status.rawValue))")
        }
        return result
    }
}

/// The gzip format.
enum Gzip {
    static func compressed(_ content: [UInt8]) throws(CompressionError) -> [UInt8] {
        var stream = z_stream()
        // 15 bits of window; 16 more: a gzip header and trailer in place of zlib's.
        var status = deflateInit2_(
            &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            throw CompressionError(description: "zlib cannot begin to compress (\(status))")
        }
        defer { deflateEnd(&stream) }
        let capacity = Int(deflateBound(&stream, UInt(content.count)))
        let result = [UInt8](unsafeUninitializedCapacity: capacity) { output, count in
            content.withUnsafeBytes { input in
                // zlib declares its input mutable and does not change it.
                stream.next_in = UnsafeMutablePointer(
                    mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                status = deflate(&stream, Z_FINISH)
            }
            count = Int(stream.total_out)
        }
        guard status == Z_STREAM_END else {
            throw CompressionError(description: "zlib did not compress \(content.count) bytes (\(status))")
        }
        return result
    }
}
#endif
