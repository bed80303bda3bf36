// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

extension Store {
    /// Where this process's lease token stands; 0 there means that it has none yet, as in a fork child.
    package var tokenWord: UnsafeMutableRawPointer { process.forkPage }

    package var ownToken: UInt64 { word(tokenWord).pointee.load(ordering: .acquiring) }

    /// This process's lease, taken at the first call, and once more in each fork child that calls this.
    package func lease() throws(StoreError) -> LeaseToken {
        switch takeLease() {
        case .success(let token): return token
        case .failure(let failure): throw leaseError(failure)
        }
    }

    /// The same without an error's text: allocates nothing, and waits for nobody. What failed is not tried again for a
    /// second.
    package func takeLease() -> Result<LeaseToken, LeaseFailure> {
        process.lease {
            ProcessSlots(firstSegment).take(path: process.path) { count in reserveSlots(firstSegment, count: count) }
        } whenTaken: {
            writeOwnName($0)
        }
    }

    /// Writes this process's name into its slot. Allocates nothing, waits for nobody, and is async-signal-safe where
    /// `takeInstance` is.
    func writeOwnName(_ token: LeaseToken) {
        // A loop that ends: each turn but the last is one in which another thread has set the name anew.
        for _ in 0..<1000 {
            // Who sets the name changes it and then looks for a lease; here the lease is there, and then the name is looked
            // at. So one of the two sees the other, or both do.
            atomicMemoryFence(ordering: .sequentiallyConsistent)
            let version = OwnName.version
            // Who is setting it writes it into the slots afterwards.
            if version & 1 != 0 { return }
            var hasRoom = true
            OwnName.withShown { name in
                hasRoom = ProcessSlots(firstSegment).write(name, of: token, in: self) {
                    switch takeInstance(size: NameLayout.size) {
                    case .taken(let segment, let offset): (segment, offset)
                    case .refused: nil
                    }
                }
            }
            if !hasRoom {
                return Notices.say(
                    .noName, constant: "the store has no room for the name of this process, which is shown without it")
            }
            if OwnName.version == version { return }
        }
    }

    /// Names this process in all stores that it has attached or attaches later; see `ProcessName` of FDMetrics.
    /// - Parameters:
    ///   - name: no bytes: none.
    ///   - whenLast: as of `AttachedStores.forEach`.
    /// - Returns: false: no store can be attached here, or this is a signal handler of a thread that is just setting it.
    package static func setOwnName(_ name: UnsafeRawBufferPointer, whenLast: (Store) -> Void) -> Bool {
        if !OwnName.set(name) { return false }
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        AttachedStores.forEach(
            { store in
                let current = store.current
                let token = LeaseToken(bits: current.ownToken)
                if !token.isNone { current.writeOwnName(token) }
            }, whenLast: whenLast)
        return true
    }

    /// Why there is no lease, as an error.
    package func leaseError(_ failure: LeaseFailure) -> StoreError {
        let path = segmentPath(0)
        switch failure.reason {
        case .full:
            return StoreError(
                .processLimit,
                "\(path) is held by \(StoreFormat.maxSlots) live processes, as many as it has room for: gauges of further "
                    + "ones are not recorded; use one store per service")
        case .forking:
            return StoreError(.system, "this process forks without end: no process slot could be taken", errno: EAGAIN)
        case .replaced:
            return StoreError(
                .notFound, "\(path) is no longer the file that this process attached: it was deleted in use")
        case .unsupported:
            return StoreError(
                .unsupported,
                "the file system of the store does not take open-file-description locks: set FDMETRICS_DIR to a local directory",
                errno: failure.errno)
        case .system:
            return .system("cannot take a process slot in \(path)", failure.errno)
        }
    }

    /// The store whose token word a gauge's handle has.
    package static func ofToken(_ token: UnsafeMutableRawPointer) -> Store {
        let address = (token - 8).load(as: UInt.self)
        return Unmanaged<Store>.fromOpaque(UnsafeRawPointer(bitPattern: address).unsafelyUnwrapped)
            .takeUnretainedValue()
    }

    static let presenceByte = StoreFormat.leaseBase - 1

    /// Holds a shared lock on one byte through a mapping that, unlike the lease's, fork children inherit. So the lock is
    /// there while any process lives that attached the store, or was forked by one that did.
    func announcePresence() throws(StoreError) {
        let path = segmentPath(0)
        let descriptor = try openSame(path, as: firstSegment.pointee, writable: false)
        defer { CFDMetricsLinux_close(descriptor) }
        let error = CFDMetricsLinux_share_byte(descriptor, Store.presenceByte)
        if error == EAGAIN || error == EACCES {
            throw StoreError(.notFound, "the store in \(directory) is just being removed: try again", errno: error)
        }
        if error != 0 { throw leaseError(LeaseFailure(lock: error)) }
        // Whoever removes the store holds the byte while it does. If the file still has its name now, it keeps it.
        CFDMetricsLinux_close(try openSame(path, as: firstSegment.pointee, writable: false))
        guard let page = CFDMetricsLinux_map(descriptor, StoreProcess.pageSize, 0)
        else {
            throw .system("cannot map \(path)", errno)
        }
        process.setPresence(page)
    }
}
