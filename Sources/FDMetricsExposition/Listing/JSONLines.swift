// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// Writes one JSON value, a line for each member and element, without a tree of it in memory. Of the same form as JSONText.
struct JSONLines: ~Copyable {
    private(set) var out = TextBuffer()
    private var depth = 0
    private var isFirst = true

    /// Begins an object or an array: of a member, or, without a key, of an element.
    @inline(never)
    mutating func begin(_ bracket: StaticString, _ key: StaticString = "") {
        next(key)
        out.add(bracket)
        depth += 1
        isFirst = true
    }

    @inline(never)
    mutating func end(_ bracket: StaticString) {
        out.add(bracket)
        depth -= 1
        isFirst = false
    }

    @inline(never)
    mutating func add(_ key: StaticString, _ value: UInt64) {
        next(key)
        out.add(value)
    }

    @inline(never)
    mutating func add(_ key: StaticString, _ value: Int) {
        next(key)
        out.add(value)
    }

    @inline(never)
    mutating func add(_ key: StaticString, _ value: Bool) {
        next(key)
        out.add(value ? "true" : "false")
    }

    /// JSON has no infinity and no NaN: they become the strings "+Inf", "-Inf" and "NaN".
    @inline(never)
    mutating func add(_ key: StaticString, _ value: Double?) {
        next(key)
        guard let value else { return out.add("null") }
        if !value.isFinite { out.add("\"") }
        out.add(value)
        if !value.isFinite { out.add("\"") }
    }

    @inline(never)
    mutating func add(_ key: StaticString, _ value: String?) {
        next(key)
        if let value { out.add(value, as: .json) } else { out.add("null") }
    }

    /// A bucket's bound, as a string.
    mutating func addBound(_ bound: Double) {
        next("le")
        out.add("\"")
        out.add(bound)
        out.add("\"")
    }

    mutating func addStoreID(_ key: StaticString, _ store: StoreListing) {
        next(key)
        out.add("\"")
        out.addStoreID(store)
        out.add("\"")
    }

    /// A member whose key is a text of others.
    @inline(never)
    mutating func add(name: String, _ value: String) {
        next("")
        out.add(name, as: .json)
        out.add(": ")
        out.add(value, as: .json)
    }

    @inline(never)
    mutating func add(_ key: StaticString, _ values: [String]) {
        begin("[", key)
        for value in values { add("", value) }
        end("]")
    }

    @inline(never)
    private mutating func next(_ key: StaticString) {
        if depth > 0 {
            out.add(isFirst ? "\n" : ",\n")
            for _ in 0..<depth { out.add(" ") }
        }
        isFirst = false
        if key.utf8CodeUnitCount == 0 { return }
        out.add("\"")
        out.add(key)
        out.add("\": ")
    }

    consuming func finish() -> TextBuffer {
        out.add("\n")
        return out
    }
}
