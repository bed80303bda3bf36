# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A zmq_proxy between the two ends: it hands over whatever frames there are, envelopes and trailers too."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import zmq

from conversation import CARRIERS, End, Peers, converse
from expositions import Exposition

COUNT = 25
# Types of the ends, and of the proxy's sockets that face them.
PATTERNS = [
    ("rep", "req", zmq.DEALER, zmq.ROUTER),
    ("pull", "push", zmq.PUSH, zmq.PULL),
    ("sub", "pub", zmq.XPUB, zmq.XSUB),
]
LANGUAGES = [("c", "python"), ("python", "swift"), ("swift", "c")]


@contextmanager
def proxy(first: End, first_kind: int, second: End, second_kind: int) -> Iterator[None]:
    """A proxy that is bound to the two endpoints, without instrumentation."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sockets = []
    for end, kind in ((first, first_kind), (second, second_kind)):
        socket = context.socket(kind)
        socket.linger = 0
        socket.bind(end.endpoint)
        sockets.append(socket)

    def run() -> None:
        with suppress(zmq.ContextTerminated):
            zmq.proxy(*sockets)
        for socket in sockets:
            socket.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        context.term()
        thread.join()


@pytest.mark.parametrize("languages", LANGUAGES, ids="-".join)
@pytest.mark.parametrize("kinds", PATTERNS, ids=lambda kinds: f"{kinds[0]}-{kinds[1]}")
@pytest.mark.parametrize("carrier", CARRIERS)
def test_proxy(
    peers: Peers,
    folder: Path,
    store: Path,
    exposition: Callable[[], Exposition],
    seed: int,
    carrier: str,
    kinds: tuple[str, str, int, int],
    languages: tuple[str, str],
) -> None:
    first = End(languages[0], kinds[0], f"ipc://{folder}/first.ipc", "connect")
    second = End(languages[1], kinds[1], f"ipc://{folder}/second.ipc", "connect")
    begin = time.monotonic()
    with proxy(first, kinds[2], second, kinds[3]):
        outcome = converse(peers, store, first, second, carrier, COUNT, seed)
    seconds = time.monotonic() - begin
    shown = exposition()
    # Each end has a link of its own: its endpoint is that of its side of the proxy.
    for end, totals in ((first, outcome.first), (second, outcome.second)):
        assert shown.total("msg_send_total", end.endpoint) == totals["sent"]
        assert shown.total("msg_recv_total", end.endpoint) == totals["received"]
        assert shown.total("msg_send_failed_total", end.endpoint) == totals["failed"]
    stamped = 0 if carrier == "none" else outcome.both("received")
    assert shown.total("latency_count") == stamped, json.dumps([outcome.first, outcome.second])
    assert shown.total("latency_skipped_total") == 0
    assert 0 <= shown.total("latency_sum") <= stamped * seconds * 1000
