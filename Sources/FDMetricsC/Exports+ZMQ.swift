// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import CFDMetrics
import CFDMetricsLinux
import FDMetrics
import FDMetricsStore
import FDMetricsZMQRecording
import Synchronization

/// The links that this process has opened: a list that is only added to, so that it needs no lock.
private struct OpenLink: ~Copyable {
    let store: Store
    let prefix: String
    let address: String
    let link: ZMQLink
    /// The handle: what messages are recorded into, by itself.
    let series: UnsafeMutablePointer<ZMQLinkSeries>
    /// The address of the recorder of its connections; 0: it is not watched.
    let watcher = Atomic<UInt>(0)
    var next: UnsafeMutablePointer<OpenLink>?
}

private let openLinks = Atomic<UInt>(0)

private func knownLink(_ store: Store, _ prefix: String, _ address: String) -> UnsafeMutablePointer<ZMQLinkSeries>? {
    var next = UnsafeMutablePointer<OpenLink>(bitPattern: openLinks.load(ordering: .acquiring))
    while let entry = next {
        if entry.pointee.store === store, entry.pointee.prefix == prefix, entry.pointee.address == address {
            return entry.pointee.series
        }
        next = entry.pointee.next
    }
    return nil
}

/// The entry of a link's handle.
private func entry(of link: OpaquePointer?) -> UnsafeMutablePointer<OpenLink>? {
    guard let link else { return nil }
    var next = UnsafeMutablePointer<OpenLink>(bitPattern: openLinks.load(ordering: .acquiring))
    while let entry = next {
        if OpaquePointer(entry.pointee.series) == link { return entry }
        next = entry.pointee.next
    }
    return nil
}

/// The link of an address.
@_cdecl("fdm_zmq_link_open") @implementation
public func fdm_zmq_link_open(
    _ store: OpaquePointer!, _ prefix: UnsafePointer<CChar>!, _ address: UnsafePointer<CChar>!,
    _ link: UnsafeMutablePointer<OpaquePointer?>!
) -> fdm_status {
    guard let link else { return invalidArgument("fdm_zmq_link_open: link is NULL; give the address of a handle") }
    // Recording through NULL does nothing, so NULL is the inert link.
    link.pointee = nil
    guard let store = Store.of(store), let address else {
        return invalidArgument("fdm_zmq_link_open: store or address is NULL, or the store is closed")
    }
    guard isAtMost(CFDMetricsLinux_strlen(address), StoreFormat.maxTexts) else {
        return invalidArgument("fdm_zmq_link_open: address is longer than \(StoreFormat.maxTexts) bytes")
    }
    let prefix = prefix.map { String(cString: $0) } ?? "fastdeploy"
    let endpoint = String(cString: address)
    return status { () throws(StoreError) in
        if let known = knownLink(store, prefix, endpoint) {
            link.pointee = OpaquePointer(known)
            return
        }
        let opened = try ZMQLink(registry: MetricRegistry(store: store), prefix: prefix, address: endpoint)
        let place = UnsafeMutablePointer<ZMQLinkSeries>.allocate(capacity: 1)
        place.initialize(to: opened.series)
        let entry = UnsafeMutablePointer<OpenLink>.allocate(capacity: 1)
        var first = openLinks.load(ordering: .acquiring)
        entry.initialize(
            to: OpenLink(store: store, prefix: prefix, address: endpoint, link: opened, series: place, next: nil))
        while true {
            if let other = knownLink(store, prefix, endpoint) {
                entry.deinitialize(count: 1).deallocate()
                place.deinitialize(count: 1).deallocate()
                link.pointee = OpaquePointer(other)
                return
            }
            entry.pointee.next = UnsafeMutablePointer(bitPattern: first)
            // Release: who finds the entry sees it whole.
            let result = openLinks.compareExchange(
                expected: first, desired: UInt(bitPattern: entry), ordering: .acquiringAndReleasing)
            if result.exchanged { break }
            first = result.original
        }
        link.pointee = OpaquePointer(place)
    }
}

@inline(__always)
private func opened(_ link: OpaquePointer?) -> UnsafeMutablePointer<ZMQLinkSeries>? {
    link.map { UnsafeMutablePointer($0) }
}

/// One message was accepted.
@c(fdm_zmq_sent) @implementation
public func fdm_zmq_sent(_ link: OpaquePointer!, _ bytes: UInt64) {
    opened(link)?.pointee.sent(bytes: Int(truncatingIfNeeded: bytes))
}

