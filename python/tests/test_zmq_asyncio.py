# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The asyncio classes: they behave as pyzmq's, and record what was sent and received in the end."""

from __future__ import annotations

import asyncio
import copy
from typing import Any, Awaitable, Callable, Dict, Iterator, List, Tuple

import pytest
import zmq
import zmq.asyncio

import fdmetrics.zmq
import fdmetrics.zmq.asyncio
from fdmetrics import Registry

from .support import Samples

ADDRESS = "inproc://s"


class Sockets:
    """Asyncio sockets of one context."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.opened: List[Any] = []

    def open(self, kind: int, **options: Any) -> Any:
        socket = self.context.socket(kind)
        self.opened.append(socket)
        socket.linger = 0
        for name, value in options.items():
            setattr(socket, name, value)
        return socket

    def pair(self, left: int, right: int, **options: Any) -> Tuple[Any, Any]:
        sockets = self.open(left, **options), self.open(right, **options)
        address = f"{ADDRESS}{len(self.opened)}"
        sockets[1].bind(address)
        sockets[0].connect(address)
        return sockets

    def close(self) -> None:
        for socket in self.opened:
            socket.close()
        self.context.term()


def run(context: Any, story: Callable[[Sockets], Awaitable[Any]]) -> Any:
    """Runs a story within 10 seconds."""

    async def told() -> Any:
        sockets = Sockets(context)
        try:
            return await asyncio.wait_for(story(sockets), 10)
        finally:
            sockets.close()

    return asyncio.run(told())


@pytest.fixture(params=["our classes", "pyzmq's classes, instrumented"])
def make_context(request: pytest.FixtureRequest, registry: Registry) -> Iterator[Callable[[str], Any]]:
    """Makes a context whose sockets record, of either kind."""
    undo: List[fdmetrics.zmq.Instrumentation] = []

    def make(carrier: str = "none") -> Any:
        if request.param == "our classes":
            return fdmetrics.zmq.asyncio.Context(carrier=carrier, registry=registry)
        undo.append(fdmetrics.zmq.instrument(carrier=carrier, registry=registry))
        return zmq.asyncio.Context()

    yield make
    for instrumentation in undo:
        instrumentation.undo()


def counts(registry: Registry) -> Dict[str, Any]:
    """Of all links together."""
    samples = Samples(registry)
    names = ("msg_send", "msg_send_failed", "msg_bytes_send", "msg_recv", "msg_recv_failed", "msg_bytes_recv")
    found = {name: sum(samples.all_values(f"fastdeploy:zmq:{name}_total")) for name in names}
    found["latency"] = sum(samples.all_values("fastdeploy:zmq:latency_count"))
    found["blocked"] = sum(samples.all_values("fastdeploy:zmq:send_blocked_seconds_total"))
    return found


async def outcome(awaitable: Any) -> Any:
    try:
        result = await awaitable
    except Exception as error:
        return type(error), str(error)
    if isinstance(result, zmq.Frame):
        return result.bytes, result.more
    return "tracker" if isinstance(result, zmq.MessageTracker) else result


async def everything(sockets: Sockets) -> List[Any]:
    left, right = sockets.pair(zmq.PUSH, zmq.PULL)
    log: List[Any] = []
    waiting = right.recv()
    log.append(waiting.done())
    log.append(await outcome(left.send(b"a")))
    log.append(await waiting)
    log.append(await outcome(left.send(b"x" * 70_000, copy=False, track=True)))
    log.append(await outcome(right.recv(copy=False)))
    for parts in ([b"1"], [b"1", b"", b"2"]):
        receiving = right.recv_multipart()
        log.append(await outcome(left.send_multipart(parts)))
        log.append(await receiving)
    log.append(await outcome(left.send(b"part", zmq.SNDMORE)))
    log.append(await outcome(left.send(b"last")))
    log.append(await right.poll(1000))
    log.append(await outcome(right.recv(copy=False)))
    log.append((right.rcvmore, right.getsockopt(zmq.RCVMORE), right.get(zmq.EVENTS) & zmq.POLLIN))
    log.append(await right.poll(1000))
    log.append(await outcome(right.recv()))
    log.append((right.rcvmore, await right.poll(0)))
    for name, value in (("json", {"a": 1}), ("pyobj", (1, 2)), ("string", "ä")):
        log.append(await outcome(getattr(left, f"send_{name}")(value)))
        log.append(await outcome(getattr(right, f"recv_{name}")()))
        receiving = getattr(right, f"recv_{name}")()
        log.append(await outcome(getattr(left, f"send_{name}")(value)))
        log.append(await outcome(receiving))
        log.append(await outcome(getattr(right, f"recv_{name}")(zmq.NOBLOCK)))
    await left.send_serialized("xy", lambda text: [text.encode(), b"z"])
    log.append(await right.recv_serialized(lambda parts: parts))
    for name in ("json", "pyobj", "string"):
        await left.send(b"\xff{")
        log.append(await outcome(getattr(right, f"recv_{name}")()))
    buffer = bytearray(4)
    await left.send_multipart([b"abcdef", b"gh"])
    log.append([await right.recv_into(buffer), await right.recv_into(buffer), bytes(buffer)])
    # A full queue: what waits is sent when there is room.
    left, right = sockets.pair(zmq.PUSH, zmq.PULL, sndhwm=2, rcvhwm=2)
    for number in range(4):
        log.append(await outcome(left.send(bytes([number]), zmq.NOBLOCK)))
    log.append(await outcome(left.send(b"now", zmq.NOBLOCK)))
    late = left.send_multipart([b"late", b"r"])
    log.append(late.done())
    for _ in range(5):
        log.append(await right.recv_multipart())
    log.append(await outcome(late))
    # Waiting in vain.
    left, right = sockets.pair(zmq.PUSH, zmq.PULL, sndhwm=2, rcvhwm=2)
    for _ in range(4):
        await left.send(b"x")
    left.sndtimeo = right.rcvtimeo = 20
    log.append(await outcome(left.send(b"timeout")))
    cancelled = left.send(b"cancelled")
    cancelled.cancel()
    await asyncio.sleep(0)
    log.append([await right.recv() for _ in range(4)])
    log.append(await outcome(right.recv()))
    log.append(await outcome(right.recv_json()))
    for wrong in ("text", None):
        log.append(await outcome(left.send(wrong)))
    log.append(await outcome(left.send_multipart([b"a", "text"])))
    with pytest.raises(TypeError):
        left.send_json(object())
    with pytest.raises(TypeError):
        left.send_string(b"x")
    log.append(right.get(zmq.RCVMORE))
    return log


@pytest.mark.parametrize("carrier", ["none", "envelope", "trailer"])
def test_behaviour_is_pyzmq_s(make_context: Any, carrier: str, registry: Registry) -> None:
    expected = run(zmq.asyncio.Context(), everything)
    assert run(make_context(carrier), everything) == expected
    found = counts(registry)
    # One failure each: no room, too late, cancelled, two of no data, one of no frame, no JSON, no string.
    assert found["msg_send_failed"] == 8
    assert found["msg_recv_failed"] == 3
    assert found["msg_send"] == found["msg_recv"] == 25
    assert found["msg_bytes_send"] == found["msg_bytes_recv"]
    assert found["latency"] == {"none": 0, "envelope": 4, "trailer": 25}[carrier]
    assert found["blocked"] > 0.01


def test_a_message_whose_receiver_has_gone_is_counted(make_context: Any, registry: Registry) -> None:
    async def story(sockets: Sockets) -> None:
        left, right = sockets.pair(zmq.PUSH, zmq.PULL)
        receiving = right.recv_json()
        left._shadow_sock.send(b"[1]")
        while not right._shadow_sock.get(zmq.EVENTS) & zmq.POLLIN:
            await asyncio.sleep(0)
        right._handle_events()
        with pytest.warns(RuntimeWarning, match="message has been dropped"):
            receiving.cancel()
            await asyncio.sleep(0.01)

    run(make_context(), story)
    assert counts(registry)["msg_recv"] == 1


@pytest.mark.parametrize("base", [zmq.asyncio.Socket, fdmetrics.zmq.asyncio.Socket])
def test_what_a_subclass_receives_is_what_is_decoded(base: Any, registry: Registry) -> None:
    class Shouting(base):  # type: ignore[misc]
        def recv(self, *arguments: Any, **keywords: Any) -> Any:
            return self._deserialize(super().recv(*arguments, **keywords), bytes.upper)

    async def story(sockets: Sockets) -> Tuple[Any, Any, Any]:
        left = sockets.open(zmq.PUSH)
        with sockets.context.socket(zmq.PULL, socket_class=Shouting) as right:
            right.bind(ADDRESS)
            left.connect(ADDRESS)
            for data in (b'["a"]', b'["b"]', b'"c"', b"no json"):
                await left.send(data)
            found = await right.recv_json(), await right.recv(), await right.recv_json()
            with pytest.raises(ValueError):
                await right.recv_json()
            return found

    context = (
        fdmetrics.zmq.asyncio.Context(registry=registry) if base is not zmq.asyncio.Socket else zmq.asyncio.Context()
    )
    assert run(context, story) == (["A"], b'["B"]', "C")
    if base is not zmq.asyncio.Socket:
        found = counts(registry)
        assert (found["msg_recv"], found["msg_recv_failed"]) == (4, 1)


def test_sockets_change_over_between_asyncio_and_blocking(registry: Registry) -> None:
    async def story(sockets: Sockets) -> None:
        left, right = sockets.pair(zmq.PUSH, zmq.PULL)
        blocking = fdmetrics.zmq.Socket(right)
        await left.send_multipart([b"a", b"b"])
        assert blocking.recv() == b"a"
        assert await right.recv() == b"b"
        for other in (zmq.asyncio.Socket(blocking), fdmetrics.zmq.asyncio.Socket(blocking), copy.copy(right)):
            await left.send(b"x")
            assert await other.recv() == b"x"
        assert blocking.link == right.link == left.link

    run(fdmetrics.zmq.asyncio.Context(registry=registry, carrier="trailer"), story)
    # pyzmq's own asyncio class receives past us, and with it the trailer in a frame of its own.
    assert counts(registry)["msg_send"] == 4


def test_instances_are_not_shared_with_pyzmq() -> None:
    contexts = [
        zmq.Context.instance(),
        zmq.asyncio.Context.instance(),
        fdmetrics.zmq.Context.instance(),
        fdmetrics.zmq.asyncio.Context.instance(),
    ]
    assert len(set(map(type, contexts))) == 4
    assert fdmetrics.zmq.Context.instance() is contexts[2]
    with fdmetrics.zmq.Context.instance().socket(zmq.PUSH) as socket:
        assert type(socket) is fdmetrics.zmq.Socket
    for context in contexts:
        context.term()
