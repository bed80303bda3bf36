// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Foundation
import Testing

/// The constant fields of a header: each with its bytes, and how it is refused when the checksum was made to match.
/// nil: any value of it is that of some store.
private let constants: [(name: String, offset: Int, length: Int, mended: StoreError.Code?)] = [
    ("magic", HeaderLayout.magic, 8, .foreign), ("version", HeaderLayout.version, 4, .foreign),
    ("headerSize", HeaderLayout.headerSize, 4, .damaged),
    ("layoutSignature", HeaderLayout.layoutSignature, 8, .foreign), ("storeID", HeaderLayout.storeID, 16, nil),
    ("bootID", HeaderLayout.bootID, 16, .foreign), ("segmentNumber", HeaderLayout.segmentNumber, 4, .damaged),
    ("laneCount", HeaderLayout.laneCount, 4, .damaged), ("laneStride", HeaderLayout.laneStride, 8, .damaged),
    ("fileSize", HeaderLayout.fileSize, 8, .damaged), ("indexOffset", HeaderLayout.indexOffset, 8, .damaged),
    ("indexCapacity", HeaderLayout.indexCapacity, 8, .damaged), ("slotsOffset", HeaderLayout.slotsOffset, 8, .damaged),
    ("slotCapacity", HeaderLayout.slotCapacity, 8, .damaged),
    ("recordsOffset", HeaderLayout.recordsOffset, 8, .damaged),
    ("recordsSize", HeaderLayout.recordsSize, 8, .damaged), ("lanesOffset", HeaderLayout.lanesOffset, 8, .damaged),
    ("laneGroups", HeaderLayout.laneGroups, 8, .damaged), ("hashSeed", HeaderLayout.hashSeed, 8, nil),
    ("createdTime", HeaderLayout.createdTime, 8, nil), ("flags", HeaderLayout.flags, 8, nil),
    ("seriesLimit", HeaderLayout.seriesLimit, 8, nil),
]

@Suite("Files and directories that are refused")
struct RefusalTests {
    private let place = TemporaryStore()
    private let file: StoreCorruptor

