# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What both kinds of Python workers have in common: their requests, and the metrics that they record themselves.

The metrics are declared as in a program that uses prometheus_client.
"""

from __future__ import annotations

import random
import sys
from typing import Any, Dict

from fdmetrics import Counter, Gauge, Histogram
from ledger import step

REQUESTS = Counter("demo_requests_total", "Requests, at each stage that they pass.", ["stage"])
OPERATIONS = Counter("demo_operations_total", "Operations of all processes, in all languages.")
PAYLOAD = Histogram("demo_payload_bytes", "Bytes of payloads.", buckets=(16, 32, 64, 128, 256, 512))
CACHED = Gauge("demo_cached_tokens", "Tokens in the caches of live workers.", multiprocess_mode="livesum")
LONGEST = Gauge("demo_longest_payload_bytes", "The longest payload of any process so far.", multiprocess_mode="max")

#: The longest that a worker waits for an answer, in milliseconds.
PATIENCE = 10_000

Message = Dict[str, Any]


class Requests:
    """The requests of one worker, one after the other."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.longest = 0
        self.number = 0
        self.tokens = 0
        # Looked up once: an update is then one call.
        self.sent = REQUESTS.labels("worker")
        self.answered = REQUESTS.labels("worker_reply")

    def next(self) -> Message:
        """The next request, for the engine."""
        prompt = "x" * self.random.randrange(600)
        self.number += 1
        with step('inc demo_requests_total{stage="worker"} 1'):
            self.sent.inc()
        with step(f"observe demo_payload_bytes {len(prompt)}"):
            PAYLOAD.observe(len(prompt))
        if len(prompt) > self.longest:
            self.longest = len(prompt)
            with step(f"set demo_longest_payload_bytes {self.longest}"):
                LONGEST.set(self.longest)
        return {"id": self.number, "prompt": prompt}

    def answer(self, request: Message, reply: object) -> Message:
        """Takes the engine's reply; what was used for it, for the recorder."""
        if reply != {"reply": request}:
            sys.exit(f"worker: request {self.number} was answered by {reply!r}")
        with step('inc demo_requests_total{stage="worker_reply"} 1'):
            self.answered.inc()
        with step("inc demo_operations_total 1"):
            OPERATIONS.inc()
        cached = self.random.randrange(1000)
        with step(f"set demo_cached_tokens {cached}"):
            CACHED.set(cached)
        self.tokens = len(request["prompt"])
        return {"tokens": self.tokens}

    def acknowledge(self, reply: object) -> None:
        """Takes the recorder's reply."""
        if reply != {"recorded": {"tokens": self.tokens}}:
            sys.exit(f"worker: the usage of request {self.number} was acknowledged by {reply!r}")

    def pause(self) -> float:
        """Seconds to the next request."""
        return self.random.uniform(0, 0.004)

    def missing(self) -> None:
        """Ends the process: nobody answers."""
        sys.exit(f"worker: nobody has answered request {self.number} within {PATIENCE / 1000:g} s")
