// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetrics
import FDMetricsStore
import FDMetricsTestSupport
import Glibc
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

@testable import FDMetricsExposition
@testable import FDMetricsHTTP

/// A server in this process, on a port of its own.
final class ServerBench: Sendable {
    private let task: Task<Void, any Error>
    private let address: AsyncStream<SocketAddress?>
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    init(
        configuration: MetricsServer.Configuration = .init(addresses: [.init(port: 0)]),
        counts: RequestCounts = RequestCounts(), makeWorker: @escaping @Sendable () -> any RenderWorker
    ) {
        var logger = Logger(label: "test", factory: StreamLogHandler.standardError(label:))
        logger.logLevel = .critical
        let (stream, listening) = AsyncStream.makeStream(of: SocketAddress?.self)
        address = stream
        let server = MetricsServer(
            configuration: configuration, logger: logger, counts: counts, onListening: { listening.yield($0) },
            makeWorker: makeWorker)
        task = Task { try await server.run() }
    }

    convenience init(_ store: Store, configuration: MetricsServer.Configuration = .init(addresses: [.init(port: 0)])) {
        self.init(configuration: configuration) {
            StoreSource(MetricRegistry(store: store), options: configuration.renderOptions, page: nil)
        }
    }

    /// The port, once it is listened on.
    func port() async -> Int {
        for await address in address { return address?.port ?? -1 }
        return -1
    }

    /// Waits until it ends by itself.
    func end() async throws { try await task.value }

    func cancel() async throws {
        task.cancel()
        try await task.value
    }

    /// One exchange on a connection of its own.
    func answer(_ port: Int, _ uri: String = "/metrics", headers: HTTPHeaders = [:]) async throws -> String {
        let text = Mutex("")
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.pipeline.addHandler(TextReader { part in text.withLock { $0 += part } })
            }
            .connect(host: "127.0.0.1", port: port).get()
        var request = "GET \(uri) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        for (name, value) in headers { request += "\(name): \(value)\r\n" }
        try await channel.writeAndFlush(ByteBuffer(string: request + "\r\n"))
        try await channel.closeFuture.get()
        return text.withLock { $0 }
    }
}

/// Hands on what it reads, as text.
private final class TextReader: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let read: @Sendable (String) -> Void

    init(_ read: @escaping @Sendable (String) -> Void) { self.read = read }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { read(String(buffer: unwrapInboundIn(data))) }
}

extension RequestCounts {
    /// What a scrape shows with these labels.
    fileprivate func value(_ labels: String) -> Double? {
        for family in counters.map(\.family) {
            for series in family.series where String(decoding: series.text, as: UTF8.self) == labels {
                return family.values[series.first]
            }
        }
        return nil
    }
}

@Suite("A server in the process that records", .timeLimit(.minutes(1)))
struct MetricsServerTests {
    @Test("It serves what is recorded, in the format that is asked for, and ends when it is cancelled")
    func serves() async throws {
        let temporary = TemporaryStore()
        let store = try temporary.open()
        let counter = try MetricRegistry(store: store).counter("served")
        let bench = ServerBench(store)
        let port = await bench.port()
        counter.increment()
        let text = try await bench.answer(port)
        #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(text.contains("\r\nContent-Type: text/plain; version=0.0.4"))
        #expect(text.contains("\r\nConnection: close\r\n"))
        #expect(text.contains("\nserved_total 1.0\n"))
        let openMetrics = try await bench.answer(port, headers: ["Accept": "application/openmetrics-text"])
        #expect(openMetrics.contains("\r\nContent-Type: application/openmetrics-text; version=1.0.0"))
        #expect(openMetrics.hasSuffix("# EOF\n"))
        #expect(try await bench.answer(port, "/nothing").hasPrefix("HTTP/1.1 404 "))
        try await bench.cancel()
        await #expect(throws: (any Error).self) { try await bench.answer(port) }
    }

    @Test("What it counts of itself gives way to what somebody has registered under the same name")
    func ownCounts() async throws {
        let temporary = TemporaryStore()
        let registry = MetricRegistry(store: try temporary.open())
        try registry.counter("fdmetrics_http_requests").increment(by: UInt64(41))
        let counts = RequestCounts()
        let bench = ServerBench(counts: counts) {
            StoreSource(registry, options: [.selfMetrics], page: nil, counts: counts)
        }
        let port = await bench.port()
        #expect(try await bench.answer(port, "/nothing").hasPrefix("HTTP/1.1 404 "))
        let text = try await bench.answer(port)
        #expect(text.contains("\nfdmetrics_http_requests_total 41.0\n"))
        #expect(!text.contains("{code="))
        #expect(text.contains("\nfdmetrics_http_response_bytes_total "))
        try await bench.cancel()
    }

    @Test("A second server waits for the port, and gets it when the first ends")
    func takesOver() async throws {
        let temporary = TemporaryStore()
        let store = try temporary.open()
        let first = ServerBench(store)
        let port = await first.port()
        let second = ServerBench(store, configuration: .init(addresses: [.init(port: port)]))
        #expect(try await first.answer(port, "/healthz").hasSuffix("\r\n\r\nok\n"))
        try await first.cancel()
        #expect(await second.port() == port)
        #expect(try await second.answer(port, "/healthz").hasSuffix("\r\n\r\nok\n"))
        try await second.cancel()
    }

    @Test("A port that is taken is an error where that was asked for")
    func takenPort() async throws {
        let temporary = TemporaryStore()
        let store = try temporary.open()
        let first = ServerBench(store)
        let port = await first.port()
        var configuration = MetricsServer.Configuration(addresses: [.init(port: port)])
        configuration.whenTaken = .fail
        let second = ServerBench(store, configuration: configuration)
        var problem = ""
        do { try await second.end() } catch { problem = "\(error)" }
        #expect(problem == "127.0.0.1:\(port) is in use by another process")
        try await first.cancel()
    }

    @Test("Past the bound a client is told to come again, and past the deadline too")
    func busy() async throws {
        let worker = SteppedWorker()
        var configuration = MetricsServer.Configuration(addresses: [.init(port: 0)])
        configuration.limits.waitingRenders = 1
        configuration.limits.requestTimeout = 0.5
        let counts = RequestCounts()
        let bench = ServerBench(configuration: configuration, counts: counts) { worker }
        let port = await bench.port()
        async let running = bench.answer(port)
        while !worker.hasBegun(.text, 1) { try await Task.sleep(for: .milliseconds(1)) }
        async let one = bench.answer(port, "/metrics?name[]=1")
        async let two = bench.answer(port, "/metrics?name[]=2")
        for answer in try await [running, one, two] {
            #expect(answer.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
            #expect(answer.contains("\r\nRetry-After: 1\r\n"))
        }
        #expect(counts.value("{code=\"503\"}") == 3)
        #expect(counts.value("{reason=\"busy\"}") == 1)
        #expect(counts.value("{reason=\"render_timeout\"}") == 2)
        // Nobody waits for the one that was waiting: it was never begun.
        worker.step(2)
        #expect(!worker.hasBegun(.named("1"), 1))
        #expect(!worker.hasBegun(.named("2"), 1))
        worker.step(10)
        try await bench.cancel()
    }

    @Test("A render that fails is an answer that says why")
    func failure() async throws {
        let worker = SteppedWorker()
        worker.step(10)
        let bench = ServerBench { worker }
        let answer = try await bench.answer(await bench.port())
        #expect(answer.hasPrefix("HTTP/1.1 500 Internal Server Error\r\n"))
        #expect(answer.hasSuffix("\r\n\r\ntext [] 1\n"))
        try await bench.cancel()
    }
}
#endif
