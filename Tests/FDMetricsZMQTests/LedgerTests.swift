// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
@testable import FDMetricsZMQ
import FDMetricsZMQRecording
import Testing

/// What becomes of events in orders that libzmq's I/O threads seldom bring about.
@Suite struct LedgerTests {
    /// What a ledger makes of events at one endpoint.
    private func recorded(
        _ events: [(ZMQMonitorEvent.Kind, UInt32)], hasHandshakes: Bool = true
    ) -> [ZMQConnectionEvent] {
        var ledger = ConnectionLedger(hasHandshakes: hasHandshakes)
        return events.flatMap { ledger.take(ZMQMonitorEvent(kind: $0, value: $1, endpoint: "tcp://a")) }
    }

    @Test func aHandshakeBeforeItsConnection() {
        #expect(recorded([(.handshakeSucceeded, 0), (.connected, 7)]) == [.connected])
        // The next one's handshake is still to come.
        #expect(recorded([(.handshakeSucceeded, 0), (.connected, 7), (.connected, 8)]) == [.connected])
    }

    @Test func handshakesOfWhoWasAcceptedMakeNoConnectionsOfOurs() {
        let events: [(ZMQMonitorEvent.Kind, UInt32)] = [
            (.handshakeSucceeded, 0), (.accepted, 7), (.accepted, 8), (.handshakeSucceeded, 0), (.connected, 9),
        ]
        #expect(recorded(events) == [.accepted, .accepted])
    }

    @Test func aDescriptorInUseAgain() {
        #expect(recorded([(.accepted, 7), (.accepted, 7)]) == [.accepted, .disconnected, .accepted])
    }

    @Test func aConnectionThatFailsBeforeItsHandshake() {
        let events: [(ZMQMonitorEvent.Kind, UInt32)] = [
            (.connected, 7), (.handshakeFailed, 0), (.disconnected, 7), (.connected, 7), (.handshakeSucceeded, 0),
            (.disconnected, 7), (.disconnected, 7),
        ]
        #expect(recorded(events) == [.handshakeFailed, .connected, .disconnected])
    }

    @Test func rawConnectionsHaveNoHandshakes() {
        #expect(recorded([(.connected, 7), (.disconnected, 7)], hasHandshakes: false) == [.connected, .disconnected])
    }

    @Test func whatIsGivenUpEndsOnce() {
        var ledger = ConnectionLedger(hasHandshakes: true)
        for (descriptor, endpoint) in [(7, "tcp://a"), (8, "tcp://b"), (9, "tcp://a")] {
            let event = ZMQMonitorEvent(kind: .accepted, value: UInt32(descriptor), endpoint: endpoint)
            #expect(ledger.take(event) == [.accepted])
        }
        #expect(ledger.giveUp("tcp://a") == [.disconnected, .disconnected])
        #expect(ledger.giveUp("tcp://a") == [])
        #expect(ledger.end() == [.disconnected])
        #expect(ledger.end() == [])
    }
}
#endif
