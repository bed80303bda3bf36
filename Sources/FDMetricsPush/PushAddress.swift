// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FoundationEssentials

/// Why an address cannot be pushed to, as a sentence.
package struct PushAddressError: Error, CustomStringConvertible {
    package let description: String
}

/// Checks and completes the addresses that a user gives.
package enum PushAddress {
    /// The address of a receiver of remote write, as it is given.
    package static func remoteWrite(_ text: String) throws(PushAddressError) -> String { try checked(text) }

    /// The address of a receiver of OTLP: `/v1/metrics` is added where the path does not end with it.
    package static func otlp(_ text: String) throws(PushAddressError) -> String {
        let base = trimmed(try checked(text, mayHaveQuery: false))
        return base.hasSuffix("/v1/metrics") ? base : base + "/v1/metrics"
    }

    /// The address of a group of metrics on a Pushgateway.
    package static func pushgateway(
        _ text: String, job: String, labels: [PushLabel]
    ) throws(PushAddressError) -> String {
        trimmed(try checked(text, mayHaveQuery: false)) + PushgatewayPath.path(job: job, labels: labels)
    }

    private static func trimmed(_ text: String) -> String {
        var text = text[...]
        while text.hasSuffix("/") { text = text.dropLast() }
        return String(text)
    }

    /// - Parameter mayHaveQuery: no: a path is put behind it.
    private static func checked(_ text: String, mayHaveQuery: Bool = true) throws(PushAddressError) -> String {
        guard let url = URL(string: text), let scheme = url.scheme?.lowercased(), ["http", "https"].contains(scheme),
            let host = url.host(), !host.isEmpty
        else { throw PushAddressError(description: "\(text) is no address like http://HOST:PORT/PATH") }
        if url.user() != nil || url.password() != nil {
            throw PushAddressError(
                description:
                    "the address has a user's name in it, which others can see: give --user and --password-file")
        }
        if !mayHaveQuery, url.query() != nil || url.fragment() != nil {
            throw PushAddressError(description: "\(text) has a query or a fragment: a path is put behind the address")
        }
        return text
    }
}
#endif
