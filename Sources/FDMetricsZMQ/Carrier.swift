// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
/// How a socket's messages say when they were sent, which is what the link's latency is measured by.
///
/// A socket sends with its own carrier. It receives messages of every carrier and of none, so the two ends of a link need
/// not agree; a peer without any of this can be at either end.
public enum Carrier: Sendable, Equatable, CaseIterable {
    /// Not at all: messages are counted, and no latency is measured.
    case none
    /// JSON in an envelope, `{"__meta": {"send_ts": seconds}, "data": payload}`. For `sendJSON` only: other sends are as
    /// with `none`. A peer that knows no envelopes receives this object.
    case envelope
    /// One more frame of 24 bytes at the end of each message, whatever its payload. It is hidden from receivers of this
    /// library; a peer that does not know it receives one more frame.
    ///
    /// Sent without one are: a STREAM socket's messages and those of a socket with the option `conflate`, which know no
    /// frames; an XSUB's subscriptions; and a ROUTER's that are a routing id and nothing else.
    case trailer
}
#endif
