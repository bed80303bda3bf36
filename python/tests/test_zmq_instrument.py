# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""instrument() makes an existing program's sockets record, and takes itself back."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
import zmq
import zmq._future
import zmq.asyncio
from zmq import Context as ImportedBefore
from zmq import Socket as SocketImportedBefore

import fdmetrics.zmq
from fdmetrics import Registry

from .support import Samples


class OfTheProgram(zmq.Socket):  # type: ignore[type-arg]
    """A subclass that the program has."""

    def send(self, data: Any, *arguments: Any, **keywords: Any) -> Any:
        return super().send(data + b"!", *arguments, **keywords)


def members() -> Dict[str, Dict[str, Any]]:
    owners = (zmq.Socket, zmq.Context, zmq._future._AsyncSocket, zmq.asyncio.Socket, zmq.asyncio.Context)
    return {f"{owner.__module__}.{owner.__name__}": dict(vars(owner)) for owner in owners}


def received(registry: Registry, prefix: str = "fastdeploy") -> Dict[str, float]:
    """Messages received, by address."""
    return {
        dict(labels)["address"]: value
        for labels, value in Samples(registry).named(f"{prefix}:zmq:msg_recv_total").items()
    }


def test_sockets_that_were_made_before_and_after_record(registry: Registry) -> None:
    with ImportedBefore() as context, context.socket(zmq.PULL) as old, context.socket(zmq.PUSH) as other:
        old.bind("inproc://old")
        other.connect("inproc://old")
        other.send(b"not recorded")
        assert old.recv() == b"not recorded"
        with fdmetrics.zmq.instrument(registry=registry, prefix="demo"):
            other.send(b"1")
            assert old.recv() == b"1"
            with (
                context.socket(zmq.PULL) as new,
                SocketImportedBefore(context, zmq.PUSH) as sender,
                context.socket(zmq.PUSH, socket_class=OfTheProgram) as special,
            ):
                assert type(new) is zmq.Socket and type(special) is OfTheProgram
                new.bind("inproc://new")
                sender.connect("inproc://new")
                special.connect("inproc://new")
                sender.send_json({"a": 1})
                assert new.recv_json() == {"a": 1}
                special.send(b"2")
                special.send_multipart([b"3", b"4"])
                assert new.recv_multipart() == [b"2!"]
                assert new.recv_multipart() == [b"3!", b"4!"]
            assert received(registry, "demo") == {"inproc://old": 1, "inproc://new": 3}
        other.send(b"not recorded")
        assert old.recv() == b"not recorded"
    assert received(registry, "demo") == {"inproc://old": 1, "inproc://new": 3}


def test_it_takes_itself_back_to_the_last_member(registry: Registry) -> None:
    before = members()
    instrumentation = fdmetrics.zmq.instrument(registry=registry)
    assert members() != before
    instrumentation.undo()
    assert members() == before
    instrumentation.undo()
    assert members() == before
    with pytest.raises(ZeroDivisionError), fdmetrics.zmq.instrument(registry=registry):
        raise ZeroDivisionError
    assert members() == before


def test_it_may_be_repeated_with_other_settings(registry: Registry) -> None:
    with zmq.Context() as context, context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
        right.bind("inproc://again")
        left.connect("inproc://again")
        for prefix, carrier in (("first", "none"), ("second", "trailer")):
            with fdmetrics.zmq.instrument(prefix=prefix, carrier=carrier, registry=registry):
                left.send(b"x")
                assert right.recv_multipart() == [b"x"]
        left.send(b"x")
        assert right.recv_multipart() == [b"x"]
    samples = Samples(registry)
    for prefix, latencies in (("first", 0), ("second", 1)):
        assert samples.get(f"{prefix}:zmq:msg_recv_total", address="inproc://again") == 1
        assert samples.get(f"{prefix}:zmq:latency_count", address="inproc://again") == latencies


def test_a_receive_that_waits_goes_on_after_a_change(registry: Registry) -> None:
    async def story() -> None:
        with zmq.asyncio.Context() as context, context.socket(zmq.PULL) as right, context.socket(zmq.PUSH) as left:
            right.bind("inproc://waiting")
            left.connect("inproc://waiting")
            with fdmetrics.zmq.instrument(registry=registry):
                waiting = right.recv_json()
            await left.send(b"[1]")
            assert await asyncio.wait_for(waiting, 10) == [1]
            waiting = right.recv_json()
            with fdmetrics.zmq.instrument(registry=registry):
                await left.send(b"[2]")
                assert await asyncio.wait_for(waiting, 10) == [2]

    asyncio.run(story())
    assert received(registry) == {"inproc://waiting": 1}


