// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
/// How long to wait before a batch is tried again: twice as long each time, and at random half of it less, so that many
/// senders do not come back at once.
package struct Backoff: Sendable {
    /// The first wait.
    package var initial: Duration
    /// The longest wait that is not asked for by the receiver.
    package var maximum: Duration
    private var failures = 0

    package init(initial: Duration = .milliseconds(500), maximum: Duration = .seconds(30)) {
        self.initial = initial
        self.maximum = maximum
    }

    /// The longest wait that a receiver may ask for with Retry-After.
    static let longestAsked: Duration = .seconds(600)

    /// The wait after one more failure.
    /// - Parameter asked: What the receiver asked for; it is waited for at least.
    mutating func next(asked: Duration?, using random: inout some RandomNumberGenerator) -> Duration {
        let doublings = min(failures, 30)
        failures += 1
        let full = min(maximum, initial * (1 << doublings))
        let wait = full * Double.random(in: 0.5...1, using: &random)
        return max(wait, min(asked ?? .zero, Self.longestAsked))
    }

    /// Begins anew after a success.
    mutating func reset() { failures = 0 }
}
#endif
