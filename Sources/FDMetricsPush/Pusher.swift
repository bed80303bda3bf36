// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetrics
package import FDMetricsStore
package import Logging

/// What `Pusher` is to do.
package struct PushConfiguration: Sendable {
    /// How often the store is read.
    package var interval: Duration = .seconds(15)
    /// Whether to read once only, and say nothing of the end of series.
    package var isOnce = false
    /// How long the last requests are tried at the end.
    package var flushTimeout: Duration = .seconds(10)
    /// The most bytes of requests that wait.
    package var queueLimit = 32 << 20
    package var backoff = Backoff()
    /// How long before a lost connection a request may have been acknowledged that is made once more; 0: none is.
    package var replay: Duration = .zero
    /// Whether series are said to have ended when pushing ends.
    package var marksEnd = true
    /// The receiver, for the log.
    package var receiver: String

    package init(receiver: String) { self.receiver = receiver }
}

/// Reads a store again and again, and sends what it reads to one receiver.
///
/// Two loops run beside each other: one reads and puts requests into the queue, one sends them. A receiver that is slow
/// or away does not delay the readings.
package actor Pusher<Source: PushSource> {
    private var source: Source
    private var encoder: PushEncoder
    private let transport: any PushTransport
    private let configuration: PushConfiguration
    private var delivery: Delivery
    private let log: PushLog
    private let readBell = Doorbell()
    private let sendBell = Doorbell()
    private var isStopped = false
    /// Why the latest reading failed.
    package private(set) var readError: StoreError?

    /// - Parameters:
    ///   - transport: Made for this pusher: it is closed at the end.
    ///   - random: Where the random part of waits comes from.
    package init(
        _ source: sending Source, _ encoder: PushEncoder, _ transport: any PushTransport,
        _ configuration: PushConfiguration, logger: Logger,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.source = source
        self.encoder = encoder
        self.transport = transport
        self.configuration = configuration
        log = PushLog(logger, receiver: configuration.receiver)
        delivery = Delivery(
            queueLimit: configuration.queueLimit, backoff: configuration.backoff, replay: configuration.replay,
            random: random)
    }

    /// Pushes until `stop()` is called, or once, and says what became of it.
    package func run() async -> PushStatistics {
        let sender = Task { await sendLoop() }
        await readLoop()
        let deadline = ContinuousClock.now + configuration.flushTimeout
        delivery.finish(by: deadline)
        sendBell.ring()
        // Ends a request that hangs.
        let alarm = Task {
            if (try? await ContinuousClock().sleep(until: deadline)) != nil { sender.cancel() }
        }
        await sender.value
        alarm.cancel()
        await transport.close()
        let statistics = delivery.finalStatistics()
        log.end(statistics)
        return statistics
    }

    /// Reads once more, tries for a while to send what waits, and ends.
    package func stop() {
        isStopped = true
        readBell.ring()
    }

    /// To be called when a connection has ended.
    package func connectionLost() {
        delivery.connectionLost(at: .now)
        sendBell.ring()
    }

    // MARK: - Reading

    private func readLoop() async {
        var due = ContinuousClock.now
        while !isStopped {
            read()
            if configuration.isOnce { return }
            // What was slept through is not made up for.
            let now = ContinuousClock.now
            repeat { due += configuration.interval } while due <= now
            while !isStopped && ContinuousClock.now < due { await readBell.wait(until: due) }
        }
        read()
        if configuration.marksEnd { enqueue { encoder, source in try encoder.end(at: source.time()) } }
    }

    private func read() {
        do throws(StoreError) {
            switch encoder {
            case .pushgateway:
                let text = try source.text()
                log.read(at: source.time())
                enqueue { _, _ in [PushBatch(body: text, samples: TextSamples.count(text))] }
            case .remoteWrite, .otlp:
                let reading = try source.read()
                log.read(at: reading.time)
                enqueue { encoder, _ in try encoder.batches(of: reading) }
            }
            readError = nil
        } catch {
            // With one reading, whoever asked for it says so.
            if !configuration.isOnce { log.cannotRead(error, isFirst: readError?.message != error.message) }
            // Waiting for a store that is not there is no loss.
            if error.code != .notFound || configuration.isOnce { delivery.countUnread() }
            readError = error
            // What was there is there no more.
            if !configuration.isOnce { enqueue { encoder, source in try encoder.absent(at: source.time()) } }
        }
    }

    private func enqueue(_ encode: (inout PushEncoder, inout Source) throws -> [PushBatch]) {
        do {
            let batches = try encode(&encoder, &source)
            let replacing = encoder.replacesWaiting && !batches.isEmpty
            log.events(delivery.enqueue(batches, replacing: replacing))
            log.queued(batches.count, waiting: delivery.queuedBatches, bytes: delivery.queuedBytes)
        } catch {
            delivery.countUnread()
            log.cannotEncode(error)
        }
        sendBell.ring()
    }

    // MARK: - Sending

    private func sendLoop() async {
        while true {
            switch delivery.step(at: .now) {
            case .finished: return
            case .wait(let time): await sendBell.wait(until: time)
            case .send(let id, let batch):
                let outcome = await transport.send(batch)
                let verdict = encoder.protocol.verdict(on: outcome)
                log.answered(outcome, samples: batch.samples)
                log.events(delivery.complete(id, verdict, at: .now))
            }
        }
    }
}
#endif
