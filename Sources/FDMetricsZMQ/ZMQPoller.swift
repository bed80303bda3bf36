// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import Glibc

/// Waits for events of several sockets and file descriptors at once.
///
/// Belongs to one thread at a time, as its sockets do. `wait` blocks the calling thread.
public final class ZMQPoller {
    /// What `wait` found: where, by the key that `add` gave, and what.
    public struct Event: Sendable, Equatable {
        /// What `add` returned.
        public let key: Key
        /// The events that are there.
        public let events: PollEvents
    }

    /// Names something that is waited for.
    public struct Key: Sendable, Hashable {
        fileprivate let number: Int
    }

    private enum Source {
        case socket(ZMQSocket)
        case fileDescriptor(Int32)
    }

    private var sources: [(key: Key, source: Source, events: PollEvents)] = []
    private var nextNumber = 0

    /// A poller that waits for nothing yet.
    public init() {}

    /// Waits for events of a socket, too. The poller keeps the socket alive.
    @discardableResult
    public func add(_ socket: ZMQSocket, _ events: PollEvents = .readable) -> Key {
        add(.socket(socket), events)
    }

    /// Waits for events of a file descriptor, too, which must stay open.
    @discardableResult
    public func add(fileDescriptor: Int32, _ events: PollEvents = .readable) -> Key {
        add(.fileDescriptor(fileDescriptor), events)
    }

    /// Waits for other events from now on.
    public func modify(_ key: Key, _ events: PollEvents) {
        guard let index = sources.firstIndex(where: { $0.key == key }) else { return }
        sources[index].events = events
    }

    /// Waits for it no longer.
    public func remove(_ key: Key) {
        sources.removeAll { $0.key == key }
    }

    /// Waits until there is an event, or the time is over; nil: without limit. The result has what is there, in the order
    /// in which it was added; it is empty if nothing is. Errors: ETERM, ENOTSOCK (a socket was closed), EBADF.
    public func wait(timeout: Duration? = nil) throws(ZMQError) -> [Event] {
        var items: [zmq_pollitem_t] = []
        var timeout = timeout
        items.reserveCapacity(sources.count)
        for (_, source, events) in sources {
            switch source {
            case .socket(let socket):
                // Without this, libzmq would take the item for the file descriptor 0.
                guard let handle = socket.handle else { throw socket.failure(ENOTSOCK, "poll") }
                items.append(zmq_pollitem_t(socket: handle, fd: 0, events: events.rawValue, revents: 0))
                if socket.state.pointee.hasReadAhead && events.contains(.readable) { timeout = .zero }
            case .fileDescriptor(let descriptor):
                items.append(zmq_pollitem_t(socket: nil, fd: descriptor, events: events.rawValue, revents: 0))
            }
        }
        let code = items.withUnsafeMutableBufferPointer { items in
            // libzmq refuses a null pointer even for no items.
            var none = zmq_pollitem_t()
            guard let start = items.baseAddress, !items.isEmpty else {
                return waitForEvents(of: &none, count: 0, timeout: timeout)
            }
            return waitForEvents(of: start, count: items.count, timeout: timeout)
        }
        for (_, source, _) in sources {
            if case .socket(let socket) = source { socket.wakeSatisfied() }
        }
        guard code == 0 else { throw ZMQError(code: code, operation: "poll") }
        return zip(sources, items).compactMap { source, item in
            var events = PollEvents(rawValue: item.revents)
            if case .socket(let socket) = source.source {
                events = socket.visibleEvents(events).intersection(source.events)
            }
            return events.isEmpty ? nil : Event(key: source.key, events: events)
        }
    }

    private func add(_ source: Source, _ events: PollEvents) -> Key {
        defer { nextNumber += 1 }
        let key = Key(number: nextNumber)
        sources.append((key, source, events))
        return key
    }
}
#endif
