// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetricsTestSupport
import Glibc
import Logging
import NIOCore
import Testing

@testable import FDMetricsHTTP

@Suite("Who may have an answer", .timeLimit(.minutes(1)))
struct AccessTests {
    private func check(_ listening: String, host: String = "127.0.0.1", _ allowed: [String] = []) throws -> HostCheck? {
        let address = try SocketAddress(ipAddress: listening, port: 9919)
        // Who listens on every interface is connected to at one of its numbers.
        let local = try SocketAddress(ipAddress: listening == "0.0.0.0" ? "10.1.2.3" : listening, port: 9919)
        return HostCheck(listening: address, host: host, local: local, allowedHosts: allowed)
    }

    @Test(
        "On a loopback address a name that is no other's is answered",
        arguments: [
            "localhost", "localhost:9919", "LOCALHOST", "localhost.", "127.0.0.1", "127.0.0.1:80", "127.8.9.10:1",
            "[::1]",
            "[::1]:9919", "[::ffff:127.0.0.1]", "metrics.local", "Good.Example:1", "good.example.",
        ])
    func admitted(host: String) throws {
        let check = try #require(try check("127.0.0.1", host: "metrics.local", ["good.example"]))
        #expect(check.admits(host))
    }

    @Test(
        "No other is",
        arguments: [
            "", "evil.example", "evil.example:9919", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1",
            "[::2]",
            "[::ffff:10.0.0.1]", "good.example.evil.example", "::1", "[::1", "[::1]x", "localhost@evil.example",
            "0.0.0.0",
        ])
    func refused(host: String) throws {
        let check = try #require(try check("::1", host: "::1", ["good.example"]))
        #expect(!check.admits(host))
    }

    @Test("On other addresses names are looked at only where some are given")
    func otherAddresses() throws {
        #expect(try check("0.0.0.0", host: "0.0.0.0") == nil)
        #expect(try check("10.1.2.3", host: "10.1.2.3") == nil)
        let check = try #require(try check("0.0.0.0", host: "0.0.0.0", ["good.example"]))
        for host in ["good.example", "10.1.2.3:9919", "localhost"] { #expect(check.admits(host)) }
        for host in ["evil.example", "10.1.2.4"] { #expect(!check.admits(host)) }
    }

    @Test("A token is asked of those who do not send it")
    func token() throws {
        let temporary = TemporaryStore()
        let path = temporary.path("token")
        try write("  word-1\n", to: path)
        var configuration = MetricsServer.Configuration()
        configuration.bearerTokenFile = path
        let credentials = try Credentials(configuration, logger: Logger(label: "test"))
        for headers in [["Bearer word-1"], ["bearer  word-1"], ["BEARER word-1"]] {
            #expect(credentials.challenge(headers) == nil)
        }
        for headers in [[], [""], ["Bearer"], ["Basic word-1"], ["word-1"], ["Bearer word-1", "Bearer word-1"]] {
            #expect(credentials.challenge(headers) == "Bearer")
        }
        for word in ["word", "word-", "word-2", "word-1word-1", "word-1 ", "Word-1"] {
            #expect(credentials.challenge(["Bearer \(word)"]) == "Bearer error=\"invalid_token\"")
        }
        #expect(try Credentials(MetricsServer.Configuration(), logger: Logger(label: "test")).challenge([]) == nil)
    }

    @Test("A server whose files cannot be used does not begin to serve", arguments: ["", " \n", "two words", "\u{7F}"])
    func noToken(content: String) async throws {
        let temporary = TemporaryStore()
        let path = temporary.path("token")
        try write(content, to: path)
        var configuration = MetricsServer.Configuration(addresses: [.init(port: 0)])
        configuration.bearerTokenFile = path
        let bench = ServerBench(try temporary.open(), configuration: configuration)
        var problem = ""
        do { try await bench.end() } catch { problem = "\(error)" }
        #expect(problem.hasPrefix("\(path) has no bearer token; expected one word"))
    }

    private func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }
}
#endif
