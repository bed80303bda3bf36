// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

// Taking space. Space is reserved on the file system before an address in it is handed out, so that a full file system is
// an error here and never a SIGBUS at an update. `next` and `reserved` only grow; a process that is killed between two
// steps leaves reserved space that the next one finds reserved.
//
// A gauge may take space in a signal handler: so nothing here allocates, and what went wrong is a value until somebody wants
// to read a sentence. The words may be damaged: each is held against its section before anything is computed with it.

/// What came of taking space.
package enum Taking {
    /// The offset: of records in the file, of cells in each lane.
    case taken(Int)
    /// The segment is full.
    case full
    case failed(Failure)

    /// Why nothing could be taken.
    package enum Failure {
        /// The file system did not give the bytes: errno.
        case unreserved(segment: Int, bytes: Int, Int32)
        /// What should be free is not empty.
        case damaged(segment: Int, areCells: Bool)

        /// The kind of error that it is; `Store.error` has the sentence.
        var code: StoreError.Code {
            switch self {
            case .unreserved(_, _, let error):
                switch error {
                case ESTALE: .notFound
                case ENOSPC, EDQUOT, ENOMEM, EFBIG: .noSpace
                case EOPNOTSUPP, ENOSYS: .unsupported
                default: .system
                }
            case .damaged: .damaged
            }
        }
    }
}

extension Store {
    /// Takes zeroed bytes of a segment's records section. nil: the segment is full.
    /// - Returns: the offset in the file.
    func takeRecord(_ segment: UnsafeMutablePointer<Segment>, size: Int) throws(StoreError) -> Int? {
        try offset(tryTakeRecord(segment, size: size))
    }

    /// Takes zeroed cells, in all lanes. nil: the segment is full.
    /// - Returns: the offset in each lane, over all groups.
    func takeCell(_ segment: UnsafeMutablePointer<Segment>, size: Int) throws(StoreError) -> Int? {
        try offset(tryTakeCell(segment, size: size))
    }

    private func offset(_ taking: Taking) throws(StoreError) -> Int? {
        switch taking {
        case .taken(let offset): return offset
        case .full: return nil
        case .failed(let failure): throw error(failure)
        }
    }

    /// The same as `takeRecord`. Allocates nothing, async-signal-safe.
    package func tryTakeRecord(_ segment: UnsafeMutablePointer<Segment>, size: Int) -> Taking {
        let taking = take(segment, size: size, areCells: false)
        guard case .taken(let offset) = taking else { return taking }
        let file = segment.pointee.geometry.recordsOffset + offset
        if !isZero(segment.pointee.base + file, size) {
            return .failed(.damaged(segment: segment.pointee.geometry.number, areCells: false))
        }
        return .taken(file)
    }

    private func tryTakeCell(_ segment: UnsafeMutablePointer<Segment>, size: Int) -> Taking {
        let taking = take(segment, size: size, areCells: true)
        guard case .taken(let cell) = taking else { return taking }
        for lane in 0..<segment.pointee.geometry.laneCount
        where !isZero(segment.pointee.cell(cell) + lane * StoreFormat.laneStride, size) {
            return .failed(.damaged(segment: segment.pointee.geometry.number, areCells: true))
        }
        return .taken(cell)
    }

    private func take(_ segment: UnsafeMutablePointer<Segment>, size: Int, areCells: Bool) -> Taking {
        let geometry = segment.pointee.geometry
        let limit = areCells ? geometry.cellsSize : geometry.recordsSize
        let alignment = areCells ? 16 : StoreFormat.recordAlignment
        let taken = segment.pointee.header(areCells ? HeaderLayout.cellsNext : HeaderLayout.recordsNext)
        var old = taken.pointee.load(ordering: .acquiring)
        while true {
            if old > UInt64(limit) { return .full }
            // What is taken is a multiple of the alignment, unless the word is damaged.
            var start = (Int(old) + alignment - 1) / alignment * alignment
            // A lane's stretch within a group is one stride long; a cell lies wholly in one group.
            if areCells, start % StoreFormat.laneStride + size > StoreFormat.laneStride {
                start = (start / StoreFormat.laneStride + 1) * StoreFormat.laneStride
            }
            let end = start + size
            if end > limit { return .full }
            if let failure = ensureReserved(segment, start: start, end: end, limit: limit, areCells: areCells) {
                return .failed(failure)
            }
            // Release: who takes or reads what comes after this sees the reservation.
            let result = taken.pointee.compareExchange(
                expected: old, desired: UInt64(end), ordering: .acquiringAndReleasing)
            if result.exchanged { return .taken(start) }
            old = result.original
        }
    }

