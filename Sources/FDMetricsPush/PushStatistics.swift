// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
/// What became of what was pushed.
package struct PushStatistics: Sendable, Equatable {
    /// Samples that the receiver took.
    package var sent = 0
    /// Requests that the receiver took.
    package var requests = 0
    /// Attempts after which the same request was to be made again.
    package var retries = 0
    /// Requests that were made once more because the receiver may have forgotten what it had acknowledged.
    package var replayed = 0
    /// Samples that the receiver refused for good.
    package var refused = 0
    /// Requests that the receiver refused for good; one of metadata has no samples.
    package var refusedRequests = 0
    /// Samples that the queue had no room for.
    package var overflowed = 0
    /// Requests that it had none for.
    package var overflowedRequests = 0
    /// Samples that were still waiting at the end.
    package var undelivered = 0
    /// Requests that were; one of metadata has no samples.
    package var undeliveredRequests = 0
    /// Readings of a store that could not be read, or encoded.
    package var unread = 0

    package init() {}

    /// Whether all that was read has arrived.
    package var isComplete: Bool {
        refusedRequests == 0 && overflowedRequests == 0 && undeliveredRequests == 0 && unread == 0
    }

    /// For the log.
    package var summary: String {
        var parts = ["\(sent) samples sent in \(requests) requests", "\(retries) retries"]
        if replayed > 0 { parts.append("\(replayed) requests sent again after an outage") }
        parts.append("\(refused + overflowed) samples dropped")
        if refusedRequests > 0 { parts.append("\(refused) of them refused in \(refusedRequests) requests") }
        if overflowed > 0 { parts.append("\(overflowed) of them for want of room in the queue") }
        if undeliveredRequests > 0 { parts.append("\(undelivered) not delivered in \(undeliveredRequests) requests") }
        return parts.joined(separator: ", ")
    }
}
#endif
