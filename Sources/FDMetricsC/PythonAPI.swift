// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import Synchronization

/// The few functions of CPython's C API that the builtins need, looked up in the process: no Python header, no link to
/// libpython, and nothing at all in a process without Python. All of them are of the stable ABI, or have been there
/// unchanged since Python 3.9.
struct PythonAPI {
    typealias Object = UnsafeMutableRawPointer

    let asPointer: @convention(c) (Object?) -> UnsafeMutableRawPointer?
    let asDouble: @convention(c) (Object?) -> Double
    let asSize: @convention(c) (Object?) -> Int
    let errorOccurred: @convention(c) () -> Object?
    let setError: @convention(c) (Object?, UnsafePointer<CChar>?) -> Void
    let retain: @convention(c) (Object?) -> Void
    let tupleSize: @convention(c) (Object?) -> Int
    let tupleItem: @convention(c) (Object?, Int) -> Object?
    let utf8: @convention(c) (Object?, UnsafeMutablePointer<Int>?) -> UnsafePointer<CChar>?
    let makeBytes: @convention(c) (UnsafePointer<CChar>?, Int) -> Object?
    let bytesAddress: @convention(c) (Object?) -> UnsafeMutablePointer<CChar>?
    let bytesSize: @convention(c) (Object?) -> Int
    let release: @convention(c) (Object?) -> Void
    let makeTuple: @convention(c) (Int) -> Object?
    let setTupleItem: @convention(c) (Object?, Int, Object?) -> Int32
    let call: @convention(c) (Object?, Object?, Object?) -> Object?
    let makeDictionary: @convention(c) () -> Object?
    let setItem: @convention(c) (Object?, Object?, Object?) -> Int32
    /// A new reference to a dictionary's value, in the third argument: PyDict_GetItemRef, which a free-threaded build has.
    /// nil before Python 3.13, where `borrowItem` does.
    let dictionaryItem: (@convention(c) (Object?, Object?, UnsafeMutablePointer<Object?>?) -> Int32)?
    let borrowItem: @convention(c) (Object?, Object?) -> Object?
    let clearError: @convention(c) () -> Void
    let none: Object
    let typeError: Object
    let valueError: Object
    let runtimeError: Object

