// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import CFDMetrics
import FDMetrics
import FDMetricsStore
import FDMetricsZMQRecording
import Synchronization

/// The links that this process has opened: a list that is only added to, so that it needs no lock.
private struct OpenLink {
    let store: Store
    let prefix: String
    let address: String
    let link: UnsafeMutablePointer<ZMQLink>
    var next: UnsafeMutablePointer<OpenLink>?
}

private let openLinks = Atomic<UInt>(0)

private func knownLink(_ store: Store, _ prefix: String, _ address: String) -> UnsafeMutablePointer<ZMQLink>? {
    var next = UnsafeMutablePointer<OpenLink>(bitPattern: openLinks.load(ordering: .acquiring))
    while let entry = next {
        if entry.pointee.store === store, entry.pointee.prefix == prefix, entry.pointee.address == address {
            return entry.pointee.link
        }
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
    let prefix = prefix.map { String(cString: $0) } ?? "fastdeploy"
    let endpoint = String(cString: address)
    return status { () throws(StoreError) in
        if let known = knownLink(store, prefix, endpoint) {
            link.pointee = OpaquePointer(known)
            return
        }
        let opened = try ZMQLink(registry: MetricRegistry(store: store), prefix: prefix, address: endpoint)
        let place = UnsafeMutablePointer<ZMQLink>.allocate(capacity: 1)
        place.initialize(to: opened)
        let entry = UnsafeMutablePointer<OpenLink>.allocate(capacity: 1)
        var first = openLinks.load(ordering: .acquiring)
        entry.initialize(
            to: OpenLink(store: store, prefix: prefix, address: endpoint, link: place, next: nil))
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
private func opened(_ link: OpaquePointer?) -> UnsafeMutablePointer<ZMQLink>? { link.map { UnsafeMutablePointer($0) } }

/// One message was accepted.
@_cdecl("fdm_zmq_sent") @implementation
public func fdm_zmq_sent(_ link: OpaquePointer!, _ bytes: UInt64) {
    opened(link)?.pointee.sent(bytes: Int(truncatingIfNeeded: bytes))
}

/// One send failed.
@_cdecl("fdm_zmq_send_failed") @implementation
public func fdm_zmq_send_failed(_ link: OpaquePointer!) { opened(link)?.pointee.sendFailed() }

/// One message was received without a time stamp.
@_cdecl("fdm_zmq_received") @implementation
public func fdm_zmq_received(_ link: OpaquePointer!, _ bytes: UInt64) {
    opened(link)?.pointee.received(bytes: Int(truncatingIfNeeded: bytes))
}

/// One message was received with a time stamp.
@_cdecl("fdm_zmq_received_stamped") @implementation
public func fdm_zmq_received_stamped(_ link: OpaquePointer!, _ bytes: UInt64, _ send_seconds: Double) {
    opened(link)?.pointee.received(bytes: Int(truncatingIfNeeded: bytes), sentAt: send_seconds)
}

/// Seconds of CLOCK_MONOTONIC.
@_cdecl("fdm_zmq_now") @implementation
public func fdm_zmq_now() -> Double { ZMQLink.now() }
