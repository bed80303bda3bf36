# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Handlers of signals that raise, as soft time limits do: no message is merged with another, no trailer handed out."""

from __future__ import annotations

import signal
from typing import Any, Callable, Dict, Iterator, List

import pytest
import zmq

import fdmetrics.zmq
from fdmetrics import Registry
from fdmetrics.zmq import _receiving

from .support import Samples

SECONDS = 0.0002
INTERRUPTS = 2_000


class Interrupted(Exception):
    """What the handler raises."""


class Interrupter:
    """Raises Interrupted while something runs, again and again."""

    def __init__(self) -> None:
        self.hits = 0
        self.armed = False
        self.former: Any = signal.signal(signal.SIGALRM, self.handle)

    def handle(self, *_arguments: object) -> None:
        if self.armed:
            self.armed = False
            self.hits += 1
            raise Interrupted

    def run(self, step: Callable[[], bool]) -> None:
        """Runs step until it returns False, interrupted by signals."""
        goes_on = True
        while goes_on:
            try:
                self.armed = True
                signal.setitimer(signal.ITIMER_REAL, SECONDS)
                while goes_on:
                    goes_on = step()
                self.armed = False
            except Interrupted:
                pass

    def close(self) -> None:
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.former)


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    made = Interrupter()
    yield made
    made.close()


def pair(context: Any, left: int = zmq.PUSH, right: int = zmq.PULL) -> Any:
    sockets = context.socket(left), context.socket(right)
    for socket in sockets:
        socket.sndhwm = socket.rcvhwm = socket.linger = 0
        socket.rcvtimeo = 30_000
    sockets[1].bind("inproc://interrupted")
    sockets[0].connect("inproc://interrupted")
    return sockets


# Sending --------------------------------------------------------------------------------------------------------------

SENDS: Dict[str, Callable[[Any, bytes], Any]] = {
    "short": lambda socket, data: socket.send(data),
    "flags": lambda socket, data: socket.send(data, zmq.NOBLOCK),
    "bytearray": lambda socket, data: socket.send(bytearray(data)),
    "memoryview": lambda socket, data: socket.send(memoryview(data)),
    "string": lambda socket, data: socket.send_string(data.decode()),
    "multipart": lambda socket, data: socket.send_multipart([data]),
    # As small as this, pyzmq copies it all the same.
    "without a copy": lambda socket, data: socket.send(data, copy=False),
}


@pytest.mark.parametrize("kinds", [(zmq.PUSH, zmq.PULL), (zmq.DEALER, zmq.DEALER), (zmq.PAIR, zmq.PAIR)])
@pytest.mark.parametrize("way", SENDS)
def test_a_message_and_its_trailer_stay_together(
    way: str, kinds: Any, registry: Registry, interrupter: Interrupter
) -> None:
    send = SENDS[way]
    numbers = iter(range(1, 1_000_000_000))
    last = b"0"
    messages: List[List[bytes]] = []
    with zmq.Context() as context:
        left, right = pair(context, *kinds)
        with left, right:
            with fdmetrics.zmq.instrument(carrier="trailer", registry=registry):

                def step() -> bool:
                    send(left, b"%d" % next(numbers))
                    return interrupter.hits < INTERRUPTS // 4

                interrupter.run(step)
                left.send(last)
            # As they are on the wire.
            while not messages or messages[-1][0] != last:
                messages.append(right.recv_multipart())
    print(f"{interrupter.hits} interrupts, {len(messages)} messages")
    assert interrupter.hits
    assert [message for message in messages if len(message) != 2 or message[1][:4] != b"FDM1"] == []
    received = [int(message[0]) for message in messages[:-1]]
    assert received == sorted(set(received))


def test_what_went_out_whole_is_counted(registry: Registry, interrupter: Interrupter) -> None:
    """But for the call that was interrupted after that: see docs/limitations.md."""
    received = 0
    with fdmetrics.zmq.instrument(carrier="trailer", registry=registry), zmq.Context() as context:
        left, right = pair(context)
        with left, right:

            def step() -> bool:
                left.send(b"x")
                return interrupter.hits < INTERRUPTS

            interrupter.run(step)
            left.send(b"last")
            while right.recv() != b"last":
                received += 1
    sent = Samples(registry).get("fastdeploy:zmq:msg_send_total", address="inproc://interrupted")
    print(f"{interrupter.hits} interrupts, {received} received, {sent} counted as sent")
    assert interrupter.hits
    assert received + 1 - interrupter.hits <= sent <= received + 1


# Receiving ------------------------------------------------------------------------------------------------------------


def _into(socket: Any) -> bytes:
    buffer = bytearray(20)
    return bytes(buffer[: socket.recv_into(buffer, flags=zmq.NOBLOCK)])


RECEIVES: Dict[str, Callable[[Any], Any]] = {
    "recv": lambda socket: socket.recv(zmq.NOBLOCK),
    # Not without a copy: pyzmq's frames swallow the exception where they are freed.
    "long": lambda socket: socket.recv(zmq.NOBLOCK, track=True),
    "multipart": lambda socket: b"+".join(socket.recv_multipart(zmq.NOBLOCK)),
    "string": lambda socket: socket.recv_string(zmq.NOBLOCK).encode(),
    "json": lambda socket: b"%d" % socket.recv_json(zmq.NOBLOCK),
}
if hasattr(zmq.Socket, "recv_into"):
    RECEIVES["into"] = _into


