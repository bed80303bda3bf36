// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// The bytes of a segment file. docs/file-format.md has the same numbers as tables, and a test compares the two.
//
//   +--------+-------+---------------+-----------------+-------------------------------------------------------+
//   | header | index | process slots | records         | lanes: group 0: lane 0 | lane 1 | ... ; group 1: ...    |
//   | 4 KiB  |       | segment 0     | families, series| 1 MiB each; lane i of a cell is i * 1 MiB further        |
//   +--------+-------+---------------+-----------------+-------------------------------------------------------+
//
// All numbers are little-endian. Every section begins at a multiple of 4 KiB. The file has its full size from the
// beginning and is sparse; only what is reserved (`recordsReserved`, `cellsReserved`, `slotsReserved`) may be touched.

/// Numbers that are the same in every segment of every store of this layout version.
package enum StoreFormat {
    /// "FDMSTORE", read as a little-endian word.
    package static let magic: UInt64 = 0x4552_4F54_534D_4446
    /// Raised whenever an older library would misread a file; a library reads and writes exactly one version.
    package static let version: UInt32 = 1
    /// The distance between two lanes of a cell. One constant for all stores, so that a handle is an address.
    package static let laneStride = 1 << 20
    /// The most lanes of a store.
    package static let maxLanes = 16
    /// Space is reserved on the file system in steps of this.
    package static let reserveStep = 4096
    /// Records begin at multiples of this: a cache line.
    package static let recordAlignment = 64
    /// The greatest record that is made: a segment must not be filled by one help text.
    package static let maxRecord = 1 << 20
    /// The most bytes of all texts of a family, and of a label value that the C ABI takes: half of that, as a text that has to
    /// be escaped stands in a record twice.
    package static let maxTexts = maxRecord / 2
    /// The most segments of a store. The last ones hold a million entries each.
    package static let maxSegments = 16
    /// The most processes that can hold a lease at once.
    package static let maxSlots = 4096
    /// The most logical workers; see `LeaseToken.init(worker:)`.
    package static let maxWorkers = 1 << 24
    /// A list of a gauge's instances that is longer than this is a damaged ring.
    package static let maxInstances = 1 << 16
    /// Process leases are locks on bytes at `leaseBase + slot << 32 + generation`, far beyond any file's end.
    package static let leaseBase: Int64 = 1 << 60

    /// What a file's layout depends on besides the version: sizes and alignments that a build could have changed.
    /// A fold of them, so that a file of a library that was built with others is refused, not misread.
    package static let layoutSignature: UInt64 = {
        let parts: [UInt64] = [
            8, 16,  // word and pair
            UInt64(laneStride), UInt64(reserveStep), UInt64(recordAlignment), UInt64(maxSegments), UInt64(maxSlots),
            UInt64(HeaderLayout.size), UInt64(HeaderLayout.checksum), UInt64(HeaderLayout.conflicts),
            UInt64(SlotLayout.size), UInt64(FamilyLayout.strings), UInt64(SeriesLayout.wideTable),
            UInt64(InstanceLayout.size),
            UInt64(bitPattern: Int64(leaseBase)),
            1,  // little-endian
        ]
        return parts.reduce(0xFD4D_0000_0000_0001) { ($0 ^ $1) &* 0x9E37_79B9_7F4A_7C15 }
    }()

    /// The name of a segment's file.
    package static func fileName(segment: Int) -> String { "fdmetrics-\(segment).seg" }
}

