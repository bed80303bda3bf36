// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
public import FDMetricsStore
public import Synchronization

// A gauge's value belongs to a process. What a process slot has of a gauge series is an instance: see InstanceLayout.
// Instances hang off the series' record as a list, one for each slot that ever set the gauge; whoever holds a slot next
// inherits its instance. So there are as many as there were processes at once, never as many as there ever were.
//
// The value pair of a mode whose time of setting matters is (value, time); that of all others is (value, token of the
// owner), and an update changes the value alone. Inheriting, by the holder of the slot, step by step, each of which may be
// the last before a kill -9:
//
//   1. carry   the dead owner's value is folded into (carry, tag = the dead owner's token), by one 128-bit exchange.
//              Readers and later heirs see by the tag that it is folded already. Live modes and `all` skip this.
//   2. value   becomes (unset, own token), by one 128-bit exchange from exactly what step 1 folded; so of two threads that
//              inherit at once, the slower one cannot undo the faster one's first update.
//   3. owner   becomes the own token: from here on updates take the fast path.

extension Update {
    /// A NaN that no caller can set: the instance has no value yet.
    @usableFromInline package static let unset: UInt64 = 0x7FF8_6664_6D75_6E73

    /// A double as it is stored: `unset` itself becomes an ordinary NaN.
    @inlinable @inline(__always)
    static func storedBits(_ value: Double) -> UInt64 {
        value == value ? value.bitPattern : Double.nan.bitPattern
    }

    /// This process's instance of a gauge. nil: there is none, and none could be made, which is counted.
    @inlinable @inline(__always)
    static func instance(_ handle: UnsafeMutablePointer<SeriesHandle>) -> UnsafeMutableRawPointer? {
        // Acquire: pairs with the release of `GaugeInstances.findOrMake`. The owner tells whether the instance is still this
        // process's: a fork child has its parent's address here.
        let bits = word(UnsafeMutableRawPointer(handle) + SeriesHandle.cellOffset).pointee.load(ordering: .acquiring)
        if let known = UnsafeMutableRawPointer(bitPattern: UInt(bits)) {
            let token = word(handle.pointee.auxiliary.unsafelyUnwrapped).pointee.load(ordering: .relaxed)
            if word(known + InstanceLayout.owner).pointee.load(ordering: .relaxed) == token { return known }
        }
        return GaugeInstances.findOrMake(handle)
    }

    /// Sets a gauge of a mode whose time of setting does not matter.
    @inlinable @inline(__always)
    package static func set(_ handle: UnsafeMutablePointer<SeriesHandle>, _ value: Double) {
        guard let instance = instance(handle) else { return }
        if handle.isMostRecent {
            setAt(instance, value, realTime())
        } else {
            word(instance + InstanceLayout.value).pointee.store(storedBits(value), ordering: .relaxed)
        }
    }

    /// Sets a gauge as of a time, in seconds since the epoch.
    package static func set(_ handle: UnsafeMutablePointer<SeriesHandle>, _ value: Double, at seconds: Double) {
        guard handle.isMostRecent else { return set(handle, value) }
        guard let instance = instance(handle) else { return }
        // 0 means never set. Nanoseconds of a double near today's time are exact to about 240 ns, as given.
        let time = seconds > 0 && seconds < 1.8e10 ? UInt64(seconds * 1e9) : 1
        setAt(instance, value, max(1, time))
    }

    @usableFromInline
    static func setAt(_ instance: UnsafeMutableRawPointer, _ value: Double, _ time: UInt64) {
        let pair = SharedPair(instance + InstanceLayout.value)
        let new = WordPair(first: UInt(storedBits(value)), second: UInt(time))
        var old = pair.guess()
        while true {
            let result = pair.exchange(expected: old, desired: new)
            if result.exchanged { return }
            old = result.original
        }
    }

    /// Adds to a gauge; false in the most recent modes, which have no meaning for it.
    @inlinable @inline(__always)
    package static func addToGauge(_ handle: UnsafeMutablePointer<SeriesHandle>, _ amount: Double) -> Bool {
        if handle.isMostRecent { return false }
        guard let instance = instance(handle) else { return true }
        let cell = word(instance + InstanceLayout.value)
        var old = cell.pointee.load(ordering: .relaxed)
        while true {
            let base = old == unset ? 0 : Double(bitPattern: old)
            let result = cell.pointee.weakCompareExchange(
                expected: old, desired: storedBits(base + amount), ordering: .relaxed)
            if result.exchanged { return true }
            old = result.original
        }
    }

