# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""instrument() makes an existing program's sockets record, and takes itself back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Dict

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


def test_endpoints_get_names(registry: Registry, tmp_path: Path) -> None:
    links = {f"ipc://{tmp_path}/s": "engine"}
    with (
        fdmetrics.zmq.instrument(registry=registry, links=links),
        zmq.Context() as context,
        context.socket(zmq.PUSH) as left,
        context.socket(zmq.PULL) as right,
    ):
        right.bind(f"ipc://{tmp_path}/s")
        left.connect(f"ipc://{tmp_path}/s")
        left.send(b"x")
        right.recv()
    assert received(registry) == {"engine": 1}


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