    private func ensureReserved(
        _ segment: UnsafeMutablePointer<Segment>, start: Int, end: Int, limit: Int, areCells: Bool
    ) -> Taking.Failure? {
        let word = segment.pointee.header(areCells ? HeaderLayout.cellsReserved : HeaderLayout.recordsReserved)
        let step = StoreFormat.reserveStep
        var bits = word.pointee.load(ordering: .acquiring)
        // A damaged word: nothing is known of what is reserved, and reserving it once more does no harm.
        if bits > UInt64(limit) || bits % UInt64(step) != 0 {
            return reserve(segment, from: start / step * step, to: (end + step - 1) / step * step, areCells: areCells)
        }
        while bits < UInt64(end) {
            let reserved = Int(bits)
            // Of cells one step in every lane, all of them before the word moves; steps never cross a group.
            let wanted = areCells ? reserved + step : (end + step - 1) / step * step
            if let failure = reserve(segment, from: reserved, to: wanted, areCells: areCells) { return failure }
            let result = word.pointee.compareExchange(
                expected: bits, desired: UInt64(wanted), ordering: .acquiringAndReleasing)
            bits = result.exchanged ? UInt64(wanted) : result.original
        }
        return nil
    }

    /// Reserves whole steps of records, or of cells in every lane.
    private func reserve(
        _ segment: UnsafeMutablePointer<Segment>, from start: Int, to end: Int, areCells: Bool
    ) -> Taking.Failure? {
        let geometry = segment.pointee.geometry
        if !areCells { return reserve(segment, offset: geometry.recordsOffset + start, size: end - start) }
        var cell = start
        while cell < end {
            for lane in 0..<geometry.laneCount {
                let failure = reserve(
                    segment, offset: geometry.fileOffset(ofCell: cell) + lane * StoreFormat.laneStride,
                    size: StoreFormat.reserveStep)
                if let failure { return failure }
            }
            cell += StoreFormat.reserveStep
        }
        return nil
    }

    private func reserve(_ segment: UnsafeMutablePointer<Segment>, offset: Int, size: Int) -> Taking.Failure? {
        let error = reserveSpace(segment, offset: offset, size: size)
        return error == 0 ? nil : .unreserved(segment: segment.pointee.geometry.number, bytes: size, error)
    }

    /// New space is zero. If it is not, the words that say how much is taken are damaged, and nothing may be written.
    private func isZero(_ start: UnsafeMutableRawPointer, _ size: Int) -> Bool {
        var offset = 0
        while offset < size {
            if (start + offset).load(as: UInt64.self) != 0 { return false }
            offset += 8
        }
        return true
    }

    /// The sentence about a failure.
    package func error(_ failure: Taking.Failure) -> StoreError {
        switch failure {
        case .unreserved(let segment, _, ESTALE):
            return StoreError(
                .notFound,
                "\(segmentPath(segment)) is no longer the file that this process attached: the store was deleted while in use",
                errno: ESTALE)
        case .unreserved(let segment, let bytes, EFBIG):
            return StoreError(
                .noSpace,
                "cannot reserve \(bytes) bytes for \(segmentPath(segment)): this process may not write files of that size "
                    + "(RLIMIT_FSIZE); raise the limit (ulimit -f)", errno: EFBIG)
        case .unreserved(let segment, let bytes, let error):
            return SegmentFile.reservationError(error, path: segmentPath(segment), bytes: bytes)
        case .damaged(let segment, let areCells):
            return StoreError(
                .damaged,
                "\(segmentPath(segment)) is damaged: free \(areCells ? "cells" : "records") are not empty; restart the service, "
                    + "which makes a new store")
        }
    }
}