def test_only_once_at_a_time(registry: Registry) -> None:
    with fdmetrics.zmq.instrument(registry=registry), pytest.raises(RuntimeError, match="instrumented already"):
        fdmetrics.zmq.instrument()
    with pytest.raises(ValueError, match="'pigeon' is not a carrier"):
        fdmetrics.zmq.instrument(carrier="pigeon")
    number: Any = 5
    with pytest.raises(TypeError, match="prefix is 5: a str is expected"):
        fdmetrics.zmq.instrument(number)
    with pytest.raises(TypeError, match="The link of tcp://x is 5: a str is expected"):
        fdmetrics.zmq.instrument(links={"tcp://x": number})
    with fdmetrics.zmq.instrument(registry=registry):
        pass


@pytest.mark.parametrize("form", ["given", "resolved", "both"])
def test_endpoints_get_names(form: str, registry: Registry) -> None:
    with zmq.Context() as plain, plain.socket(zmq.PULL) as other:
        port = other.bind_to_random_port("tcp://127.0.0.1")
    ends = {
        "given": {f"tcp://*:{port}": "engine", f"tcp://localhost:{port}": "engine"},
        "resolved": {f"tcp://0.0.0.0:{port}": "engine", f"tcp://localhost:{port}": "engine"},
    }
    # Of both, what the program gave.
    links = ends[form] if form != "both" else {**dict.fromkeys(ends["resolved"], "other"), **ends["given"]}
    with fdmetrics.zmq.instrument(registry=registry, links=links):
        for turn in range(2):
            # The port is free again once a context has ended, not already when a socket is closed.
            with zmq.Context() as context, context.socket(zmq.PUSH) as left, context.socket(zmq.PULL) as right:
                left.linger, right.rcvtimeo = 0, 30_000
                right.bind(f"tcp://*:{port}")
                left.connect(f"tcp://localhost:{port}".encode() if turn else f"tcp://localhost:{port}")
                left.send(b"x")
                right.recv()
                # What comes after that endpoint is another link.
                left.disconnect(f"tcp://localhost:{port}")
                right.bind("inproc://next")
                left.connect("inproc://next")
                left.send(b"x")
                right.recv()
    assert received(registry) == {"engine": 4, "inproc://next": 0}
    sent = Samples(registry).named("fastdeploy:zmq:msg_send_total")
    assert {dict(labels)["address"]: value for labels, value in sent.items()} == {"engine": 2, "inproc://next": 2}


def test_our_own_sockets_count_once_and_keep_their_settings(registry: Registry, tmp_path: Path) -> None:
    other = Registry(tmp_path / "other")
    with (
        fdmetrics.zmq.instrument(registry=other, carrier="envelope", monitor=True),
        fdmetrics.zmq.Context(registry=registry, carrier="trailer") as context,
        context.socket(zmq.PUSH) as left,
        context.socket(zmq.PULL) as right,
    ):
        assert left.carrier == "trailer"
        right.bind("inproc://ours")
        left.connect("inproc://ours")
        left.send_json([1])
        assert right.recv_json() == [1]
    assert received(registry) == {"inproc://ours": 1}
    assert received(other) == {}
    other.close()


def test_what_pyzmq_monitors_is_no_message(registry: Registry) -> None:
    with fdmetrics.zmq.instrument(registry=registry), zmq.Context() as context, context.socket(zmq.PULL) as socket:
        monitor = socket.get_monitor_socket()
        socket.bind_to_random_port("tcp://127.0.0.1")
        assert monitor.recv_multipart()
        socket.disable_monitor()
        monitor.close()
    assert received(registry) == {}


# Beside other libraries -----------------------------------------------------------------------------------------------


def wrapped(owner: Any, name: str) -> List[str]:
    """Another library puts a wrapper round a method; it notes the calls."""
    calls: List[str] = []
    former = getattr(owner, name)

    def wrapper(self: Any, *arguments: Any, **keywords: Any) -> Any:
        calls.append(name)
        return former(self, *arguments, **keywords)

    setattr(owner, name, wrapper)
    return calls


WRAPPED = ("send", "recv", "send_multipart", "recv_multipart", "send_json", "recv_json", "get", "connect", "close")


@pytest.fixture
def before() -> Iterator[Dict[str, Any]]:
    """zmq.Socket's members, as they are again after the test."""
    members = dict(vars(zmq.Socket))
    yield members
    for name, member in dict(vars(zmq.Socket)).items():
        if name not in members:
            delattr(zmq.Socket, name)
        elif members[name] is not member:
            setattr(zmq.Socket, name, members[name])