/// The header: the first 4 KiB of a segment. What stands before `checksum` never changes once the file has its name.
package enum HeaderLayout {
    package static let size = 4096
    package static let magic = 0  // u64
    package static let version = 8  // u32
    package static let headerSize = 12  // u32
    package static let layoutSignature = 16  // u64
    package static let storeID = 24  // 16 bytes, random, the same in all segments of a store
    package static let bootID = 40  // 16 bytes, /proc/sys/kernel/random/boot_id
    package static let segmentNumber = 56  // u32
    package static let laneCount = 60  // u32
    package static let laneStride = 64  // u64
    package static let fileSize = 72  // u64
    package static let indexOffset = 80  // u64
    package static let indexCapacity = 88  // u64, in slots of 8 bytes
    package static let slotsOffset = 96  // u64
    package static let slotCapacity = 104  // u64
    package static let recordsOffset = 112  // u64
    package static let recordsSize = 120  // u64
    package static let lanesOffset = 128  // u64
    package static let laneGroups = 136  // u64
    package static let hashSeed = 144  // u64, random, the same in all segments
    package static let createdTime = 152  // u64, ns since the epoch
    package static let flags = 160  // u64
    package static let seriesLimit = 168  // u64
    package static let checksum = 176  // u64, of bytes 0..<176

    // Words that change, each group on a cache line of its own.
    package static let recordsNext = 256  // u64, bytes of the records section that are taken
    package static let recordsReserved = 264  // u64, bytes of the records section that may be touched
    package static let cellsNext = 320  // u64, bytes of each lane that are taken, over all groups
    package static let cellsReserved = 328  // u64, bytes of each lane that may be touched, over all groups
    package static let entries = 384  // u64, index slots in use (a lower bound)
    package static let sealed = 392  // u64, 1: the next segment exists and takes all new records
    package static let slotsReserved = 400  // u64, process slots that may be touched
    package static let removals = 448  // u64, raised by every removal of a series (segment 0)
    package static let droppedNoSpace = 512  // u64 (this and the next ones: segment 0)
    package static let droppedSeriesLimit = 520  // u64
    package static let conflicts = 528  // u64
    package static let lostUpdates = 536  // u64, gauge updates that had no instance to go to
    package static let growthFailures = 544  // u64, failed attempts to make or map a next segment
    package static let moves = 552  // u64, processes that came here because their store had been deleted
    // The root of the processes that share an automatic directory's name (segment 0); 0: not known. Stored in the order
    // start, namespace, process by whoever made the store, so that a process that is there has the others.
    package static let rootProcess = 576  // u64, its pid in its own namespace
    package static let rootStart = 584  // u64, field 22 of its /proc/<pid>/stat
    package static let rootNamespace = 592  // u64, inode of /proc/<pid>/ns/pid
    package static let cpuTicks = 640  // u64, CPU time of processes that is accounted for, in clock ticks (segment 0)

    /// Flag: this library chose the directory, so it removes it when its processes have gone.
    package static let flagAutomatic: UInt64 = 1
}

/// An index slot is one word: the upper 32 bits of the key's hash, and the record's offset in the file. 0: empty.
package enum IndexLayout {
    package static let slotSize = 8
}

/// A process slot, in segment 0. A process holds a slot while it holds the lock of (slot, generation).
package enum SlotLayout {
    package static let size = 64
    package static let generation = 0  // u32, raised by each new holder
    package static let name = 4  // u32, where the record of the holder's name is; see NameAddress
    package static let pid = 8  // u64, in the holder's own PID namespace: to be shown, never to be trusted
    package static let pidNamespace = 16  // u64, inode of /proc/self/ns/pid
    package static let startTime = 24  // u64, field 22 of /proc/self/stat, clock ticks since boot
    package static let attachedTime = 32  // u64, ns since the epoch
    package static let command = 40  // 16 bytes, /proc/self/comm
    package static let cpuAccounted = 56  // u64: low 24 bits of the generation << 40 | the holder's ticks in cpuTicks
}

/// What every record begins with.
package enum RecordLayout {
    package static let size = 0  // u32, of the whole record, a multiple of 64
    package static let kind = 4  // u32
    package static let checksum = 8  // u64, of the bytes that never change

    package static let family: UInt32 = 1
    package static let series: UInt32 = 2
    package static let instance: UInt32 = 3
    package static let name: UInt32 = 4
}

