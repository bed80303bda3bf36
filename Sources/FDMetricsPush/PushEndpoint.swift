// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
/// Where requests go and what they carry besides their content.
package struct PushEndpoint: Sendable {
    package enum Method: String, Sendable {
        case post = "POST"
        case put = "PUT"
    }

    /// A header's name and value.
    package struct Header: Sendable, Equatable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// How the receiver knows who pushes. Files are read anew for each request, so that a token may change meanwhile.
    package enum Credentials: Sendable, Equatable {
        case none
        /// A file with a token.
        case bearerToken(file: String)
        /// A user's name and a file with the password.
        case basic(user: String, passwordFile: String)
    }

    /// The whole address.
    package var url: String
    /// Of requests that delete nothing.
    package var method: Method
    /// All but credentials.
    package var headers: [Header]
    package var credentials: Credentials
    /// A file with the certificates of authorities, in place of the system's.
    package var authorities: String?
    /// How long a connection may take to be made.
    package var connectTimeout: Duration
    /// How long a request may take.
    package var timeout: Duration

    package init(
        url: String, method: Method = .post, headers: [Header] = [], credentials: Credentials = .none,
        authorities: String? = nil, connectTimeout: Duration = .seconds(5), timeout: Duration = .seconds(30)
    ) {
        self.url = url
        self.method = method
        self.headers = headers
        self.credentials = credentials
        self.authorities = authorities
        self.connectTimeout = connectTimeout
        self.timeout = timeout
    }

    /// Sets a header in place of one of the same name.
    package mutating func setHeader(_ name: String, _ value: String) {
        headers.removeAll { $0.name.lowercased() == name.lowercased() }
        headers.append(Header(name, value))
    }
}

/// Makes requests. A protocol, so that tests can answer without a network.
package protocol PushTransport: Sendable {
    /// Makes one request, and says what it came to.
    func send(_ batch: PushBatch) async -> PushOutcome
    /// Ends it: connections are closed.
    func close() async
}
#endif
