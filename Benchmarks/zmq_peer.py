# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The peer of the benchmark of messages: how FastDeploy records them, rebuilt in shape with prometheus_client.

A JSON envelope with a time stamp, an object that collects a message's numbers, then five labelled increments and one
observation, in prometheus_client's multi-process mode. The counters have other names than fdmetrics' own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import prometheus_client
from zmq.utils import jsonapi

MILLISECONDS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass
class MessageNumbers:
    """What one call has to say."""

    sent: int = 0
    failed: int = 0
    bytes_sent: int = 0
    received: int = 0
    bytes_received: int = 0
    latency: float = 0.0


class Peer:
    """Sends and receives JSON through plain pyzmq sockets. Make it after a fork, with PROMETHEUS_MULTIPROC_DIR set."""

    def __init__(self, address: str) -> None:
        self.address = address

        def counter(name: str) -> Any:
            return prometheus_client.Counter(f"peer_zmq_{name}", "Benchmark", ["address"])

        self.sent, self.failed, self.bytes_sent = counter("send"), counter("send_failed"), counter("bytes_send")
        self.received, self.bytes_received = counter("recv"), counter("bytes_recv")
        self.latency = prometheus_client.Histogram(
            "peer_zmq_latency", "Benchmark, in milliseconds", ["address"], buckets=MILLISECONDS
        )

    def record(self, numbers: MessageNumbers) -> None:
        address = self.address
        self.sent.labels(address=address).inc(numbers.sent)
        self.failed.labels(address=address).inc(numbers.failed)
        self.bytes_sent.labels(address=address).inc(numbers.bytes_sent)
        self.received.labels(address=address).inc(numbers.received)
        self.bytes_received.labels(address=address).inc(numbers.bytes_received)
        if numbers.latency > 0:
            self.latency.labels(address=address).observe(numbers.latency * 1000)

    def send_json(self, socket: Any, data: object) -> Any:
        numbers = MessageNumbers()
        try:
            message = jsonapi.dumps({"__meta": {"send_ts": time.perf_counter()}, "data": data})
            numbers.bytes_sent += len(message)
            return socket.send(message)
        except Exception:
            numbers.failed += 1
            raise
        finally:
            numbers.sent += 1
            self.record(numbers)

    def recv_json(self, socket: Any) -> Any:
        numbers = MessageNumbers()
        try:
            message = socket.recv()
            decoded = jsonapi.loads(message)
            numbers.bytes_received += len(message)
            numbers.received += 1
            if isinstance(decoded, dict) and "__meta" in decoded and "send_ts" in decoded["__meta"]:
                numbers.latency = time.perf_counter() - decoded["__meta"]["send_ts"]
                return decoded["data"]
            return decoded
        finally:
            self.record(numbers)
