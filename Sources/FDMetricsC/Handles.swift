// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore

// What the opaque pointers of the header are. All of them live as long as their store: a caller never frees one, and
// using one is following an address.
//
//   fdm_store      a Store, retained by AttachedStores
//   fdm_family     a FamilyCore of a Family that the store retains; or `inertFamily`
//   fdm_counter    a SeriesHandle beside the store, or an inert one; the other instruments likewise
//   fdm_zmq_link   a ZMQLink in memory of its own; or `inertLink`

extension Store {
    /// The store that a C handle stands for; nil for NULL, and for one that is closed.
    static func of(_ handle: OpaquePointer?) -> Store? {
        handle.flatMap { AttachedStores.store(at: UnsafeRawPointer($0)) }?.current
    }

    var handle: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }
}

/// A family that could not be registered: its label look-ups give inert instruments. An address that nothing has; never
/// followed.
@inline(__always)
var inertFamily: OpaquePointer { OpaquePointer(bitPattern: 1).unsafelyUnwrapped }

/// The family of a C handle. nil: NULL, or a family that could not be registered.
@inline(__always)
func familyCore(_ handle: OpaquePointer?) -> UnsafeMutablePointer<FamilyCore>? {
    guard let handle, handle != inertFamily else { return nil }
    return UnsafeMutablePointer(handle)
}

@inline(__always)
func series(_ handle: OpaquePointer?) -> UnsafeMutablePointer<SeriesHandle>? {
    handle.map { UnsafeMutablePointer($0) }
}
