# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""libzmq's and pyzmq's own sockets are no links, and what libzmq makes itself is no message."""

from __future__ import annotations

import ctypes
import socket as kernel
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

import fdmetrics.zmq
from fdmetrics import Registry
from fdmetrics.zmq import _known, _sending, _state

from .support import Samples
from .zmq_support import Sockets


def in_flight(registry: Registry) -> Dict[str, float]:
    samples = Samples(registry).named("fastdeploy:zmq:in_flight").items()
    return {dict(labels)["address"]: value for labels, value in samples}


def counted(registry: Registry, address: str) -> List[Any]:
    """Sent, received, in flight."""
    samples = Samples(registry)
    names = ("msg_send_total", "msg_recv_total", "in_flight")
    return [samples.get(f"fastdeploy:zmq:{name}", address=address) for name in names]


@pytest.fixture(params=["instrument", "classes"])
def context(request: Any, registry: Registry, carrier: str) -> Any:
    if request.param == "classes":
        with fdmetrics.zmq.Context(registry=registry, carrier=carrier) as made:
            yield made
        return
    with fdmetrics.zmq.instrument(registry=registry, carrier=carrier), zmq.Context() as made:
        yield made


@pytest.fixture(params=fdmetrics.zmq.CARRIERS)
def carrier(request: Any) -> str:
    carrier: str = request.param
    return carrier


def opened(context: Any, kind: int) -> Any:
    socket = context.socket(kind)
    socket.linger = 0
    socket.rcvtimeo = socket.sndtimeo = 30_000
    return socket