/// A metric family. The checksum covers 0..<8, 16..<56 and 64 to the end.
package enum FamilyLayout {
    package static let nameHash = 16  // u64
    package static let type = 24  // u32
    package static let gaugeMode = 28  // u32
    package static let labelCount = 32  // u32
    package static let boundCount = 36  // u32
    package static let stateCount = 40  // u32
    package static let boundsOffset = 44  // u32, from the record's start, 16-byte aligned
    package static let createdTime = 48  // u64, ns since the epoch
    package static let seriesCount = 56  // u64, changes: series of this family in this segment that are not removed
    /// (offset u32 from the record's start, length u32): name, help, unit, label names, states.
    package static let strings = 64
    package static let fixedStrings = 3
    /// Bounds are followed by +Inf up to a multiple of this, so that a search may read them in whole vectors.
    package static let boundsPadding = 8
}

/// A series. The checksum covers 0..<8, 16..<56 and the label table to the end.
package enum SeriesLayout {
    package static let keyHash = 16  // u64
    package static let family = 24  // u32, the family record's offset in this file
    package static let valueCount = 28  // u32, label values in the table
    package static let cells = 32  // u32, offset of lane 0's cell in each lane, over all groups; noCells: none
    package static let textLength = 36  // u32
    package static let textOffset = 40  // u32, from the record's start: the rendered {a="x",b="y"}, escaped
    package static let tableOffset = 44  // u32, from the record's start: (offset u32, length u32) of each label value
    package static let createdTime = 48  // u64, ns since the epoch
    package static let state = 56  // u64, changes: 1 live, 2 removed, 3 replaced by a later text of an info

    // Gauges, state sets: one line more, whose words change.
    package static let statePair = 64  // pair, state sets: (time of setting in ns, index of the state)
    package static let instances = 80  // u64, gauges: the address of the first instance

    package static let narrowTable = 64  // where the label table begins without that line
    package static let wideTable = 128  // and with it

    package static let live: UInt64 = 1
    package static let removed: UInt64 = 2
    package static let replaced: UInt64 = 3
    package static let noCells: UInt32 = .max
}

/// What one process slot has of one gauge series. Not covered by a checksum: all but its size and kind changes.
///
///   owner     the lease (slot, generation) that the value belongs to; whoever holds the slot next inherits the instance
///   value     (value, time of setting) in modes that compare times, else (value, the owner's token); `unset` before the
///             first update
///   carry     what earlier holders of the slot leave to modes that regard the dead: (value, tag)
@usableFromInline
package enum InstanceLayout {
    package static let size = 64
    // Computed, so that an update in another module has the number in its code.
    @inlinable package static var owner: Int { 8 }  // u64
    @inlinable package static var value: Int { 16 }  // pair: f64, u64 ns since the epoch
    package static let carry = 32  // pair: f64, u64
    package static let next = 48  // u64, address of the next instance of the series; 0: none
    package static let pid = 56  // u64, the owner's process id in its own namespace: to be shown, never to be trusted
}

/// The name that a process slot's holder was given. One for each slot whose holders have had a name, which the slot leads to.
/// Not covered by a checksum: all but its size and kind changes.
package enum NameLayout {
    package static let size = 128
    package static let owner = 8  // u64, the lease (slot, generation) whose name it is; 0: it is just being changed
    package static let text = 16  // 112 bytes, UTF-8, padded with zeros
    package static let capacity = size - text
}

/// Where something is in a store: the segment's number plus one in the upper half, the offset in its file in the lower.
/// 0: nowhere.
package struct StoreAddress: Equatable, Sendable {
    package let bits: UInt64

    package init(bits: UInt64) { self.bits = bits }
    package init(segment: Int, offset: Int) { bits = UInt64(segment &+ 1) << 32 | UInt64(offset) }

    package var isNull: Bool { bits == 0 }
    package var segment: Int { Int(bits >> 32) &- 1 }
    package var offset: Int { Int(bits & 0xFFFF_FFFF) }
}
