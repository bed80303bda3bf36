// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetrics
import FDMetricsStore
import Synchronization

/// labels(*values) of a metric: the child of label values that were seen before, by one look-up in a dictionary. Whatever
/// else is asked for is left to a Python function.
@c(fdm_py_labels) @implementation
public func fdm_py_labels(
    _ object: PythonObject!, _ arguments: PythonObjects!, _ count: Int, _ keywords: PythonObject!
) -> PythonObject! {
    guard let python = PythonAPI.current else { return nil }
    // Either all values by position, or all by name.
    if let arguments, count > 0 ? keywords == nil : keywords != nil,
        let child = python.child(object, arguments, count, keywords)
    {
        return child
    }
    if python.pointee.errorOccurred() != nil { return nil }
    // self is a tuple of five, which only this library makes.
    return python.call(python.pointee.tupleItem(object, 3), arguments, count, keywords)
}

extension UnsafePointer where Pointee == PythonAPI {
    /// A new reference to the child with these label values. nil: it is not in the dictionary, or that is out of date.
    @inline(__always)
    fileprivate func child(
        _ object: PythonObject?, _ arguments: PythonObjects, _ count: Int, _ keywords: PythonObject?
    ) -> UnsafeMutableRawPointer? {
        guard let removals = pointee.asPointer(pointee.tupleItem(object, 1)) else { return nil }
        let expected = UInt64(UInt(bitPattern: pointee.asPointer(pointee.tupleItem(object, 2))))
        // Acquire: pairs with the release of `Store.remove`.
        if word(removals).pointee.load(ordering: .acquiring) != expected { return nil }
        let names = pointee.tupleItem(object, 4)
        let length = keywords == nil ? count : pointee.tupleSize(names)
        if keywords != nil, pointee.tupleSize(keywords) != length { return nil }
        guard let key = pointee.makeTuple(length) else { return nil }
        defer { pointee.release(key) }
        for index in 0..<length {
            var place = index
            if keywords != nil {
                // Names of labels and of keyword arguments are interned: the same text is the same object.
                let name = pointee.tupleItem(names, index)
                place = 0
                while place < length, pointee.tupleItem(keywords, place) != name { place &+= 1 }
                if place == length { return nil }
            }
            pointee.retain(arguments[place])
            // Takes the reference over.
            if pointee.setTupleItem(key, index, arguments[place]) != 0 { return nil }
        }
        var child: UnsafeMutableRawPointer?
        if let dictionaryItem = pointee.dictionaryItem {
            // Negative: a value cannot be hashed, or its comparison raised. The Python function makes text of it.
            if dictionaryItem(pointee.tupleItem(object, 0), key, &child) < 0 { pointee.clearError() }
        } else {
            // It swallows errors itself. The reference is borrowed, which the interpreter's lock makes safe.
            child = pointee.borrowItem(pointee.tupleItem(object, 0), key)
            if child != nil { pointee.retain(child) }
        }
        return child
    }
}
