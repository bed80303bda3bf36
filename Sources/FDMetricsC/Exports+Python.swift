// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import CFDMetrics
import FDMetrics
import FDMetricsStore
import FDMetricsZMQRecording

// Builtins for CPython; see the header. Each is called with the interpreter's lock held (or, in a free-threaded build,
// without one: nothing here is shared but the cells). self is a Python bytes object with a handle.

/// A PyObject pointer.
public typealias PythonObject = UnsafeMutableRawPointer
/// A vector of them.
public typealias PythonObjects = UnsafePointer<UnsafeMutableRawPointer?>

/// Looks up what the builtins need.
@_cdecl("fdm_py_prepare") @implementation
public func fdm_py_prepare() -> fdm_status { status { () throws(StoreError) in try PythonAPI.prepare() } }

@inline(__always)
private func handle(_ python: UnsafePointer<PythonAPI>, _ object: PythonObject?) -> UnsafeMutablePointer<SeriesHandle>?
{
    python.handle(object)?.assumingMemoryBound(to: SeriesHandle.self)
}

/// inc(amount=1) of a counter.
@c(fdm_py_counter_inc) @implementation
public func fdm_py_counter_inc(
    _ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int, _ keywords: PythonObject!
) -> PythonObject! {
    guard let python = PythonAPI.current else { return nil }
    guard let handle = handle(python, object) else { return python.nothing() }
    var failed = false
    if let amount = python.number(arguments, count, keywords, keyword: "amount", takesExemplar: true, failed: &failed) {
        if !Update.add(handle, amount) {
            return python.raise(
                python.pointee.valueError, "Counters can only be incremented by non-negative amounts.")
        }
    } else {
        if failed { return nil }
        Update.increment(handle)
    }
    return python.none()
}

/// set(value) of a gauge.
@c(fdm_py_gauge_set) @implementation
public func fdm_py_gauge_set(
    _ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int, _ keywords: PythonObject!
) -> PythonObject! {
    guard let python = PythonAPI.current else { return nil }
    guard let handle = handle(python, object) else { return python.nothing() }
    var failed = false
    guard let value = python.number(arguments, count, keywords, keyword: "value", takesExemplar: false, failed: &failed)
    else {
        return failed ? nil : python.raise(python.pointee.typeError, "set() missing its value")
    }
    Update.set(handle, value)
    return python.none()
}

@inline(__always)
private func gaugeAdd(
    _ object: PythonObject?, _ arguments: PythonObjects?, _ count: Int, _ keywords: PythonObject?, sign: Double
) -> PythonObject? {
    guard let python = PythonAPI.current else { return nil }
    guard let handle = handle(python, object) else { return python.nothing() }
    var failed = false
    let amount = python.number(arguments, count, keywords, keyword: "amount", takesExemplar: false, failed: &failed)
    if failed { return nil }
    if !Update.addToGauge(handle, sign * (amount ?? 1)) {
        return python.raise(python.pointee.runtimeError, "inc and dec must not be used with the mostrecent modes")
    }
    return python.none()
}

/// inc(amount=1) of a gauge.
@c(fdm_py_gauge_inc) @implementation
public func fdm_py_gauge_inc(
    _ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int, _ keywords: PythonObject!
) -> PythonObject! { gaugeAdd(object, arguments, count, keywords, sign: 1) }

/// dec(amount=1) of a gauge.
@c(fdm_py_gauge_dec) @implementation
public func fdm_py_gauge_dec(
    _ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int, _ keywords: PythonObject!
) -> PythonObject! { gaugeAdd(object, arguments, count, keywords, sign: -1) }

@inline(__always)
private func observe(
    _ object: PythonObject?, _ arguments: PythonObjects?, _ count: Int, _ keywords: PythonObject?,
    _ update: (UnsafeMutablePointer<SeriesHandle>, Double) -> Void
) -> PythonObject? {
    guard let python = PythonAPI.current else { return nil }
    guard let handle = handle(python, object) else { return python.nothing() }
    var failed = false
    guard let value = python.number(arguments, count, keywords, keyword: "amount", takesExemplar: true, failed: &failed)
    else {
        return failed ? nil : python.raise(python.pointee.typeError, "observe() missing its amount")
    }
    update(handle, value)
    return python.none()
}