@pytest.mark.parametrize("way", RECEIVES)
def test_no_trailer_is_handed_out(way: str, registry: Registry, interrupter: Interrupter) -> None:
    receive = RECEIVES[way]
    count = 150_000
    received: List[bytes] = []
    with fdmetrics.zmq.instrument(carrier="trailer", registry=registry), zmq.Context() as context:
        left, right = pair(context)
        with left, right:
            for number in range(count):
                left.send(b"%d" % number)

            def step() -> bool:
                try:
                    received.append(receive(right))
                except zmq.Again:
                    return False
                return True

            interrupter.run(step)
            left.send(b"0")
            assert right.recv() == b"0"
    print(f"{interrupter.hits} interrupts, {len(received)} of {count} messages handed out")
    assert interrupter.hits
    assert [data for data in received if not data.isdigit()] == []
    numbers = [int(data) for data in received]
    assert numbers == sorted(set(numbers)) and len(numbers) >= count - interrupter.hits


class Losing:
    """pyzmq's recv, interrupted once libzmq has given the frame."""

    def __init__(self, losses: int = 1) -> None:
        self.losses = losses
        self.recv = _receiving._recv

    def __call__(self, *arguments: Any) -> Any:
        frame = self.recv(*arguments)
        if self.losses:
            self.losses -= 1
            raise Interrupted
        return frame


@pytest.fixture(params=["recv", "recv_json", "recv_multipart", "frame"])
def lose(request: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Receives a frame, and loses it."""

    def lose(socket: Any) -> None:
        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            patch.setattr(_receiving, "_recv", Losing())
            if request.param == "frame":
                socket.recv(copy=False)
            else:
                getattr(socket, request.param)()

    return lose


def readable(socket: Any) -> List[bool]:
    """What all ways to ask say."""
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    return [
        bool(poller.poll(0)),
        bool(socket.poll(0)),
        bool(socket.get(zmq.EVENTS) & zmq.POLLIN),
        bool(zmq.select([socket], [], [], 0)[0]),
    ]


@pytest.mark.parametrize("first", range(5))
def test_nothing_is_left_of_a_lost_message(first: int, lose: Callable[[Any], None], registry: Registry) -> None:
    """Whichever way the program asks first: there is no message, although libzmq has a trailer."""
    with fdmetrics.zmq.instrument(carrier="trailer", registry=registry), zmq.Context() as context:
        left, right = pair(context)
        with left, right:
            left.send(b"lost")
            lose(right)
            if first == 0:
                assert not right.rcvmore
            elif first == 1:
                assert not right.poll(0)
            elif first == 2:
                assert not right.EVENTS & zmq.POLLIN
            elif first == 3:
                assert not zmq.select([right], [], [], 0)[0]
            else:
                with pytest.raises(zmq.Again):
                    right.recv(zmq.NOBLOCK)
            assert not right.rcvmore and readable(right) == [False] * 4
            left.send(b"1")
            assert readable(right) == [True] * 4 and right.recv() == b"1"
    samples = Samples(registry)
    assert samples.get("fastdeploy:zmq:msg_recv_total", address="inproc://interrupted") == 1
    assert samples.get("fastdeploy:zmq:msg_bytes_recv_total", address="inproc://interrupted") == 1


@pytest.mark.parametrize("carrier", fdmetrics.zmq.CARRIERS)
def test_the_rest_of_a_message_is_handed_out_as_by_pyzmq(
    carrier: str, lose: Callable[[Any], None], registry: Registry
) -> None:
    with fdmetrics.zmq.instrument(carrier=carrier, registry=registry), zmq.Context() as context:
        left, right = pair(context)
        with left, right:
            left.send_multipart([b"lost", b"a", b"b"])
            left.send(b"next")
            lose(right)
            assert right.rcvmore and readable(right) == [True] * 4
            assert right.recv_multipart() == [b"a", b"b"]
            assert not right.rcvmore and right.recv_multipart() == [b"next"]
            # In the middle.
            left.send_multipart([b"a", b"lost"])
            left.send(b"next")
            assert right.recv() == b"a"
            assert right.recv() == b"lost"
            assert right.recv() == b"next"
    assert Samples(registry).get("fastdeploy:zmq:msg_recv_total", address="inproc://interrupted") == 4


def test_a_routing_id_that_is_lost(lose: Callable[[Any], None], registry: Registry) -> None:
    with fdmetrics.zmq.instrument(carrier="trailer", registry=registry), zmq.Context() as context:
        left, right = pair(context, zmq.DEALER, zmq.ROUTER)
        with left, right:
            left.identity = b"peer"
            left.send(b"1")
            left.send(b"2")
            lose(right)
            assert right.rcvmore and right.recv() == b"1" and not right.rcvmore
            assert right.recv_multipart()[1:] == [b"2"]


def test_a_send_after_a_lost_message_changes_nothing_of_it(lose: Callable[[Any], None], registry: Registry) -> None:
    with fdmetrics.zmq.instrument(carrier="trailer", registry=registry), zmq.Context() as context:
        left, right = pair(context, zmq.DEALER, zmq.DEALER)
        with left, right:
            left.send(b"lost")
            lose(right)
            right.send_multipart([b"a", b"b"])
            with pytest.raises(zmq.Again):
                right.recv(zmq.NOBLOCK)
            left.send(b"1")
            assert right.recv() == b"1"
            assert left.recv_multipart() == [b"a", b"b"]
    assert Samples(registry).get("fastdeploy:zmq:msg_recv_total", address="inproc://interrupted") == 2
