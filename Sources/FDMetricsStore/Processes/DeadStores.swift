// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

// A store that cannot be attached any more (of an earlier boot, of another layout, damaged, cut) makes room for a new one if
// nobody holds it: one of the processes that find it moves its files into a directory beside them, where `fdmctl dump` can
// look at them until the next one comes there.
//
// One process does it: the one that gets the exclusive lock of the presence byte on the file that has the name. Segment 0 is
// moved last, so that a process which is killed in between leaves a store that is as dead as before, and the next one begins
// again. The kernel gives the lock back with the process.

enum DeadStores {
    /// Whether an error of attaching says that the file itself can never be attached.
    static func isHopeless(_ error: StoreError) -> Bool {
        (error.code == .foreign || error.code == .damaged) && error.errno == 0
    }

    /// Moves the store of a directory aside if nobody holds it.
    /// - Parameter reason: why it cannot be attached.
    /// - Throws: `reason`, with what stands in the way, where it has to stay; `system`.
    static func setAside(_ directory: String, because reason: StoreError) throws(StoreError) {
        let path = "\(directory)/\(StoreFormat.fileName(segment: 0))"
        let descriptor = CFDMetricsLinux_open(path, 1)
        if descriptor < 0 {
            // Somebody was faster.
            if errno == ENOENT { return }
            throw reason
        }
        defer { CFDMetricsLinux_close(descriptor) }
        var info = CFDMetricsLinux_file()
        guard CFDMetricsLinux_fstat(descriptor, &info) == 0, info.is_regular != 0,
            info.user == CFDMetricsLinux_geteuid()
        else {
            throw reason
        }
        if let kind = StoreDirectory.networkFileSystem(descriptor) {
            throw StoreError(
                reason.code,
                "\(reason.message) (it is not set aside by itself: it is on \(kind), where a process of another host may hold it)",
                errno: EREMOTE)
        }
        // Somebody is removing it, or setting it aside: come again and see.
        if CFDMetricsLinux_byte_is_exclusive(descriptor, Store.presenceByte) == 1 { return }
        if isHeld(descriptor) {
            // Unless that has begun between the two questions, or the new store is there by now.
            let isBegun = CFDMetricsLinux_byte_is_exclusive(descriptor, Store.presenceByte) == 1
            if isBegun || !isStillHopeless(directory) { return }
            throw StoreError(
                reason.code, "\(reason.message) (it is not set aside by itself: a process that is alive holds it)",
                errno: EBUSY)
        }
        // From here on no other process sets it aside. Who has it already: come again and see.
        if CFDMetricsLinux_lock_byte(descriptor, Store.presenceByte) != 0 { return }
        var named = CFDMetricsLinux_file()
        guard CFDMetricsLinux_lstat(path, &named) == 0, named.device == info.device, named.inode == info.inode,
            CFDMetricsLinux_any_is_locked(descriptor, StoreFormat.leaseBase) == 0, isStillHopeless(directory)
        else { return }
        let kept = move(directory)
        // What has the name now may be a new store already.
        if CFDMetricsLinux_lstat(path, &named) == 0, named.device == info.device, named.inode == info.inode {
            // The directory may not be written to.
            throw StoreError(
                .directory, "\(reason.message) (it cannot be set aside: \(directory) may not be written to)",
                errno: EACCES)
        }
        Notices.say(
            .storeSetAside,
            "a new store takes the place of one that cannot be used any more: \(reason.message); "
                + (kept ? "it is kept in \(directory)/\(StoreDirectory.asideName)" : "it was removed"))
    }

    /// Whether the store of a directory cannot be attached: what has the name may be a new one by now.
    private static func isStillHopeless(_ directory: String) -> Bool {
        var identity: StoreIdentity?
        do throws(StoreError) {
            for number in 0..<StoreFormat.maxSegments {
                guard
                    let found = try SegmentFile.open(
                        directory: directory, number: number, identity: identity, writable: true)
                else { return number > 0 }
                let isSealed = found.segment.isSealed
                SegmentFile.unmap(found.segment)
                if !isSealed { return false }
                identity = found.identity
            }
            return false
        } catch {
            return isHopeless(error)
        }
    }

    /// Whether any process holds a lease of a file's store or has it open; if that cannot be asked, yes.
    private static func isHeld(_ descriptor: Int32) -> Bool {
        CFDMetricsLinux_any_is_locked(descriptor, Store.presenceByte) != 0
    }

    /// Moves the segments of a directory into the one for what is set aside, in place of those that are there.
    /// - Returns: false: that cannot be made, and they were removed.
    private static func move(_ directory: String) -> Bool {
        let aside = "\(directory)/\(StoreDirectory.asideName)"
        var info = CFDMetricsLinux_file()
        let isThere =
            (CFDMetricsLinux_mkdir(aside, 0o700) == 0 || errno == EEXIST) && CFDMetricsLinux_lstat(aside, &info) == 0
            && info.is_directory != 0 && info.user == CFDMetricsLinux_geteuid()
        if isThere { removeSegments(aside) }
        for number in (0..<StoreFormat.maxSegments).reversed() {
            let name = StoreFormat.fileName(segment: number)
            if !isThere || CFDMetricsLinux_rename("\(directory)/\(name)", "\(aside)/\(name)") != 0 {
                CFDMetricsLinux_unlink("\(directory)/\(name)")
            }
        }
        return isThere
    }

    /// Removes the segments of a store. Segment 0 goes last: as long as it is there, the store is there or dead as a whole,
    /// and a newcomer's files of the same names are never taken for these.
    static func removeSegments(_ directory: String) {
        for number in (0..<StoreFormat.maxSegments).reversed() {
            CFDMetricsLinux_unlink("\(directory)/\(StoreFormat.fileName(segment: number))")
        }
    }

    /// Removes a segment of another store that has the name of this store's next one: its own first segment is gone.
    /// - Parameter first: a description of segment 0 of its own. Its lock keeps out others that would do the same.
    /// - Returns: whether the name is free or may be by now.
    static func removeStray(_ path: String, first: Int32, id: (UInt64, UInt64)) -> Bool {
        if CFDMetricsLinux_lock_byte(first, StoreFormat.leaseBase - 2) != 0 { return true }
        let descriptor = CFDMetricsLinux_open(path, 0)
        if descriptor < 0 { return errno == ENOENT }
        defer { CFDMetricsLinux_close(descriptor) }
        var words: (UInt64, UInt64) = (0, 0)
        let count = withUnsafeMutableBytes(of: &words) {
            CFDMetricsLinux_pread(descriptor, $0.baseAddress, $0.count, Int64(HeaderLayout.storeID))
        }
        // The name stands for this very file until this process, which alone may remove it, does so: who makes a segment
        // links it to a name that is free.
        if count == 16, words == id { return true }
        return CFDMetricsLinux_unlink(path) == 0
    }
}
