// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import Glibc

/// The bytes of one frame, in libzmq's own memory: received without a copy, sent without a copy.
///
/// The bytes never change, so a message is `Sendable` and copying it copies a reference. They live as long as any copy
/// of it, or libzmq itself, still needs them; the last one to let go frees them, on whatever thread that is.
public struct ZMQMessage: @unchecked Sendable {
    // A zmq_msg_t must stay where it is while libzmq knows it, and small messages live inside it: hence the allocation
    // with a fixed address, one for object and message together. Nothing writes to it once a message was made of it;
    // sending goes through a second zmq_msg_t (see withTransfer), because zmq_msg_copy writes to its source.
    private final class Storage: ManagedBuffer<Void, zmq_msg_t> {
        /// An empty message.
        static func make() -> Storage {
            let storage = unsafeDowncast(Storage.create(minimumCapacity: 1) { _ in () }, to: Storage.self)
            storage.withUnsafeMutablePointerToElements { _ = zmq_msg_init($0) }
            return storage
        }

        deinit {
            withUnsafeMutablePointerToElements { message in
                _ = zmq_msg_close(message)
            }
        }
    }

    /// The function that frees adopted memory.
    private final class Release {
        let free: @Sendable (UnsafeMutableRawBufferPointer) -> Void
        let size: Int

        init(_ free: @escaping @Sendable (UnsafeMutableRawBufferPointer) -> Void, size: Int) {
            self.free = free
            self.size = size
        }
    }

    private let storage: Storage

    /// Whether another frame of the same multipart message follows this one that was received. A trailer is none.
    public internal(set) var hasMore = false

    /// An empty message, to be received into.
    init() {
        storage = Storage.make()
    }

    /// A message that this call of libzmq makes: 0, or not and then errno says why.
    private init(initializing body: (UnsafeMutablePointer<zmq_msg_t>) -> Int32) throws(ZMQError) {
        self.init()
        // The empty message needs no closing; one that could not be made is none.
        guard withMessage(body) == 0 else {
            let code = zmq_errno()
            withMessage { _ = zmq_msg_init($0) }
            throw ZMQError(code: code, operation: "make message")
        }
    }

    /// A message of a size whose bytes the closure writes, all of them. Errors: ENOMEM.
    init(size: Int, writing body: (UnsafeMutableRawBufferPointer) -> Void) throws(ZMQError) {
        try self.init { message in
            guard zmq_msg_init_size(message, size) == 0 else { return -1 }
            body(UnsafeMutableRawBufferPointer(start: zmq_msg_data(message), count: size))
            return 0
        }
    }

    /// A message with a copy of these bytes. Errors: ENOMEM.
    public init(copying bytes: UnsafeRawBufferPointer) throws(ZMQError) {
        try self.init(size: bytes.count) { $0.copyMemory(from: bytes) }
    }

    /// A message with a copy of these bytes. Errors: ENOMEM.
    public init(_ bytes: some Collection<UInt8>) throws(ZMQError) {
        try self.init(size: bytes.count) { $0.copyBytes(from: bytes) }
    }

    /// A message with the UTF-8 of a text. Errors: ENOMEM.
    public init(_ text: String) throws(ZMQError) {
        try self.init(text.utf8)
    }

    /// A message of memory that the caller owns until now. It is neither copied nor changed; `free` is called once, when
    /// neither a copy of this message nor libzmq needs it any more, on any thread, one of libzmq's included.
    /// Errors: ENOMEM; then the memory stays the caller's, and `free` is not called.
    public init(
        adopting memory: UnsafeMutableRawBufferPointer,
        free: @escaping @Sendable (UnsafeMutableRawBufferPointer) -> Void
    ) throws(ZMQError) {
        guard let start = memory.baseAddress else {
            self.init()
            free(memory)
            return
        }
        let release = Unmanaged.passRetained(Release(free, size: memory.count))
        do throws(ZMQError) {
            try self.init { message in
                zmq_msg_init_data(
                    message, start, memory.count,
                    { data, hint in
                        let release = Unmanaged<Release>.fromOpaque(hint!).takeRetainedValue()
                        release.free(UnsafeMutableRawBufferPointer(start: data, count: release.size))
                    },
                    release.toOpaque())
            }
        } catch {
            release.release()
            throw error
        }
    }

    /// The number of bytes.
    public var count: Int { withMessage { zmq_msg_size($0) } }

    /// Whether there are no bytes, as in the delimiter between routing ids and content.
    public var isEmpty: Bool { count == 0 }

    /// The bytes, where they are. The pointer is valid during the call only.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let bytes = withMessage { UnsafeRawBufferPointer(start: zmq_msg_data($0), count: zmq_msg_size($0)) }
        // The optimiser may end this object's life at its last use, which is before the bytes are read.
        defer { withExtendedLifetime(storage) {} }
        return try body(bytes)
    }

    /// A copy of the bytes.
    public var bytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }

    /// The bytes as text; nil if they are not UTF-8.
    public var text: String? { withUnsafeBytes { String(validating: $0, as: UTF8.self) } }

    /// A property of the connection that a received message came through, such as "Peer-Address"; nil if it has none.
    public func property(_ name: String) -> String? {
        withMessage { message in zmq_msg_gets(message, name).map { String(cString: $0) } }
    }

    /// Runs a call that receives into this message. Only for one that nobody else has seen yet.
    func withMessage<Result>(_ body: (UnsafeMutablePointer<zmq_msg_t>) -> Result) -> Result {
        storage.withUnsafeMutablePointerToElements(body)
    }

    /// libzmq keeps messages up to this size inside zmq_msg_t: copying them allocates nothing (max_vsm_size, msg.hpp).
    private static let inlineSize = 33

    /// Runs a call that hands the bytes over to libzmq, with a zmq_msg_t of its own, which shares the bytes of this message
    /// and holds on to them. Its result is that of the call; negative with errno if it failed, by ENOMEM before it.
    func transfer(_ call: (UnsafeMutablePointer<zmq_msg_t>) -> Int32) -> Int32 {
        var transfer = zmq_msg_t()
        let status = withUnsafeBytes { bytes in
            if bytes.count <= Self.inlineSize {
                let status = zmq_msg_init_size(&transfer, bytes.count)
                if let start = bytes.baseAddress { memcpy(zmq_msg_data(&transfer), start, bytes.count) }
                return status
            }
            let hold = Unmanaged<AnyObject>.passRetained(storage)
            let status = zmq_msg_init_data(
                &transfer, UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count,
                { _, hint in Unmanaged<AnyObject>.fromOpaque(hint!).release() }, hold.toOpaque())
            if status != 0 { hold.release() }
            return status
        }
        guard status == 0 else { return status }
        let result = call(&transfer)
        if result < 0 {
            let code = errno
            _ = zmq_msg_close(&transfer)
            errno = code
        }
        return result
    }
}

extension ZMQMessage: Equatable {
    /// Whether two messages have the same bytes.
    public static func == (left: ZMQMessage, right: ZMQMessage) -> Bool {
        left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in left.elementsEqual(right) }
        }
    }
}
#endif
