// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetricsStore
import Logging

/// What a pusher tells its operator: each trouble once when it begins and once when it is over, all else only if asked.
struct PushLog {
    private let logger: Logger
    private let receiver: String

    init(_ logger: Logger, receiver: String) {
        self.logger = logger
        self.receiver = receiver
    }

    func events(_ events: [Delivery.Event]) { events.forEach(event) }

    private func event(_ event: Delivery.Event) {
        switch event {
        case .failing(let reason, let wait):
            logger.warning("cannot push to \(receiver): \(reason); trying again in \(seconds(wait))")
        case .stillFailing(let reason, let wait):
            logger.debug("cannot push to \(receiver): \(reason); trying again in \(seconds(wait))")
        case .recovered(let failures):
            logger.notice("pushing to \(receiver) works again after \(failures) failed attempts")
        case .refused(let reason, let samples, let isRepeated):
            logger.log(
                level: isRepeated ? .debug : .warning,
                "\(receiver) refused a request with \(samples) samples, which are dropped: \(reason)")
        case .remark(let text):
            logger.warning("\(receiver): \(text)")
        case .overflowed(let samples, let isRepeated):
            logger.log(
                level: isRepeated ? .debug : .warning,
                "the queue is full: the oldest \(samples) samples for \(receiver) are dropped (see --queue-limit)")
        }
    }

    func cannotRead(_ error: StoreError, isFirst: Bool) {
        let isWaiting = error.code == .notFound
        logger.log(
            level: isFirst ? (isWaiting ? .notice : .warning) : .debug,
            isWaiting ? "waiting for a store: \(error.message)" : "cannot read the store: \(error.message)")
    }

    func cannotEncode(_ error: any Error) { logger.error("cannot encode the store's metrics: \(error)") }

    func queued(_ count: Int, waiting: Int, bytes: Int) {
        if count > 0 { logger.debug("\(count) requests more; \(waiting) wait, with \(bytes) bytes") }
    }

    /// - Parameter time: That of the samples, ns since the epoch.
    func read(at time: UInt64) { logger.debug("read at \(time / 1_000_000)") }

    func answered(_ outcome: PushOutcome, samples: Int) {
        switch outcome {
        case .answered(let status, _, _): logger.debug("\(receiver): \(samples) samples, status \(status)")
        case .failed(let reason): logger.debug("\(receiver): \(samples) samples, \(reason)")
        }
    }

    func end(_ statistics: PushStatistics) {
        logger.log(level: statistics.isComplete ? .info : .warning, "\(receiver): \(statistics.summary)")
    }

    /// With one digit behind the point.
    private func seconds(_ duration: Duration) -> String {
        let tenths = Int((duration / .milliseconds(100)).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
#endif