@pytest.mark.parametrize("carrier", fdmetrics.zmq.CARRIERS)
def test_wrappers_of_others_stay(carrier: str, before: Dict[str, Any], registry: Registry) -> None:

    def converse(context: Any) -> None:
        with context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
            right.bind("inproc://wrapped")
            left.connect("inproc://wrapped")
            left.send(b"x")
            assert right.recv() == b"x"
            left.send_multipart([b"1", b"2"])
            assert right.recv_multipart() == [b"1", b"2"]
            left.send_json({"a": 1})
            assert right.recv_json() == {"a": 1}
            assert not right.get(zmq.RCVMORE)

    with fdmetrics.zmq.instrument(registry=registry, carrier=carrier):
        calls = {name: wrapped(zmq.Socket, name) for name in WRAPPED}
        theirs = {name: vars(zmq.Socket)[name] for name in WRAPPED}
        with zmq.Context() as context:
            converse(context)
        assert all(calls.values())
    assert received(registry) == {"inproc://wrapped": 3}
    assert {name: vars(zmq.Socket)[name] for name in WRAPPED} == theirs
    kept = {name for name, member in vars(zmq.Socket).items() if name not in before or before[name] is not member}
    assert kept == {*WRAPPED, "_recorder"}
    # Ours are still called by theirs, and are as pyzmq's.
    for noted in calls.values():
        noted.clear()
    with zmq.Context() as context:
        converse(context)
        with context.socket(zmq.PUSH) as left, context.socket(zmq.PULL) as right:
            left.sndtimeo = 10
            with pytest.raises(zmq.Again):
                left.send(b"x")
            right.bind("inproc://plain")
            left.connect("inproc://plain")
            left.send(b"x" * 3, zmq.SNDMORE)
            left.send(b"FDM1" + b"y" * 20)
            assert right.recv_multipart() == [b"xxx", b"FDM1" + b"y" * 20]
            assert "_recorder" not in vars(left) and "_recorder" not in vars(right)
    assert all(calls.values())
    assert received(registry) == {"inproc://wrapped": 3}
    # Our own sockets record as ever, and so does the next instrument().
    with fdmetrics.zmq.Context(registry=registry, carrier=carrier) as ours:
        converse(ours)
    with fdmetrics.zmq.instrument(registry=registry, carrier=carrier), zmq.Context() as context:
        converse(context)
    assert received(registry) == {"inproc://wrapped": 9}


# Objects that stand for the same socket -------------------------------------------------------------------------------


@pytest.mark.parametrize("carrier", fdmetrics.zmq.CARRIERS)
def test_a_copy_records_for_the_same_link(carrier: str, registry: Registry) -> None:
    with (
        fdmetrics.zmq.instrument(registry=registry, carrier=carrier),
        zmq.Context() as context,
        context.socket(zmq.PUSH) as left,
        context.socket(zmq.PULL) as right,
    ):
        # Used before the socket itself.
        copies = [copy.copy(left), zmq.Socket.shadow(right.underlying), zmq.asyncio.Socket(right)]
        right.bind("inproc://copies")
        left.connect("inproc://copies")
        copies[0].send_multipart([b"1", b"2", b"3"])
        assert [right.recv(), copies[1].recv(), right.recv()] == [b"1", b"2", b"3"]
        copies[0].send(b"4", zmq.SNDMORE)
        left.send(b"5")
        assert copies[1].recv() == b"4" and right.rcvmore and right.recv() == b"5"
    assert received(registry) == {"inproc://copies": 2}
    assert Samples(registry).get("fastdeploy:zmq:msg_bytes_recv_total", address="inproc://copies") == 5


def test_an_address_that_libzmq_gives_again_is_another_socket(registry: Registry) -> None:
    again = 0
    with fdmetrics.zmq.instrument(registry=registry), zmq.Context() as context:
        known: Dict[int, int] = {}
        for number in range(200):
            left, right = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            # A shadow uses it first, and may be what closes it.
            shadow = copy.copy(right)
            again += known.get(shadow.underlying, number) != number
            known[shadow.underlying] = number
            shadow.bind(f"inproc://again.{number}")
            left.connect(f"inproc://again.{number}")
            left.send_multipart([b"1", b"2", b"3"])
            assert shadow.recv() == b"1"
            for socket in (left, shadow if number % 2 else right):
                socket.close()
            del left, right, shadow
    assert again
    assert not any(received(registry).values())
    endings = {dict(labels)["address"] for labels in Samples(registry).named("fastdeploy:zmq:msg_send_total")}
    assert endings == {f"inproc://again.{number}" for number in range(200)}
