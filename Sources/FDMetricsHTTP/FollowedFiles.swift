// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import Glibc
import Logging
import NIOCore

/// What files hold, and hold again after they were replaced: certificates that are renewed, a token that is changed.
///
/// They are looked at when they are needed, at most once a second, by what stat(2) says of the file that each path leads
/// to, so that a rename is seen, and a link that leads elsewhere (as Kubernetes changes the files of a secret). Files that
/// cannot be used are logged, once, and what was there before stays in use. Confined to one event loop.
final class FollowedFiles<Value> {
    private let paths: [String]
    private let load: () throws(CredentialError) -> Value
    private let logger: Logger
    private var value: Value
    private var seen: [FileState?]
    private var nextLook: NIODeadline
    private var lastProblem = ""

    private static var interval: TimeAmount { .seconds(1) }

    /// Loads the files.
    init(
        _ paths: [String], logger: Logger, load: @escaping () throws(CredentialError) -> Value
    ) throws(CredentialError) {
        self.paths = paths
        self.load = load
        self.logger = logger
        // Before the files are read: what is written in between makes a difference at the next look.
        seen = paths.map(FileState.init(path:))
        value = try load()
        nextLook = .now() + Self.interval
    }

    /// What the files hold now, or the last that could be used.
    func current() -> Value {
        let now = NIODeadline.now()
        if now < nextLook { return value }
        nextLook = now + Self.interval
        let states = paths.map(FileState.init(path:))
        if states == seen { return value }
        seen = states
        do throws(CredentialError) {
            value = try load()
            lastProblem = ""
            logger.info("read anew: \(paths.joined(separator: ", "))")
        } catch {
            if error.description != lastProblem {
                lastProblem = error.description
                logger.error("\(error); what was read before stays in use")
            }
        }
        return value
    }
}

/// Which file a path leads to, and when it was last changed. Two that are equal have the same content.
private struct FileState: Equatable {
    private var device: dev_t
    private var inode: ino_t
    private var size: off_t
    private var changed: [Int]

    /// nil: there is no such file.
    init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
        size = status.st_size
        changed = [
            status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
        ]
    }
}
#endif