/// One send failed.
@c(fdm_zmq_send_failed) @implementation
public func fdm_zmq_send_failed(_ link: OpaquePointer!) { opened(link)?.pointee.sendFailed() }

/// One message was received without a time stamp.
@c(fdm_zmq_received) @implementation
public func fdm_zmq_received(_ link: OpaquePointer!, _ bytes: UInt64) {
    opened(link)?.pointee.received(bytes: Int(truncatingIfNeeded: bytes))
}

/// A send waited for room.
@_cdecl("fdm_zmq_send_blocked") @implementation
public func fdm_zmq_send_blocked(_ link: OpaquePointer!, _ seconds: Double) {
    opened(link)?.pointee.sendBlocked(seconds: seconds)
}

/// One message was received with a trailer.
@c(fdm_zmq_received_trailer) @implementation
public func fdm_zmq_received_trailer(_ link: OpaquePointer!, _ bytes: UInt64, _ trailer: UnsafeRawPointer!) {
    let stamp = UnsafeRawBufferPointer(start: trailer, count: trailer == nil ? 0 : ZMQTrailer.size)
    opened(link)?.pointee.received(bytes: Int(truncatingIfNeeded: bytes), trailer: stamp)
}

/// One message could not be decoded.
@_cdecl("fdm_zmq_receive_failed") @implementation
public func fdm_zmq_receive_failed(_ link: OpaquePointer!) { opened(link)?.pointee.receiveFailed() }

/// Writes a trailer of now.
@c(fdm_zmq_write_trailer) @implementation
public func fdm_zmq_write_trailer(_ trailer: UnsafeMutableRawPointer!) {
    guard let trailer else { return }
    ZMQTrailer.write(to: UnsafeMutableRawBufferPointer(start: trailer, count: ZMQTrailer.size))
}

/// Whether a frame is a trailer.
@c(fdm_zmq_is_trailer) @implementation
public func fdm_zmq_is_trailer(_ frame: UnsafeRawPointer!, _ size: Int) -> Int32 {
    guard let frame, size == ZMQTrailer.size else { return 0 }
    return ZMQTrailer.isTrailer(UnsafeRawBufferPointer(start: frame, count: size)) ? 1 : 0
}

/// This process's clock domain.
@_cdecl("fdm_zmq_clock_domain") @implementation
public func fdm_zmq_clock_domain() -> UInt64 { ClockDomain.current }

/// Registers a link's series of connections.
@_cdecl("fdm_zmq_link_watch") @implementation
public func fdm_zmq_link_watch(_ link: OpaquePointer!) -> fdm_status {
    guard let entry = entry(of: link) else {
        return invalidArgument("fdm_zmq_link_watch: link is NULL, or none that fdm_zmq_link_open gave")
    }
    return status { () throws(StoreError) in
        if entry.pointee.watcher.load(ordering: .acquiring) != 0 { return }
        let place = UnsafeMutablePointer<ZMQConnectionRecorder>.allocate(capacity: 1)
        place.initialize(to: try entry.pointee.link.watchConnections())
        // Of two threads one stays; both recorders are of the same series. The other's memory is the price of no lock.
        entry.pointee.watcher.store(UInt(bitPattern: place), ordering: .releasing)
    }
}

/// Counts an event of a link that is watched.
@_cdecl("fdm_zmq_connection_event") @implementation
public func fdm_zmq_connection_event(_ link: OpaquePointer!, _ event: UInt32) {
    guard let entry = entry(of: link), let event = ZMQConnectionEvent(rawValue: event),
        let recorder = UnsafePointer<ZMQConnectionRecorder>(
            bitPattern: entry.pointee.watcher.load(ordering: .acquiring))
    else { return }
    recorder.pointee.record(event)
}

/// One message was received with a time stamp.
@c(fdm_zmq_received_stamped) @implementation
public func fdm_zmq_received_stamped(_ link: OpaquePointer!, _ bytes: UInt64, _ send_seconds: Double) {
    opened(link)?.pointee.received(bytes: Int(truncatingIfNeeded: bytes), sentAt: send_seconds)
}

/// Seconds of CLOCK_MONOTONIC.
@c(fdm_zmq_now) @implementation
public func fdm_zmq_now() -> Double { ZMQLink.now() }