/// observe(amount) of a histogram.
@c(fdm_py_histogram_observe) @implementation
public func fdm_py_histogram_observe(
    _ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int, _ keywords: PythonObject!
) -> PythonObject! { observe(object, arguments, count, keywords) { Update.observe(histogram: $0, $1) } }

/// observe(amount) of a summary.
@c(fdm_py_summary_observe) @implementation
public func fdm_py_summary_observe(
    _ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int, _ keywords: PythonObject!
) -> PythonObject! { observe(object, arguments, count, keywords) { Update.observe(summary: $0, $1) } }

// MARK: - ZeroMQ

/// The link of a builtin, and its first argument: a size.
@inline(__always)
private func withLink(
    _ object: PythonObject?, _ arguments: PythonObjects?, _ count: Int, expected: Int,
    _ body: (UnsafePointer<PythonAPI>, ZMQLinkSeries, Int) -> Bool
) -> PythonObject? {
    guard let python = PythonAPI.current else { return nil }
    guard count == expected else { return python.raise(python.pointee.typeError, "wrong number of arguments") }
    guard let link = python.handle(object)?.assumingMemoryBound(to: ZMQLinkSeries.self) else {
        return python.nothing()
    }
    var size = 0
    if expected > 0 {
        size = python.pointee.asSize(arguments.unsafelyUnwrapped[0])
        if size == -1, python.pointee.errorOccurred() != nil { return nil }
    }
    return body(python, link.pointee, size) ? python.none() : nil
}

/// sent(size)
@c(fdm_py_zmq_sent) @implementation
public func fdm_py_zmq_sent(_ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int) -> PythonObject! {
    withLink(object, arguments, count, expected: 1) { _, link, size in
        link.sent(bytes: size)
        return true
    }
}

/// send_failed()
@c(fdm_py_zmq_send_failed) @implementation
public func fdm_py_zmq_send_failed(
    _ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int
) -> PythonObject! {
    withLink(object, arguments, count, expected: 0) { _, link, _ in
        link.sendFailed()
        return true
    }
}

/// received(size)
@c(fdm_py_zmq_received) @implementation
public func fdm_py_zmq_received(_ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int) -> PythonObject! {
    withLink(object, arguments, count, expected: 1) { _, link, size in
        link.received(bytes: size)
        return true
    }
}

/// received_stamped(size, seconds)
@c(fdm_py_zmq_received_stamped) @implementation
public func fdm_py_zmq_received_stamped(
    _ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int
) -> PythonObject! {
    withLink(object, arguments, count, expected: 2) { python, link, size in
        let seconds = python.pointee.asDouble(arguments[1])
        if seconds == -1, python.pointee.errorOccurred() != nil { return false }
        link.received(bytes: size, sentAt: seconds)
        return true
    }
}

/// received_trailer(size, trailer)
@c(fdm_py_zmq_received_trailer) @implementation
public func fdm_py_zmq_received_trailer(
    _ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int
) -> PythonObject! {
    withLink(object, arguments, count, expected: 2) { python, link, size in
        guard let bytes = python.pointee.bytesAddress(arguments[1]) else { return false }
        let trailer = UnsafeRawBufferPointer(start: bytes, count: python.pointee.bytesSize(arguments[1]))
        link.received(bytes: size, trailer: trailer)
        return true
    }
}

/// trailer() -> bytes
@c(fdm_py_zmq_trailer) @implementation
public func fdm_py_zmq_trailer(_ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int) -> PythonObject! {
    guard let python = PythonAPI.current else { return nil }
    return withUnsafeTemporaryAllocation(byteCount: ZMQTrailer.size, alignment: 8) { trailer in
        ZMQTrailer.write(to: trailer)
        return python.pointee.makeBytes(
            trailer.baseAddress?.assumingMemoryBound(to: CChar.self), ZMQTrailer.size)
    }
}
