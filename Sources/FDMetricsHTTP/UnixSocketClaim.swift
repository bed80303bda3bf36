// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetricsStore
import Glibc

/// A process's right to a Unix socket's path, and the socket.
///
/// The right is a lock (flock) on a file PATH.lock, which the kernel takes back when its holder dies, however it dies. So
/// who has the lock knows that a socket file at the path is nobody's, and replaces it. The holder removes both files when
/// it stops; a process that locked a lock file that was just removed sees that, and starts over.
final class UnixSocketClaim {
    /// Why there is no claim.
    enum Failure: Error {
        /// Another process has it.
        case taken
        case error(String)
    }

    private let path: String
    private let lock: CInt
    private let device: dev_t
    private let inode: ino_t

    /// The bound socket, which the caller listens on and closes.
    let descriptor: CInt

    /// Takes the path, if nobody else has it, and binds a socket there.
    init(_ socket: MetricsServer.UnixSocket) throws(Failure) {
        path = socket.path
        let lock = try Self.locked(path + ".lock")
        do throws(Failure) {
            try Self.removeStaleSocket(path)
            descriptor = try Self.bound(socket)
            var status = stat()
            lstat(path, &status)
            device = status.st_dev
            inode = status.st_ino
        } catch {
            unlink(path + ".lock")
            close(lock)
            throw error
        }
        self.lock = lock
    }

    /// Removes the files, as far as they are still this claim's own.
    func release() {
        var status = stat()
        if lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode { unlink(path) }
        unlink(path + ".lock")
        close(lock)
    }

    private static func locked(_ path: String) throws(Failure) -> CInt {
        while true {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            if descriptor < 0 { throw .error("cannot open the lock file \(path): \(errorText(errno))") }
            var own = stat()
            var named = stat()
            if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
                let error = errno
                close(descriptor)
                throw error == EWOULDBLOCK ? .taken : .error("cannot lock \(path): \(errorText(error))")
            }
            if fstat(descriptor, &own) == 0, stat(path, &named) == 0, own.st_ino == named.st_ino,
                own.st_dev == named.st_dev
            {
                return descriptor
            }
            // Its holder removed it between the two calls.
            close(descriptor)
        }
    }

    private static func removeStaleSocket(_ path: String) throws(Failure) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw .error("\(path) is there and is no socket; remove it, or choose another path")
        }
        // A program that does not know of the lock may listen there.
        if try isAnswering(path) { throw .taken }
        unlink(path)
    }

    private static func isAnswering(_ path: String) throws(Failure) -> Bool {
        let descriptor = try newSocket()
        defer { close(descriptor) }
        return try withAddress(path) { connect(descriptor, $0, $1) } == 0 || errno == EAGAIN
    }

    private static func bound(_ unixSocket: MetricsServer.UnixSocket) throws(Failure) -> CInt {
        let descriptor = try newSocket()
        // The file is made with the socket's own mode: nobody can connect before it has the right one.
        fchmod(descriptor, 0)
        let path = unixSocket.path
        if try withAddress(path, { bind(descriptor, $0, $1) }) != 0 || chmod(path, mode_t(unixSocket.mode)) != 0 {
            let error = errno
            close(descriptor)
            throw .error("cannot make the socket \(path): \(errorText(error))")
        }
        return descriptor
    }

    private static func newSocket() throws(Failure) -> CInt {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        if descriptor < 0 { throw .error("cannot make a Unix socket: \(errorText(errno))") }
        return descriptor
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) throws(Failure) -> CInt {
        var address = sockaddr_un()
        let room = MemoryLayout.size(ofValue: address.sun_path)
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count < room, !bytes.contains(0) else {
            throw .error("the socket path \(path) has \(bytes.count) bytes; expected 1 to \(room - 1)")
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }
}
#endif