    /// nil: the process has no CPython, or one that lacks a function.
    init?() {
        // dlsym(RTLD_DEFAULT, ...): RTLD_DEFAULT is NULL with glibc and musl.
        func find<Function>(_ name: String, as type: Function.Type) -> Function? {
            CFDMetricsLinux_dlsym(name).map { unsafeBitCast($0, to: type) }
        }
        func exception(_ name: String) -> Object? {
            CFDMetricsLinux_dlsym(name)?.load(as: Object?.self)
        }
        guard let asPointer = find("PyLong_AsVoidPtr", as: (@convention(c) (Object?) -> UnsafeMutableRawPointer?).self),
            let asDouble = find("PyFloat_AsDouble", as: (@convention(c) (Object?) -> Double).self),
            let asSize = find("PyLong_AsSsize_t", as: (@convention(c) (Object?) -> Int).self),
            let errorOccurred = find("PyErr_Occurred", as: (@convention(c) () -> Object?).self),
            let setError = find("PyErr_SetString", as: (@convention(c) (Object?, UnsafePointer<CChar>?) -> Void).self),
            let retain = find("Py_IncRef", as: (@convention(c) (Object?) -> Void).self),
            let tupleSize = find("PyTuple_Size", as: (@convention(c) (Object?) -> Int).self),
            let tupleItem = find("PyTuple_GetItem", as: (@convention(c) (Object?, Int) -> Object?).self),
            let utf8 = find(
                "PyUnicode_AsUTF8AndSize",
                as: (@convention(c) (Object?, UnsafeMutablePointer<Int>?) -> UnsafePointer<CChar>?).self),
            let makeBytes = find(
                "PyBytes_FromStringAndSize", as: (@convention(c) (UnsafePointer<CChar>?, Int) -> Object?).self),
            let bytesAddress = find(
                "PyBytes_AsString", as: (@convention(c) (Object?) -> UnsafeMutablePointer<CChar>?).self),
            let bytesSize = find("PyBytes_Size", as: (@convention(c) (Object?) -> Int).self),
            let release = find("Py_DecRef", as: (@convention(c) (Object?) -> Void).self),
            let makeTuple = find("PyTuple_New", as: (@convention(c) (Int) -> Object?).self),
            let setTupleItem = find("PyTuple_SetItem", as: (@convention(c) (Object?, Int, Object?) -> Int32).self),
            let call = find("PyObject_Call", as: (@convention(c) (Object?, Object?, Object?) -> Object?).self),
            let makeDictionary = find("PyDict_New", as: (@convention(c) () -> Object?).self),
            let setItem = find("PyDict_SetItem", as: (@convention(c) (Object?, Object?, Object?) -> Int32).self),
            let borrowItem = find("PyDict_GetItem", as: (@convention(c) (Object?, Object?) -> Object?).self),
            let clearError = find("PyErr_Clear", as: (@convention(c) () -> Void).self),
            let none = CFDMetricsLinux_dlsym("_Py_NoneStruct"), let typeError = exception("PyExc_TypeError"),
            let valueError = exception("PyExc_ValueError"), let runtimeError = exception("PyExc_RuntimeError")
        else { return nil }
        self.asPointer = asPointer
        self.asDouble = asDouble
        self.asSize = asSize
        self.errorOccurred = errorOccurred
        self.setError = setError
        self.retain = retain
        self.tupleSize = tupleSize
        self.tupleItem = tupleItem
        self.utf8 = utf8
        self.makeBytes = makeBytes
        self.bytesAddress = bytesAddress
        self.bytesSize = bytesSize
        self.release = release
        self.makeTuple = makeTuple
        self.setTupleItem = setTupleItem
        self.call = call
        self.makeDictionary = makeDictionary
        self.setItem = setItem
        dictionaryItem = find(
            "PyDict_GetItemRef",
            as: (@convention(c) (Object?, Object?, UnsafeMutablePointer<Object?>?) -> Int32).self)
        self.borrowItem = borrowItem
        self.clearError = clearError
        self.none = none
        self.typeError = typeError
        self.valueError = valueError
        self.runtimeError = runtimeError
    }

    // Where the functions stand, once they are looked up. 0: not yet.
    private static let address = Atomic<UInt>(0)

    /// What `prepare` found. Relaxed would do on x86-64; acquire pairs with its release.
    @inline(__always)
    static var current: UnsafePointer<PythonAPI>? {
        UnsafePointer(bitPattern: address.load(ordering: .acquiring))
    }

    /// Looks the functions up, once.
    static func prepare() throws(StoreError) {
        if current != nil { return }
        guard let found = PythonAPI() else {
            throw StoreError(
                .unsupported,
                "this process has no CPython, or one without the C API of Python 3.9: use the plain functions")
        }
        let place = UnsafeMutablePointer<PythonAPI>.allocate(capacity: 1)
        place.initialize(to: found)
        if !address.compareExchange(
            expected: 0, desired: UInt(bitPattern: place), ordering: .acquiringAndReleasing
        ).exchanged {
            place.deallocate()
        }
    }
}

extension UnsafePointer where Pointee == PythonAPI {
    /// The address in a builtin's self: 8 bytes, which is quicker to read than an int. nil: it is 0, or self is no bytes
    /// object, which has raised.
    @inline(__always)
    func handle(_ object: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        // A process that does nothing but update what it has would not notice that its store was deleted.
        if CFDMetricsLinux_tick() != 0 { StoreMoves.lookAtAll(whenLast: Renderer.forgetAll) }
        guard let bytes = pointee.bytesAddress(object) else { return nil }
        return UnsafeRawPointer(bytes).loadUnaligned(as: UnsafeMutableRawPointer?.self)
    }

