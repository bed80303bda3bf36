// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import Glibc

/// Shows that code does not allocate: it runs in a child process whose heap is exhausted, where an allocation ends the
/// process.
public struct HeapExhaustedChild: Sendable {
    /// How often the child runs the code without memory.
    public let repetitions: Int
    private let fork: @convention(c) () -> pid_t

    /// - Throws: where the C library has no fork.
    public init(repetitions: Int) throws {
        self.repetitions = repetitions
        // Swift imports no fork. The child here calls what a fork child may: the library, malloc and _exit.
        guard let address = dlsym(nil, "fork") else { throw Failure(description: "the C library has no fork") }
        fork = unsafeBitCast(address, to: (@convention(c) () -> pid_t).self)
    }

    /// The exit status of a child process that runs a body with memory, then many times without. A signal is negative.
    public func status(_ body: () -> Void) throws -> Int32 {
        // What is made at the first use, by the language or the library, is made here; what a child makes, in the child.
        body()
        let child = fork()
        if child == 0 {
            body()
            Self.exhaustHeap()
            for _ in 0..<repetitions { body() }
            _exit(0)
        }
        guard child > 0 else { throw Failure(description: "fork: \(errorText(errno))") }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { throw Failure(description: "waitpid: \(errorText(errno))") }
        }
        return status & 0x7F == 0 ? status >> 8 : -(status & 0x7F)
    }

    /// Takes all memory that malloc can still give, down to the smallest piece.
    private static func exhaustHeap() {
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
        var size = 1 << 20
        while size > 0 {
            while malloc(size) != nil {}
            size = size > 4096 ? size / 2 : size - 8
        }
    }

    private struct Failure: Error, CustomStringConvertible {
        let description: String
    }
}
