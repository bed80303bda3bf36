# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A Python worker: sends requests to the engine, waits for the replies, and records both.

    worker.py NAME ENDPOINT SEED

The metrics are declared as in a program that uses prometheus_client; the socket records by itself.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import time

import zmq

import fdmetrics.zmq
from fdmetrics import Counter, Gauge, Histogram
from ledger import say, step

REQUESTS = Counter("demo_requests_total", "Requests, at each stage that they pass.", ["stage"])
OPERATIONS = Counter("demo_operations_total", "Operations of all processes, in all languages.")
PAYLOAD = Histogram("demo_payload_bytes", "Bytes of payloads.", buckets=(16, 32, 64, 128, 256, 512))
CACHED = Gauge("demo_cached_tokens", "Tokens in the caches of live workers.", multiprocess_mode="livesum")
LONGEST = Gauge("demo_longest_payload_bytes", "The longest payload of any process so far.", multiprocess_mode="max")

SENT = 'inc fastdeploy:zmq:msg_send_total{address="engine"} 1'
RECEIVED = 'inc fastdeploy:zmq:msg_recv_total{address="engine"} 1'
TIMED = 'inc fastdeploy:zmq:latency_count{address="engine"} 1'
REPLY_SECONDS = 10


class Worker:
    """One connection to the engine, with one request at a time."""

    def __init__(self, name: str, endpoint: str, seed: str) -> None:
        self.random = random.Random(seed)
        self.longest = 0
        self.number = 0
        # Looked up once: an update is then one call.
        self.sent_requests = REQUESTS.labels("worker")
        self.replies = REQUESTS.labels("worker_reply")
        self.context = fdmetrics.zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        # How the time of a request's sending travels: as one more frame, or around the JSON. The engine takes both.
        self.socket.carrier = "trailer" if int(name.rpartition("-")[2]) % 2 else "envelope"
        # Both ends give the link the same name, and so share its series; without one it would be the endpoint.
        self.socket.link = "engine"
        self.socket.routing_id = name.encode()
        self.socket.connect(endpoint)

    def exchange(self) -> None:
        """One request and its reply, each counted where it happens."""
        prompt = "x" * self.random.randrange(600)
        self.number += 1
        with step('inc demo_requests_total{stage="worker"} 1'):
            self.sent_requests.inc()
        with step(f"observe demo_payload_bytes {len(prompt)}"):
            PAYLOAD.observe(len(prompt))
        if len(prompt) > self.longest:
            self.longest = len(prompt)
            with step(f"set demo_longest_payload_bytes {self.longest}"):
                LONGEST.set(self.longest)
        with step(SENT):
            self.socket.send_json({"id": self.number, "prompt": prompt})

        if not self.socket.poll(REPLY_SECONDS * 1000):
            sys.exit(f"worker: no reply to request {self.number} within {REPLY_SECONDS} s")
        with step(RECEIVED, TIMED):
            reply = self.socket.recv_json()
        if reply != {"reply": {"id": self.number, "prompt": prompt}}:
            sys.exit(f"worker: request {self.number} was answered by {reply!r}")
        with step('inc demo_requests_total{stage="worker_reply"} 1'):
            self.replies.inc()
        with step("inc demo_operations_total 1"):
            OPERATIONS.inc()
        tokens = self.random.randrange(1000)
        with step(f"set demo_cached_tokens {tokens}"):
            CACHED.set(tokens)
        time.sleep(self.random.uniform(0, 0.004))

    def close(self) -> None:
        """Gives up the connection."""
        self.context.destroy(linger=0)


def main() -> None:
    """Obeys run.py: `g` goes, `s` stops, the end of the input ends."""
    # Where nobody reads the ledger any more, there is nothing left to do.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    worker = Worker(*sys.argv[1:4])
    say("ready")
    while command := os.read(0, 1):
        if command == b"s":
            say("idle")
            continue
        while not select.select([0], [], [], 0)[0]:
            worker.exchange()
    worker.close()


if __name__ == "__main__":
    main()