    /// This process's instance of a gauge, if it has one and knows it.
    static func ownInstance(_ handle: UnsafeMutablePointer<SeriesHandle>) -> UnsafeMutableRawPointer? {
        guard GaugeMode(rawValue: handle.pointee.count) != nil else { return nil }
        let bits = word(UnsafeMutableRawPointer(handle) + SeriesHandle.cellOffset).pointee.load(ordering: .acquiring)
        let token = word(handle.pointee.auxiliary.unsafelyUnwrapped).pointee.load(ordering: .relaxed)
        guard let instance = UnsafeMutableRawPointer(bitPattern: UInt(bits)),
            word(instance + InstanceLayout.owner).pointee.load(ordering: .relaxed) == token
        else { return nil }
        return instance
    }

    /// This process's own value of a gauge; 0 before its first update. Makes no instance.
    package static func ownValue(_ handle: UnsafeMutablePointer<SeriesHandle>) -> Double {
        guard let instance = ownInstance(handle) else { return 0 }
        let value = word(instance + InstanceLayout.value).pointee.load(ordering: .relaxed)
        return value == unset ? 0 : Double(bitPattern: value)
    }
}

extension UnsafeMutablePointer where Pointee == SeriesHandle {
    /// Whether the gauge is of a mode whose time of setting decides.
    @inlinable @inline(__always)
    var isMostRecent: Bool {
        pointee.count == GaugeMode.mostRecent.rawValue || pointee.count == GaugeMode.liveMostRecent.rawValue
    }
}

