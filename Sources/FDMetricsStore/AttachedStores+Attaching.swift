// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

extension AttachedStores {
    /// How long is waited for what another process is doing to a directory: removing a store takes microseconds, setting one
    /// aside with hundreds of others milliseconds.
    private static var attempts: Int { 400 }

    /// Attaches the store of a place, whatever is in the way there: a store that is just being removed, one that cannot be
    /// used any more and that nobody holds, one of another layout with processes that are alive.
    static func attach(
        _ place: String, _ settings: StoreSettings, predecessors: [Store] = []
    ) throws(StoreError) -> Store {
        var attempt: UInt32 = 0
        var chosen: String?
        var whole = true
        while true {
            let directory = chosen ?? StoreDirectory.ofThisLayout(place)
            do throws(StoreError) {
                return try Store(
                    place: place, directory: directory, settings: settings, predecessors: predecessors, whole: whole)
            } catch {
                attempt += 1
                if attempt > attempts { throw error }
                do throws(StoreError) {
                    chosen = try makeWay(place, directory, error)
                } catch  where error.errno == EBUSY && whole {
                    // If it is a later segment that cannot be attached, those who hold the store will leave it once they
                    // notice; this process then does, too.
                    whole = false
                }
            }
            // 0.1 ms at first, 10 ms at the end: 4 s in all.
            CFDMetricsLinux_sleep(min(100 * attempt, 10_000))
        }
    }

    /// Does what can be done about an error of attaching; throws it where that is nothing.
    /// - Returns: the directory to try next; nil: the one that then has the store of this layout.
    private static func makeWay(
        _ place: String, _ directory: String, _ error: StoreError
    ) throws(StoreError) -> String? {
        if error.code == .notFound { return nil }
        if error.errno == ENOENT {
            // Removed between two steps; the directory may be gone too.
            _ = try StoreDirectory.prepare(place)
            return nil
        }
        guard DeadStores.isHopeless(error) else { throw error }
        do throws(StoreError) {
            try DeadStores.setAside(directory, because: error)
            return nil
        } catch  where error.errno == EBUSY && directory == place && SegmentHeader.kind(of: place) == .otherLayout {
            // A rolling upgrade: the processes of the other layout go on with theirs.
            let own = "\(place)/\(StoreDirectory.layoutName)"
            if CFDMetricsLinux_mkdir(own, 0o700) != 0, errno != EEXIST { throw error }
            guard StoreDirectory.isOfOwner(own, place) else {
                throw StoreError(
                    .directory,
                    "\(own) is not a directory of this user's alone, and the store of this version of the library would be in it: "
                        + "remove it", errno: EPERM)
            }
            Notices.say(
                .otherLayout,
                "processes of another version of the library are alive; until they end, the metrics of this "
                    + "version are in \(own): \(error.message)")
            return own
        }
    }
}
