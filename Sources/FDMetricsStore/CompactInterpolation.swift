// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// Each part of a text in quotes is added by a call, in place of the standard library's code for it, which the compiler puts
/// into every place where it is used. Most of what the library says are errors that nobody ever sees, and their code was a
/// fifth of it.
///
/// A declaration of a module goes before the standard library's of the same form, so nothing says at the place of a text that
/// it uses these. Texts stay as they are.
extension DefaultStringInterpolation {
    @inline(never)
    package mutating func appendLiteral(_ literal: String) { write(literal) }

    @inline(never)
    package mutating func appendInterpolation(_ value: String) { write(value) }

    @inline(never)
    package mutating func appendInterpolation(_ value: Int) { write(value.description) }

    @inline(never)
    package mutating func appendInterpolation(_ value: Int32) { write(value.description) }

    @inline(never)
    package mutating func appendInterpolation(_ value: UInt32) { write(value.description) }

    @inline(never)
    package mutating func appendInterpolation(_ value: UInt64) { write(value.description) }

    @inline(never)
    package mutating func appendInterpolation(_ value: Double) { write(value.description) }
}
