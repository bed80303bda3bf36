// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetricsProtobuf
import SwiftProtobuf

/// Reads what an OTLP receiver answers.
enum OTLPAnswer {
    /// What a receiver that took a request did not take of it; nil: nothing, or it does not say.
    static func remark(_ body: [UInt8]) -> String? {
        guard let answer = try? OTLPExportMetricsServiceResponse(serializedBytes: body), answer.hasPartialSuccess else {
            return nil
        }
        let part = answer.partialSuccess
        if part.rejectedDataPoints == 0 && part.errorMessage.isEmpty { return nil }
        let message = PushProtocol.text(Array(part.errorMessage.utf8))
        return part.rejectedDataPoints == 0
            ? "the receiver warns: \(message)"
            : "the receiver rejected \(part.rejectedDataPoints) data points: \(message)"
    }

    /// The message of an error; nil: the body is none.
    static func message(_ body: [UInt8]) -> String? {
        guard let status = try? OTLPStatus(serializedBytes: body), !status.message.isEmpty else { return nil }
        return PushProtocol.text(Array(status.message.utf8))
    }
}
#endif