def test_buffers_that_are_sent_without_a_copy(context: Any, registry: Registry, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"
    with opened(context, zmq.PUSH) as left, opened(context, zmq.PULL) as right:
        right.bind(address)
        left.connect(address)
        trackers = [left.send(bytearray(100_000), copy=False, track=True) for _ in range(20)]
        assert [len(right.recv()) for _ in range(20)] == [100_000] * 20
        for tracker in trackers:
            # pyzmq's collector has let go of the buffer.
            tracker.wait(30)
    assert in_flight(registry) == {address: 0}


@pytest.mark.parametrize("name", [None, "inproc://events", b"inproc://events"])
def test_monitors_of_any_name(name: Any, context: Any, registry: Registry) -> None:
    with opened(context, zmq.PULL) as socket:
        if isinstance(name, bytes):
            socket.monitor(name)
            monitor = opened(context, zmq.PAIR)
            monitor.connect(name)
        else:
            monitor = socket.get_monitor_socket(addr=name)
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        assert recv_monitor_message(monitor)["event"] == zmq.EVENT_LISTENING
        socket.disable_monitor()
        monitor.close()
        assert in_flight(registry) in ({}, {f"tcp://127.0.0.1:{port}": 0})
        # The name is free again.
        if name is not None:
            with opened(context, zmq.PAIR) as one, opened(context, zmq.PAIR) as other:
                one.bind("inproc://events.2")
                other.connect("inproc://events.2")
                one.send(b"x")
                other.recv()
    assert "inproc://events" not in _state.monitored
    assert "inproc://events" not in in_flight(registry)


def test_a_socket_that_was_a_handler_once(registry: Registry) -> None:
    with (
        fdmetrics.zmq.Context(registry=registry, carrier="trailer") as context,
        opened(context, zmq.REP) as socket,
        opened(context, zmq.REQ) as client,
    ):
        socket.bind("inproc://zeromq.zap.01")
        socket.unbind("inproc://zeromq.zap.01")
        socket.bind("inproc://service")
        client.connect("inproc://service")
        client.send(b"x")
        assert socket.recv() == b"x"
    assert counted(registry, "inproc://service") == [1, 1, 0]
    assert Samples(registry).get("fastdeploy:zmq:latency_count", address="inproc://service") == 1


@pytest.mark.parametrize(
    ("kinds", "name"),
    [((zmq.PAIR, zmq.PAIR), "7.inproc"), ((zmq.PUSH, zmq.PULL), "140234567891234.inproc")],
)
def test_names_like_that_of_an_authenticator_s_pipe(kinds: Any, name: str, context: Any, registry: Registry) -> None:
    # The pipe itself is in test_zmq_authentication.
    with opened(context, kinds[0]) as left, opened(context, kinds[1]) as right:
        right.bind(f"inproc://{name}")
        left.connect(f"inproc://{name}")
        left.send(b"x")
        assert right.recv() == b"x"
    assert counted(registry, f"inproc://{name}") == [1, 1, 0]


# What libzmq makes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["recv", "recv_multipart", "frames", "recv_into"])
def test_probes(how: str, context: Any, registry: Registry, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"

    def receive(router: Any) -> List[bytes]:
        if how == "recv_multipart":
            return router.recv_multipart()  # type: ignore[no-any-return]
        if how == "frames":
            return [frame.bytes for frame in router.recv_multipart(copy=False)]
        frames: List[bytes] = []
        while not frames or router.rcvmore:
            if how == "recv":
                frames.append(router.recv())
            else:
                buffer = bytearray(100)
                frames.append(bytes(buffer[: router.recv_into(buffer)]))
        return frames

    if how == "recv_into" and not hasattr(zmq.Socket, "recv_into"):
        how = "recv"
    with opened(context, zmq.ROUTER) as router:
        router.bind(address)
        for number in range(5):
            identity = b"peer %d" % number
            with opened(context, zmq.DEALER) as dealer:
                dealer.identity = identity
                dealer.probe_router = 1
                dealer.connect(address)
                assert receive(router) == [identity, b""]
                # The program's own empty messages count.
                for data in (b"x", b""):
                    dealer.send(data)
                    assert receive(router) == [identity, data]
                # A routing id alone is dropped by libzmq.
                router.send(identity)
                router.send_multipart([identity])
                router.send_multipart([identity, b"y"])
                assert dealer.recv_multipart() == [b"y"]
    assert counted(registry, address) == [15, 15, 0]


def test_peers_that_come_and_go_for_ever(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_state, "MOST_PEERS", 3)
    router = sockets.open(zmq.ROUTER)
    router.bind("inproc://routers")
    for number in range(10):
        dealer = sockets.open(zmq.DEALER)
        dealer.identity = b"%d" % number
        dealer.connect("inproc://routers")
        for data in (b"x", b"", b""):
            dealer.send(data)
            assert router.recv_multipart() == [b"%d" % number, data]
        assert len(_known.state_of(router).peers) <= 3
    assert counted(sockets.registry, "inproc://routers") == [30, 30, 0]


@pytest.mark.parametrize("kind", ["STREAM", "router_raw", "setsockopt"])
def test_connections_of_raw_tcp(kind: str, context: Any, registry: Registry) -> None:
    with opened(context, zmq.STREAM if kind == "STREAM" else zmq.ROUTER) as stream:
        if kind == "router_raw":
            stream.router_raw = 1
        elif kind == "setsockopt":
            stream.setsockopt(zmq.ROUTER_RAW, 1)
        port = stream.bind_to_random_port("tcp://127.0.0.1")
        for _ in range(5):
            with kernel.create_connection(("127.0.0.1", port)) as client:
                identity, hello = stream.recv_multipart()
                assert hello == b""
                client.sendall(b"GET")
                assert stream.recv_multipart() == [identity, b"GET"]
                stream.send_multipart([identity, b"OK"])
                assert client.recv(100) == b"OK"
            assert stream.recv_multipart() == [identity, b""]
        with kernel.create_connection(("127.0.0.1", port)):
            # Closes the connection.
            stream.send_multipart([stream.recv_multipart()[0], b""])
    assert counted(registry, f"tcp://127.0.0.1:{port}") == [5, 5, 0]


def test_subscriptions(context: Any, registry: Registry) -> None:
    with opened(context, zmq.XPUB) as xpub, opened(context, zmq.SUB) as sub, opened(context, zmq.XSUB) as xsub:
        xpub.bind("inproc://topics")
        sub.connect("inproc://topics")
        xsub.connect("inproc://topics")
        sub.subscribe(b"news")
        assert xpub.recv() == b"\1news"
        xsub.send(b"\1other")
        assert xpub.recv_multipart(copy=False)[0].bytes == b"\1other"
        xpub.send(b"news")
        assert sub.recv() == b"news"
        # What does not begin like a subscription is a message.
        xsub.send(b"\2")
        assert xpub.recv_multipart() == [b"\2"]
    assert counted(registry, "inproc://topics") == [2, 2, 0]


# Reading ahead, and the trailer ---------------------------------------------------------------------------------------


def test_pollers_between_the_frames_of_a_message(registry: Registry) -> None:
    with fdmetrics.zmq.instrument(registry=registry), zmq.Context() as context:
        for kind, peer in ((zmq.ROUTER, zmq.DEALER), (zmq.PAIR, zmq.PAIR)):
            with opened(context, kind) as right, opened(context, peer) as left:
                right.bind(f"inproc://poll.{kind}")
                left.connect(f"inproc://poll.{kind}")
                left.send_multipart([b"a", b"b"])
                poller = zmq.Poller()
                poller.register(right, zmq.POLLIN | zmq.POLLOUT)
                poller.register(left, zmq.POLLIN)
                frames: List[bytes] = []
                while poller.poll(0 if frames else 30_000) and (not frames or right.rcvmore):
                    ready = dict(poller.poll(0))
                    assert ready[right] & zmq.POLLIN and left not in ready
                    assert zmq.select([right], [], [], 0)[0] == [right]
                    frames.append(right.recv())
                assert frames[-2:] == [b"a", b"b"]
                assert not dict(poller.poll(0)).get(right, 0) & zmq.POLLIN


def test_a_router_reads_nothing_ahead_of_its_peers_identity(sockets: Sockets) -> None:
    router, dealer = sockets.open(zmq.ROUTER), sockets.open(zmq.DEALER)
    router.bind("inproc://ids")
    dealer.connect("inproc://ids")
    dealer.send(b"x")
    assert router.recv() and router.rcvmore
    poller = zmq.Poller()
    poller.register(router, zmq.POLLIN)
    assert poller.poll(30_000) == [(router, zmq.POLLIN)]
    assert router.recv() == b"x"


class Refusing:
    """libzmq, whose peers go away after the payload: it refuses the first trailers."""

    def __init__(self, refusals: int, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
        self.refusals = refusals
        self.flags: List[int] = []
        self.send, self.send_frame = _sending._send, _sending._send_frame
        if way == "libzmq":
            monkeypatch.setattr(_sending, "_send_frame", self.by_libzmq)
        else:
            # As where libzmq's symbols are hidden.
            monkeypatch.setattr(_sending, "_send_frame", None)
            monkeypatch.setattr(_sending, "_send", self.by_pyzmq)

    def refuses(self, data: Any, flags: int) -> bool:
        if not (isinstance(data, bytes) and data.startswith(b"FDM1")):
            return False
        self.flags.append(flags)
        # As libzmq does, it drops the payload: a message that ends is refused and was begun by no frame.
        return len(self.flags) <= self.refusals

    def by_libzmq(self, handle: Any, data: Any, size: Any, flags: int) -> int:
        assert self.send_frame is not None
        if self.refuses(data, flags):
            ctypes.set_errno(zmq.EAGAIN)
            return -1
        return 1 if len(self.flags) < self.refusals else self.send_frame(handle, data, size, flags)

    def by_pyzmq(self, socket: Any, data: Any, flags: int = 0, *arguments: Any) -> Any:
        if self.refuses(data, flags):
            raise zmq.Again
        return None if len(self.flags) < self.refusals else self.send(socket, data, flags, *arguments)


@pytest.mark.parametrize("way", ["libzmq", "pyzmq"])
@pytest.mark.parametrize("data", [b"x", bytearray(b"x"), memoryview(b"x"), zmq.Frame(b"x")])
def test_a_trailer_never_waits_after_its_payload(
    data: Any, way: str, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "libzmq" and isinstance(data, zmq.Frame):
        way = "pyzmq"  # A frame of pyzmq's goes through pyzmq's send in any case.
    left, right = sockets.open(zmq.PUSH), sockets.open(zmq.PULL)
    right.bind("inproc://trailers")
    left.connect("inproc://trailers")
    left.carrier = "trailer"
    left.send(b"first")
    assert right.recv() == b"first"
    with monkeypatch.context() as patch:
        refusing = Refusing(2, patch, way)
        # Who waits for room waits for the next peer, with the whole message.
        left.send(data)
        assert right.recv_multipart() == [b"x"]
        assert len(refusing.flags) == 3 and all(flags & zmq.DONTWAIT for flags in refusing.flags)
    with monkeypatch.context() as patch:
        Refusing(1, patch, way)
        with pytest.raises(zmq.Again):
            left.send(data, zmq.DONTWAIT)
    samples = Samples(sockets.registry)
    assert samples.get("fastdeploy:zmq:msg_send_failed_total", address="inproc://trailers") == 1
    assert counted(sockets.registry, "inproc://trailers") == [2, 2, 0]


def test_no_peer_gets_a_trailer_alone(sockets: Sockets, tmp_path: Path) -> None:
    """Peers come and go while a sender sends; each message arrives whole or not at all."""
    left = sockets.open(zmq.PUSH)
    left.carrier = "trailer"
    left.sndhwm = 5
    left.bind(f"ipc://{tmp_path}/s")
    received = 0
    with zmq.Context() as context:
        for _ in range(50):
            with context.socket(zmq.PULL) as right:
                right.linger, right.rcvhwm = 0, 5
                right.connect(f"ipc://{tmp_path}/s")
                for _ in range(20):
                    left.send(b"payload")
                for _ in range(5):
                    # What is sent before libzmq knows that the last peer has gone may go to that one, or a part of it.
                    while not right.poll(1000):
                        for _ in range(20):
                            left.send(b"payload")
                    frames = right.recv_multipart()
                    assert len(frames) == 2 and frames[0] == b"payload" and frames[1].startswith(b"FDM1")
                    received += 1
            time.sleep(0.001)
    assert received == 250
