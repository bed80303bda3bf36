// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import Dispatch
import FDMetricsExposition
import FDMetricsStore
import Glibc
import NIOHTTP1
import Synchronization
import Testing

@testable import FDMetricsHTTP

/// Renders each path of a page when the path is let go.
private final class GatedWorker: RenderWorker {
    private let begun = Mutex<Set<String>>([])
    private let gates: [String: DispatchSemaphore]

    init(_ paths: [String]) {
        gates = Dictionary(uniqueKeysWithValues: paths.map { ($0, DispatchSemaphore(value: 0)) })
    }

    func result(of job: RenderJob, wishes: [Rendering.Wish]) -> RenderResult {
        guard case .page(let path, _) = job else { return .page(nil) }
        begun.withLock { _ = $0.insert(path) }
        gates[path]?.wait()
        return .page(.text(.ok, path))
    }

    func letGo(_ path: String) { gates[path]?.signal() }

    func waitUntilBegun(_ path: String) async throws {
        while !begun.withLock({ $0.contains(path) }) { try await Task.sleep(for: .milliseconds(1)) }
    }
}

@Suite("A render that comes too late", .timeLimit(.minutes(1)))
struct LateRenderTests {
    @Test("The next request of the connection gets its own answer, whenever the late one comes")
    func nextRequest() async throws {
        let worker = GatedWorker(["/late", "/next", "/other"])
        var configuration = MetricsServer.Configuration(addresses: [.init(port: 0)])
        configuration.limits.concurrentRenders = 2
        configuration.limits.requestTimeout = 2
        let bench = ServerBench(configuration: configuration) { worker }
        let port = await bench.port()
        let client = RawClient(port)
        client.ask("/late")
        try await worker.waitUntilBegun("/late")
        #expect(await client.answer().head.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))

        client.ask("/next")
        try await worker.waitUntilBegun("/next")
        worker.letGo("/late")
        // This one is begun by the worker of the late one, and so when what that made has been dealt with.
        let other = RawClient(port)
        other.ask("/other")
        try await worker.waitUntilBegun("/other")
        worker.letGo("/next")
        worker.letGo("/other")
        let answer = await client.answer()
        #expect(answer.head.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(String(decoding: answer.body, as: UTF8.self) == "/next\n")
        #expect(String(decoding: await other.answer().body, as: UTF8.self) == "/other\n")
        try await bench.cancel()
    }
}

/// Makes answers of one size, all of one letter: the first of the name that is asked for.
private final class LargeWorker: RenderWorker {
    private let size: Int

    init(_ size: Int) { self.size = size }

    func result(of job: RenderJob, wishes: [Rendering.Wish]) -> RenderResult {
        guard case .scrape(let request) = job, let letter = request.names.first?.utf8.first,
            let bytes = malloc(size)
        else { return .page(nil) }
        memset(bytes, CInt(letter), size)
        let text: Renderer.Text = (bytes.assumingMemoryBound(to: CChar.self), size)
        return .rendering(Rendering(text, contentType: request.contentType, wishes: wishes))
    }
}

@Suite("Answers that are larger than the limit for what clients have not taken", .timeLimit(.minutes(1)))
struct LargeAnswerTests {
    private let size = 24 << 20

    private func bench() -> ServerBench {
        var configuration = MetricsServer.Configuration(addresses: [.init(port: 0)])
        configuration.limits.unsentBytes = 1 << 20
        let worker = LargeWorker(size)
        return ServerBench(configuration: configuration) { worker }
    }

    @Test("Two scrapers on a slow line both get them")
    func twoSlowOnes() async throws {
        let bench = bench()
        let port = await bench.port()
        let clients = ["a", "b"].map { name in
            let client = RawClient(port, isSlow: true)
            client.ask("/metrics?name[]=\(name)")
            return client
        }
        async let first = clients[0].answer(bytesPerSecond: 12_000_000)
        async let second = clients[1].answer(bytesPerSecond: 12_000_000)
        for (answer, letter) in zip(await [first, second], "ab".utf8) {
            #expect(answer.body.count == size)
            #expect(answer.body.first == letter)
            // Equal to itself one byte later: of one letter.
            #expect(answer.body.withUnsafeBytes { memcmp($0.baseAddress!, $0.baseAddress! + 1, $0.count - 1) } == 0)
        }
        try await bench.cancel()
    }

    @Test("A third one has the room of the oldest, if that is still there")
    func third() async throws {
        let bench = bench()
        let port = await bench.port()
        let oldest = RawClient(port, isSlow: true)
        oldest.ask("/metrics?name[]=a")
        let second = RawClient(port, isSlow: true)
        second.ask("/metrics?name[]=b")
        // Neither takes anything. The third is rendered when one of them has been cut off.
        let third = RawClient(port)
        third.ask("/metrics?name[]=c")
        #expect(await third.answer().body.count == size)
        #expect(await oldest.answer().body.count < size)
        #expect(await second.answer().body.count == size)
        try await bench.cancel()
    }
}
#endif
