# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A server and a client of fdmetrics.fastdeploy, over real sockets or over objects that stand for sockets."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any, Deque, Dict, List, Optional

import zmq

from fdmetrics import Registry
from fdmetrics.fastdeploy import ZmqIpcClient, ZmqIpcServer, ZmqServerBase

from .support import Samples

#: How long a message may take to arrive, in milliseconds.
PATIENCE = 30_000


class StandIn:
    """An object with send and recv, and no more of what a zmq.Socket has. What is sent can be received.

    Where it has room for so many messages only, it refuses more.
    """

    def __init__(self) -> None:
        self.queue: Deque[bytes] = collections.deque()
        self.room: Optional[int] = None

    def send(self, data: Any, flags: int = 0, copy: bool = True) -> str:
        if self.room is not None and len(self.queue) >= self.room:
            raise zmq.Again()
        self.queue.append(bytes(data))
        return f"sent with {flags}"

    def recv(self, flags: int = 0) -> bytes:
        if not self.queue:
            raise zmq.Again()
        return self.queue.popleft()


class Ends:
    """A server in mode PULL and a client in mode PUSH, and what was recorded of their link."""

    def __init__(self, registry: Registry, directory: Path, stand_in: Optional[StandIn] = None) -> None:
        self.registry = registry
        self.server = ZmqIpcServer("t", zmq.PULL, directory=str(directory), registry=registry, socket=stand_in)
        self.client = ZmqIpcClient("t", zmq.PUSH, directory=str(directory), registry=registry, socket=stand_in)
        self.stand_in = stand_in
        if stand_in is None:
            self.server.socket.rcvtimeo = PATIENCE

    def send_raw(self, message: bytes) -> None:
        """Lets the server receive these bytes; counted neither as sent nor as failed."""
        if self.stand_in is not None:
            self.stand_in.queue.append(message)
            return
        with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
            socket.connect(self.server.address or "")
            socket.send(message)
            # The context ends when the message has left.

    def receive(self, pickled: bool = False) -> Any:
        """One message, as soon as it is there."""
        return self.server.recv_pyobj() if pickled else self.server.recv_json()

    def counts(self) -> Dict[str, float]:
        """What was recorded of the link and is not zero, by the end of the series' names."""
        return counts_of(self.registry, self.server)

    def close(self) -> None:
        self.server.close()
        self.client.close()


def counts_of(registry: Registry, server: ZmqServerBase) -> Dict[str, float]:
    """What was recorded of a server's link and is not zero, by the end of the series' names."""
    samples = Samples(registry)
    names: List[str] = ["msg_send", "msg_send_failed", "msg_bytes_send", "msg_recv", "msg_bytes_recv"]
    names += ["msg_recv_failed", "latency_skipped"]
    counts = {name: samples.get(f"fastdeploy:zmq:{name}_total", address=server.address or "") for name in names}
    counts["latency"] = samples.get("fastdeploy:zmq:latency_count", address=server.address or "")
    return {name: count for name, count in counts.items() if count}