/// Finding, making and inheriting instances: the slow path of a gauge's first update in a process.
@usableFromInline
package enum GaugeInstances {
    /// This process's instance of a gauge; nil: no space or no slot, which is counted.
    ///
    /// Allocates nothing and waits for nobody, so that it may be called in a signal handler, but where the store must grow by a
    /// segment, or has grown by one that this process has not mapped yet. What failed is not tried again for a second.
    @usableFromInline @inline(never)
    package static func findOrMake(_ handle: UnsafeMutablePointer<SeriesHandle>) -> UnsafeMutableRawPointer? {
        guard let record = handle.filledRecord, let mode = GaugeMode(rawValue: handle.pointee.count) else { return nil }
        let store = Store.ofToken(handle.pointee.auxiliary.unsafelyUnwrapped)
        let key = UInt64(UInt(bitPattern: handle))
        if store.isRefused(key) {
            store.countLostUpdate()
            return nil
        }
        switch instance(handle, record, mode, store) {
        case .made(let instance):
            // Release: pairs with the acquire of `Update.instance`.
            word(UnsafeMutableRawPointer(handle) + SeriesHandle.cellOffset).pointee.store(
                UInt64(UInt(bitPattern: instance)), ordering: .releasing)
            return instance
        case .refused(let code):
            store.rememberLost(key, code)
            store.countLostUpdate()
            return nil
        }
    }

    private enum Outcome {
        case made(UnsafeMutableRawPointer)
        case refused(StoreError.Code)
    }

    private static func instance(
        _ handle: UnsafeMutablePointer<SeriesHandle>, _ record: UnsafeMutableRawPointer, _ mode: GaugeMode,
        _ store: Store
    ) -> Outcome {
        do throws(StoreError) {
            let known = LeaseToken(
                bits: word(handle.pointee.auxiliary.unsafelyUnwrapped).pointee.load(ordering: .relaxed))
            var token = known
            if known.worker == nil {
                switch store.takeLease() {
                case .success(let own): token = own
                case .failure(let failure): return .refused(failure.code)
                }
            }
            if let found = try find(store, record, token) {
                inherit(found, mode, token)
                return .made(found)
            }
            let outcome = try make(store, record, token, mode)
            if case .made(let instance) = outcome { inherit(instance, mode, token) }
            return outcome
        } catch {
            return .refused(error.code)
        }
    }

    /// The instance of the token's slot.
    private static func find(
        _ store: Store, _ record: UnsafeMutableRawPointer, _ token: LeaseToken
    ) throws(StoreError) -> UnsafeMutableRawPointer? {
        var found: UnsafeMutableRawPointer?
        try SeriesRecord(sound: record).forEachInstance(in: store) { instance in
            if instance.owner.slot == token.slot { found = instance.record }
            return found != nil
        }
        return found
    }

    /// A new instance, first of the series' list. If another thread of this process made one for the slot meanwhile, that.
    private static func make(
        _ store: Store, _ record: UnsafeMutableRawPointer, _ token: LeaseToken, _ mode: GaugeMode
    ) throws(StoreError) -> Outcome {
        let segment: UnsafeMutablePointer<Segment>
        let offset: Int
        switch store.takeInstance() {
        case .taken(let place, let within): (segment, offset) = (place, within)
        case .refused(let code): return .refused(code)
        }
        let instance = segment.pointee.base + offset
        instance.storeBytes(of: UInt32(InstanceLayout.size), toByteOffset: RecordLayout.size, as: UInt32.self)
        instance.storeBytes(of: RecordLayout.instance, toByteOffset: RecordLayout.kind, as: UInt32.self)
        let address = StoreAddress(segment: segment.pointee.geometry.number, offset: offset)
        word(instance + InstanceLayout.owner).pointee.store(token.bits, ordering: .relaxed)
        word(instance + InstanceLayout.value).pointee.store(Update.unset, ordering: .relaxed)
        word(instance + InstanceLayout.value + 8).pointee.store(
            mode.isMostRecent ? 0 : token.bits, ordering: .relaxed)
        word(instance + InstanceLayout.pid).pointee.store(UInt64(CFDMetricsLinux_getpid()), ordering: .relaxed)
        let head = word(record + SeriesLayout.instances)
        var first = head.pointee.load(ordering: .acquiring)
        while true {
            if let other = try find(store, record, token) { return .made(other) }
            word(instance + InstanceLayout.next).pointee.store(first, ordering: .relaxed)
            // Release: who finds the instance by the list sees it whole.
            let result = head.pointee.compareExchange(
                expected: first, desired: address.bits, ordering: .acquiringAndReleasing)
            if result.exchanged { return .made(instance) }
            first = result.original
        }
    }

    /// Makes an instance of the token's slot the token's own.
    private static func inherit(_ instance: UnsafeMutableRawPointer, _ mode: GaugeMode, _ token: LeaseToken) {
        let owner = word(instance + InstanceLayout.owner)
        if owner.pointee.load(ordering: .acquiring) == token.bits { return }
        let value = SharedPair(instance + InstanceLayout.value)
        while true {
            let old = value.guess()
            // A thread of this process that was faster may have set a value since: it is not to be undone. Acquire, and the
            // order of the guess's loads, make a pair of after the other's inheritance come with its owner.
            if owner.pointee.load(ordering: .acquiring) == token.bits { return }
            // Of two threads of this process one may have got here first: its token, or its first set, is in the pair.
            if !mode.isMostRecent, UInt64(old.second) == token.bits { break }
            fold(old, into: SharedPair(instance + InstanceLayout.carry), mode)
            let fresh = WordPair(first: UInt(Update.unset), second: mode.isMostRecent ? 0 : UInt(token.bits))
            if value.exchange(expected: old, desired: fresh).exchanged { break }
            if owner.pointee.load(ordering: .acquiring) == token.bits { return }
        }
        word(instance + InstanceLayout.pid).pointee.store(UInt64(CFDMetricsLinux_getpid()), ordering: .relaxed)
        // Release: whoever sees the new owner finds the old one's value folded and gone.
        owner.pointee.store(token.bits, ordering: .releasing)
    }

    /// Adds a dead owner's (value, token or time) to what is carried on. Once for each token; for times it may be repeated.
    private static func fold(_ old: WordPair, into carry: SharedPair, _ mode: GaugeMode) {
        if mode.isLive || mode == .all { return }
        var known = carry.guess()
        while true {
            if mode.isMostRecent {
                if UInt64(old.first) == Update.unset || old.second <= known.second { return }
                let result = carry.exchange(expected: known, desired: old)
                if result.exchanged { return }
                known = result.original
                continue
            }
            if known.second == old.second { return }
            let isEmpty = known.second == 0 || UInt64(known.first) == Update.unset
            let sum = GaugeFold.combine(
                mode, isEmpty ? nil : Double(bitPattern: UInt64(known.first)),
                UInt64(old.first) == Update.unset ? nil : Double(bitPattern: UInt64(old.first)))
            let bits = sum.map { Update.storedBits($0) } ?? Update.unset
            let result = carry.exchange(expected: known, desired: WordPair(first: UInt(bits), second: old.second))
            if result.exchanged { return }
            known = result.original
        }
    }
}

/// How two values of a mode become one.
package enum GaugeFold {
    /// The sum, the least or the greatest of two values of which one or both may be missing.
    package static func combine(_ mode: GaugeMode, _ a: Double?, _ b: Double?) -> Double? {
        guard let a else { return b }
        guard let b else { return a }
        switch mode {
        case .min, .liveMin: return a < b || b.isNaN ? a : b
        case .max, .liveMax: return a > b || b.isNaN ? a : b
        default: return a + b
        }
    }
}
