// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
/// A request's content, ready to be sent, and sent again if need be.
package struct PushBatch: Sendable, Equatable {
    /// As it goes over the wire, compressed.
    package var body: [UInt8]
    /// The samples or data points in it, for the counts.
    package var samples: Int

    /// Whether it asks to delete what was pushed before.
    package var isDeletion = false

    package init(body: [UInt8], samples: Int) {
        self.body = body
        self.samples = samples
    }

    /// Asks to delete what was pushed before.
    package static var deletion: PushBatch {
        var batch = PushBatch(body: [], samples: 0)
        batch.isDeletion = true
        return batch
    }
}

/// How large one request may become.
package struct BatchLimits: Sendable {
    /// The most samples; a histogram has one for each bucket.
    package var samples: Int
    /// About the most bytes before compression.
    package var bytes: Int

    package init(samples: Int = 2000, bytes: Int = 1 << 20) {
        self.samples = samples
        self.bytes = bytes
    }
}
#endif
