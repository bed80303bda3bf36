# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What counts where a frame is refused, in the middle of a message and before it."""

from __future__ import annotations

import socket as kernel
from typing import Any, Callable, Dict, List, Tuple

import pytest
import zmq

import fdmetrics.zmq
from fdmetrics import Registry

from .support import Samples
from .zmq_support import Sockets, expected

ADDRESS = "inproc://refused"

REFUSED: Dict[str, Callable[[Any], Any]] = {
    "text": lambda socket: socket.send("text"),
    "more text": lambda socket: socket.send("text", zmq.SNDMORE),
    "a frame of text": lambda socket: socket.send("text", copy=False),
    "flags": lambda socket: socket.send(b"x", None),
    "untracked": lambda socket: socket.send(zmq.Frame(b"x"), track=True),
    "json": lambda socket: socket.send_json(object),
    "multipart": lambda socket: socket.send_multipart([b"x", "text"]),
}


def counts(registry: Registry) -> Dict[str, Any]:
    samples = Samples(registry)
    names = ("msg_send", "msg_send_failed", "msg_bytes_send", "msg_recv", "msg_bytes_recv")
    found = {name: samples.get(f"fastdeploy:zmq:{name}_total", address=ADDRESS) for name in names}
    found["latency"] = samples.get("fastdeploy:zmq:latency_count", address=ADDRESS)
    return found


def connected(sockets: Sockets, kinds: Tuple[int, int]) -> List[Any]:
    left, right = sockets.open(kinds[0]), sockets.open(kinds[1])
    if kinds[1] == zmq.SUB:
        right.subscribe(b"")
    if zmq.ROUTER in kinds:
        right.identity = b"peer"
    left.bind(ADDRESS)
    right.connect(ADDRESS)
    if kinds[0] == zmq.XPUB:
        left.recv()
    return [left, right]


@pytest.mark.parametrize("carrier", fdmetrics.zmq.CARRIERS)
@pytest.mark.parametrize("refused", REFUSED)
@pytest.mark.parametrize(
    "kinds",
    [
        (zmq.PUSH, zmq.PULL),
        (zmq.DEALER, zmq.DEALER),
        (zmq.PAIR, zmq.PAIR),
        (zmq.XPUB, zmq.SUB),
        (zmq.REQ, zmq.REP),
        (zmq.ROUTER, zmq.DEALER),
    ],
)
def test_a_refused_frame_leaves_the_message_whole(
    kinds: Tuple[int, int], refused: str, carrier: str, sockets: Sockets
) -> None:
    left, right = connected(sockets, kinds)
    left.carrier = right.carrier = carrier
    first = b"peer" if kinds[0] == zmq.ROUTER else b"first"
    if kinds[0] == zmq.ROUTER:
        right.send(b"")
        left.recv_multipart()
    before = counts(sockets.registry)
    left.send(first, zmq.SNDMORE)
    for _ in range(2):
        with pytest.raises((TypeError, ValueError)):
            REFUSED[refused](left)
    left.send(b"last")
    message = right.recv_multipart()
    assert message == ([b"last"] if kinds[0] == zmq.ROUTER else [first, b"last"])
    sent, received = len(first + b"last"), len(b"".join(message))
    change = {name: (value or 0) - (before[name] or 0) for name, value in counts(sockets.registry).items()}
    assert change == expected(1, sent, 1, received, latency=int(carrier == "trailer"), failed=2)


@pytest.mark.parametrize("carrier", fdmetrics.zmq.CARRIERS)
@pytest.mark.parametrize("send", [lambda s: s.send(b"x"), lambda s: s.send_multipart([b"x", b"y"])])
def test_a_reply_in_the_middle_of_a_request(send: Callable[[Any], Any], carrier: str, sockets: Sockets) -> None:
    server, client = connected(sockets, (zmq.REP, zmq.REQ))
    server.carrier = client.carrier = carrier
    for turn in range(3):
        for asking, answering in ((client, server), (server, client)):
            asking.send_multipart([b"a", b"b"])
            assert answering.recv() == b"a"
            with pytest.raises(zmq.ZMQError) as caught:
                send(answering)
            assert caught.value.errno == zmq.EFSM
            assert answering.recv() == b"b" and not answering.rcvmore
        count = 2 * (turn + 1)
        latency = count if carrier == "trailer" else 0
        assert counts(sockets.registry) == expected(count, 2 * count, count, 2 * count, latency, failed=count)


def test_a_router_that_nobody_answers_to_begins_anew(sockets: Sockets) -> None:
    router, dealer = connected(sockets, (zmq.ROUTER, zmq.DEALER))
    router.router_mandatory = 1
    dealer.send(b"x")
    router.recv_multipart()
    for _ in range(2):
        with pytest.raises(zmq.ZMQError) as caught:
            router.send(b"nobody", zmq.SNDMORE)
        assert caught.value.errno == zmq.EHOSTUNREACH
        router.send_multipart([b"peer", b"y"])
        assert dealer.recv() == b"y"
    assert counts(sockets.registry) == expected(3, 11, 3, 7, failed=2)


def test_a_stream_s_second_frame_ends_its_message(registry: Registry) -> None:
    with fdmetrics.zmq.Context(registry=registry) as context, context.socket(zmq.STREAM) as stream:
        stream.linger, stream.rcvtimeo = 0, 30_000
        stream.link = ADDRESS
        port = stream.bind_to_random_port("tcp://127.0.0.1")
        with kernel.create_connection(("127.0.0.1", port)) as client:
            identity = stream.recv_multipart()[0]
            for _ in range(2):
                stream.send(identity, zmq.SNDMORE)
                # libzmq ignores the flag.
                stream.send(b"OK", zmq.SNDMORE)
                assert client.recv(2) == b"OK"
    assert counts(registry)["msg_send"] == 2
