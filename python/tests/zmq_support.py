# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Sockets for the tests of fdmetrics.zmq, and what was recorded of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

import fdmetrics.zmq
from fdmetrics import Registry

from .support import Samples


class Sockets:
    """Makes sockets that record into one store, and wait for seconds only."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.context = fdmetrics.zmq.Context()
        self.opened: List[fdmetrics.zmq.Socket] = []

    def open(self, kind: int) -> fdmetrics.zmq.Socket:
        socket = self.context.socket(kind)
        self.opened.append(socket)
        socket.linger = 0
        socket.rcvtimeo = socket.sndtimeo = 30_000
        socket.registry = self.registry
        return socket

    def close(self) -> None:
        for socket in self.opened:
            socket.close()
        self.context.term()


class Pair:
    """Two connected sockets that record into one store, over an ipc endpoint."""

    def __init__(self, sockets: Sockets, path: Path, left: int, right: int, carrier: str = "none") -> None:
        self.registry = sockets.registry
        self.address = f"ipc://{path}/s"
        self.left = sockets.open(left)
        self.right = sockets.open(right)
        self.left.carrier = self.right.carrier = carrier
        self.right.bind(self.address)
        self.left.connect(self.address)

    def count(self, name: str) -> Any:
        """One series of the pair's address, by the end of its name."""
        return Samples(self.registry).get(f"fastdeploy:zmq:{name}", address=self.address)

    def counts(self) -> Dict[str, Any]:
        """The series of the pair's address, by the end of their names."""
        samples = Samples(self.registry)
        names = ("msg_send", "msg_send_failed", "msg_bytes_send", "msg_recv", "msg_bytes_recv")
        counts = {name: samples.get(f"fastdeploy:zmq:{name}_total", address=self.address) for name in names}
        counts["latency"] = samples.get("fastdeploy:zmq:latency_count", address=self.address)
        return counts


def expected(sent: int, sent_bytes: int, received: int, received_bytes: int, latency: int = 0, failed: int = 0) -> Any:
    return {
        "msg_send": sent,
        "msg_send_failed": failed,
        "msg_bytes_send": sent_bytes,
        "msg_recv": received,
        "msg_bytes_recv": received_bytes,
        "latency": latency,
    }
