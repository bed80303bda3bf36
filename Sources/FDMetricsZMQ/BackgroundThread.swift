// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import Glibc

/// Starts a thread that nobody joins, which ends with the body; 0 or the errno, and then the body does not run. Its name,
/// of at most 15 characters, is what ps and debuggers show. All signals are blocked: they belong to the program's own
/// threads.
func startThread(name: StaticString = "fdm-zmq", _ body: sending @escaping () -> Void) -> Int32 {
    final class Work {
        let body: () -> Void
        let name: StaticString

        init(_ body: @escaping () -> Void, name: StaticString) {
            self.body = body
            self.name = name
        }
    }
    var all = sigset_t()
    var previous = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
    var thread = pthread_t()
    let work = Unmanaged.passRetained(Work(body, name: name))
    let status = pthread_create(
        &thread, nil,
        { argument in
            let work = Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue()
            CZeroMQ_nameThread(UnsafeRawPointer(work.name.utf8Start).assumingMemoryBound(to: CChar.self))
            work.body()
            return nil
        }, work.toOpaque())
    guard status == 0 else {
        work.release()
        return status
    }
    pthread_detach(thread)
    return 0
}
#endif