    init() throws {
        let store = try place.open()
        let family = try store.family(FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["queue"]))
        add(try store.series(family, "a"), 7)
        place.close(store)
        file = StoreCorruptor(place.segment(0))
    }

    /// Both ways of opening refuse with one code, and neither changes a byte or makes a file.
    private func refusal() -> StoreError.Code? {
        let before = Fingerprint(file.path), contents = place.contents
        let writing = code { _ = try Store(directory: place.directory).close() }
        let reading = code { _ = try StoreReader(directory: place.directory) }
        #expect(writing == reading)
        #expect(writing == nil || Fingerprint(file.path) == before)
        #expect(place.contents == contents)
        return writing
    }

    @Test("Every byte of the constant header is protected")
    func flippedByte() {
        #expect(constants.reduce(0) { $0 + $1.length } == HeaderLayout.checksum)
        for offset in 0..<HeaderLayout.checksum + 8 {
            let refused = file.damaged(offset, 1, by: { file.flip(offset) }, refusal)
            #expect(refused == .damaged || refused == .foreign, "byte \(offset)")
        }
        #expect(refusal() == nil)
    }

    @Test("Every field is checked by itself, not only by the checksum", arguments: constants.indices)
    func flippedField(index: Int) {
        let (name, offset, length, expected) = constants[index]
        for byte in offset..<offset + length {
            for mask: UInt8 in [0x01, 0x80] {
                let change = {
                    file.flip(byte, mask: mask)
                    file.mendHeaderChecksum()
                }
                let refused = file.damaged(0, HeaderLayout.size, by: change, refusal)
                #expect(refused == expected, "\(name), byte \(byte)")
            }
        }
    }

    @Test("The message names the file and what differs")
    func messages() {
        func said(_ offset: Int, _ value: UInt32) -> String {
            file.damaged(0, HeaderLayout.size, by: { file.set(offset, value) }) {
                message { _ = try Store(directory: place.directory) }
            }
        }
        let version = said(HeaderLayout.version, 2)
        #expect(
            version.contains(file.path) && version.contains("layout version 2") && version.contains("reads version 1"))
        let signature = said(HeaderLayout.layoutSignature, 0x1234)
        #expect(signature.contains(file.path) && signature.contains("layout signature") && signature.contains("1234"))
        let magic = said(HeaderLayout.magic, 0x5351_4C69)
        #expect(magic.contains(file.path) && magic.contains("is not a store"))
        let boot = file.damaged(
            0, HeaderLayout.size,
            by: {
                file.flip(HeaderLayout.bootID)
                file.mendHeaderChecksum()
            }
        ) { message { _ = try Store(directory: place.directory) } }
        #expect(boot.contains("last boot"))
    }

    @Test("Changing words that contradict the geometry are refused")
    func changingWords() {
        let geometry = SegmentGeometry(segment: 0, laneCount: 2)
        let bad: [(Int, UInt64)] = [
            (HeaderLayout.recordsNext, UInt64(geometry.recordsSize)), (HeaderLayout.recordsNext, 65),
            (HeaderLayout.recordsNext, .max), (HeaderLayout.recordsReserved, 0),
            (HeaderLayout.recordsReserved, UInt64(geometry.recordsSize) + 4096), (HeaderLayout.recordsReserved, .max),
            (HeaderLayout.recordsReserved, 4096 + 64),
            (HeaderLayout.cellsNext, UInt64(geometry.cellsSize)), (HeaderLayout.cellsNext, 17),
            (HeaderLayout.cellsReserved, 0), (HeaderLayout.cellsReserved, UInt64(geometry.cellsSize) + 4096),
            (HeaderLayout.cellsReserved, 4096 + 64),
            (HeaderLayout.entries, UInt64(geometry.indexCapacity) + 1), (HeaderLayout.entries, .max),
            (HeaderLayout.sealed, 2), (HeaderLayout.sealed, .max), (HeaderLayout.slotsReserved, 1),
            (HeaderLayout.slotsReserved, UInt64(geometry.slotCapacity) + 64),
        ]
        for (offset, value) in bad {
            let refused = file.damaged(offset, 8, by: { file.set(offset, value) }, refusal)
            #expect(refused == .damaged, "word at \(offset) is \(value)")
        }
    }

    @Test("A file that ends early is refused at every page, down to an empty one")
    func truncated() {
        let pages = file.size / StoreFormat.reserveStep
        for page in (0..<pages).reversed() {
            file.resize(page * StoreFormat.reserveStep)
            #expect(refusal() == .damaged, "\(page) pages of \(pages)")
        }
        #expect(file.size == 0)
        file.resize(SegmentGeometry(segment: 0, laneCount: 2).fileSize)
        #expect(refusal() == .foreign)
    }

    @Test("A file that is one byte short or long is refused", arguments: [-1, 1, 4096])
    func size(change: Int) {
        file.resize(file.size + change)
        #expect(refusal() == .damaged)
    }

    @Test("A symbolic link is no segment, even to a sound one")
    func symbolicLink() throws {
        let other = TemporaryStore()
        try FileManager.default.createSymbolicLink(atPath: other.segment(0), withDestinationPath: file.path)
        let before = Fingerprint(file.path)
        #expect(code { _ = try other.open() } == .foreign)
        #expect(code { _ = try StoreReader(directory: other.directory) } == .foreign)
        #expect(message { _ = try other.open() }.contains("symbolic link"))
        #expect(Fingerprint(file.path) == before)
    }

    @Test("What has a segment's name but is no file is refused at once")
    func notAFile() throws {
        let fifo = TemporaryStore()
        #expect(mkfifo(fifo.segment(0), 0o600) == 0)
        #expect(code { _ = try fifo.open() } == .foreign)
        let folder = TemporaryStore()
        try FileManager.default.createDirectory(atPath: folder.segment(0), withIntermediateDirectories: false)
        #expect(code { _ = try folder.open() } != nil)
    }

    @Test(
        "In a directory that others may write to the store is in one of the user",
        arguments: [0o777, 0o770, 0o702, 0o720, 0o1777])
    func directoryOfOthers(mode: Int) throws {
        let other = TemporaryStore()
        #expect(chmod(other.directory, mode_t(mode)) == 0)
        let name = "fdmetrics-\(geteuid())"
        #expect(try other.open().directory == other.path(name))
        #expect(try StoreReader(directory: other.directory).directory == other.path(name))
        #expect(other.contents == [name])
        var info = stat()
        #expect(stat(other.path(name), &info) == 0 && info.st_mode & 0o7777 == 0o700)
    }

    @Test("What stands in the place of the user's directory is named, and not followed", arguments: [0, 1, 2])
    func planted(kind: Int) throws {
        let other = TemporaryStore()
        #expect(chmod(other.directory, 0o777) == 0)
        let path = other.path("fdmetrics-\(geteuid())")
        let elsewhere = TemporaryStore()
        switch kind {
        case 0: try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: elsewhere.directory)
        case 1: #expect(mkfifo(path, 0o600) == 0)
        default: try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
        }
        #expect(code { _ = try other.open() } == .directory)
        #expect(message { _ = try other.open() }.contains(path))
        #expect(elsewhere.contents == [])
    }

    @Test("A file in place of the directory is refused and stays as it is")
    func notADirectory() throws {
        let other = TemporaryStore()
        let path = other.path("file")
        try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
        #expect(code { _ = try Store(directory: path) } == .directory)
        #expect(code { _ = try Store(directory: path + "/deeper") } == .system)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("mine".utf8))
    }
}