    /// None, as a new reference.
    @inline(__always)
    func none() -> UnsafeMutableRawPointer? {
        pointee.retain(pointee.none)
        return pointee.none
    }

    /// What a builtin of no handle returns: None, unless its self was no address, which has raised.
    @inline(never)
    func nothing() -> UnsafeMutableRawPointer? { pointee.errorOccurred() == nil ? none() : nil }

    /// Calls what takes any arguments, in the way that every version of Python has.
    func call(
        _ callable: UnsafeMutableRawPointer?, _ arguments: UnsafePointer<UnsafeMutableRawPointer?>?, _ count: Int,
        _ keywords: UnsafeMutableRawPointer?
    ) -> UnsafeMutableRawPointer? {
        guard let positional = pointee.makeTuple(count) else { return nil }
        defer { pointee.release(positional) }
        for index in 0..<count {
            let argument = arguments.unsafelyUnwrapped[index]
            pointee.retain(argument)
            // Takes the reference over.
            if pointee.setTupleItem(positional, index, argument) != 0 { return nil }
        }
        guard let keywords else { return pointee.call(callable, positional, nil) }
        guard let named = pointee.makeDictionary() else { return nil }
        defer { pointee.release(named) }
        for index in 0..<pointee.tupleSize(keywords) {
            let argument = arguments.unsafelyUnwrapped[count + index]
            if pointee.setItem(named, pointee.tupleItem(keywords, index), argument) != 0 { return nil }
        }
        return pointee.call(callable, positional, named)
    }

    /// Raises; the result is what a builtin returns then.
    @inline(never)
    func raise(_ type: UnsafeMutableRawPointer, _ message: StaticString) -> UnsafeMutableRawPointer? {
        pointee.setError(type, ConstantText.of(message))
        return nil
    }

    /// The one number that a builtin takes, positional or by a keyword; where it takes an exemplar too, that is ignored.
    /// nil: there is none, or it was refused (then `failed`, and the exception is set).
    @inline(__always)
    func number(
        _ arguments: UnsafePointer<UnsafeMutableRawPointer?>?, _ count: Int, _ keywords: UnsafeMutableRawPointer?,
        keyword: StaticString, takesExemplar: Bool, failed: inout Bool
    ) -> Double? {
        if keywords == nil {
            if count == 0 { return nil }
            if count == 1 { return double(arguments.unsafelyUnwrapped[0], &failed) }
        }
        return slowNumber(arguments, count, keywords, keyword, takesExemplar, &failed)
    }

    @inline(__always)
    private func double(_ object: UnsafeMutableRawPointer?, _ failed: inout Bool) -> Double? {
        let value = pointee.asDouble(object)
        if value == -1, pointee.errorOccurred() != nil {
            failed = true
            return nil
        }
        return value
    }

    @inline(never)
    private func slowNumber(
        _ arguments: UnsafePointer<UnsafeMutableRawPointer?>?, _ count: Int, _ keywords: UnsafeMutableRawPointer?,
        _ keyword: StaticString, _ takesExemplar: Bool, _ failed: inout Bool
    ) -> Double? {
        failed = true
        guard count <= (takesExemplar ? 2 : 1), let arguments else {
            _ = raise(pointee.typeError, "too many arguments: it takes one number")
            return nil
        }
        // Positional: the number, then an exemplar.
        var number = count > 0 ? arguments[0] : nil
        let keywordCount = keywords.map { pointee.tupleSize($0) } ?? 0
        for index in 0..<keywordCount {
            guard let name = pointee.utf8(pointee.tupleItem(keywords, index), nil) else { return nil }
            if takesExemplar, CFDMetricsLinux_strcmp(name, "exemplar") == 0 { continue }
            guard CFDMetricsLinux_strcmp(name, ConstantText.of(keyword)) == 0, number == nil else {
                _ = raise(pointee.typeError, "unexpected or repeated keyword argument")
                return nil
            }
            number = arguments[count + index]
        }
        failed = false
        return number.flatMap { double($0, &failed) }
    }
}
