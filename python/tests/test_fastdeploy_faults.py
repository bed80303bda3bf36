# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the classes that fdmetrics.fastdeploy takes the place of, none of which may come back.

Each is tried with the service's own sockets and with an object that has send and recv.
"""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any, Iterator

import pytest
import zmq

import fdmetrics.zmq
from fdmetrics import Registry
from fdmetrics.fastdeploy import NOTHING, ZmqIpcClient, ZmqServerBase

from .fastdeploy_support import Ends, StandIn
from .support import Samples, run_program


@pytest.fixture(params=["sockets", "stand-in"])
def ends(request: pytest.FixtureRequest, registry: Registry, tmp_path: Path) -> Iterator[Ends]:
    ends = Ends(registry, tmp_path, StandIn() if request.param == "stand-in" else None)
    yield ends
    ends.close()


def not_serialisable() -> None:
    """No JSON, and as a local of a lambda below no pickle either."""


def fail_once(ends: Ends, pickled: bool) -> None:
    send = ends.client.send_pyobj if pickled else ends.client.send_json
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        send(lambda: not_serialisable)


def test_a_send_on_a_socket_that_was_not_made_yet(registry: Registry, tmp_path: Path) -> None:
    ends = Ends(registry, tmp_path)
    try:
        # Neither connect() nor any other call has connected the client's socket, or made another one.
        ends.client.send_json([1])
        assert ends.receive() == [1]
        ends.client.socket.close()
        ends.client.socket = None
        ends.client.send_json([1])
        assert ends.receive() == [1]
        assert ends.counts()["msg_send"] == 2
    finally:
        ends.close()


class NotInitialised(ZmqServerBase):
    """A service whose own __init__ leaves out that of its base, and that has no socket to make."""

    def __init__(self) -> None:
        self.running = True

    def _create_socket(self) -> Any:
        return None


@pytest.mark.parametrize("call", ["send_json", "send_pyobj"])
def test_no_socket_and_no_address_say_so_and_hide_no_other_error(call: str) -> None:
    service = NotInitialised()
    service.address = "ipc:///nowhere"
    with pytest.raises(RuntimeError, match="has no socket"):
        getattr(service, call)([1])


def test_an_error_before_connect_is_the_one_that_is_raised(registry: Registry, tmp_path: Path) -> None:
    client = ZmqIpcClient("t", zmq.PUSH, directory=str(tmp_path), registry=registry)
    with pytest.raises(TypeError, match="not JSON serializable"):
        client.send_json(lambda: not_serialisable)
    assert Samples(registry).get("fastdeploy:zmq:msg_send_failed_total", address=client.address or "") == 1
    client.close()


@pytest.mark.parametrize("pickled", [False, True], ids=["json", "pickle"])
@pytest.mark.parametrize(
    "message",
    [{"prompt": 1}, [1, 2], 7, "text", True, {"data": 1}, {}],
    ids=str,
)
def test_a_message_without_envelope_is_counted(ends: Ends, message: object, pickled: bool) -> None:
    raw = pickle.dumps(message) if pickled else json.dumps(message).encode()
    ends.send_raw(raw)
    assert ends.receive(pickled) == message
    assert ends.counts() == {"msg_recv": 1, "msg_bytes_recv": len(raw)}


@pytest.mark.parametrize("pickled", [False, True], ids=["json", "pickle"])
@pytest.mark.parametrize(
    "message",
    [
        {"__meta": {"send_ts": 1.0}},
        {"__meta": {}, "data": 1},
        {"__meta": 7, "data": 1},
        {"__meta": None, "data": 1},
        {"__meta": ["send_ts"], "data": 1},
        {"__meta": "send_ts", "data": 1},
        {"__meta": {"send_ts": "soon"}, "data": 1},
        {"__meta": {"send_ts": None}, "data": 1},
        {"__meta": {"send_ts": 1e18}, "data": 1},
    ],
    ids=str,
)
def test_a_message_with_broken_meta_is_handed_over_whole_and_counted(
    ends: Ends, message: object, pickled: bool
) -> None:
    raw = pickle.dumps(message) if pickled else json.dumps(message).encode()
    ends.send_raw(raw)
    assert ends.receive(pickled) == message
    assert ends.counts() == {"msg_recv": 1, "msg_bytes_recv": len(raw), "latency_skipped": 1}


@pytest.mark.parametrize("pickled", [False, True], ids=["json", "pickle"])
def test_a_message_that_cannot_be_decoded_is_counted(ends: Ends, pickled: bool) -> None:
    ends.send_raw(b"\x80{")
    with pytest.raises((ValueError, pickle.UnpicklingError, EOFError)):
        ends.receive(pickled)
    assert ends.counts() == {"msg_recv": 1, "msg_bytes_recv": 2, "msg_recv_failed": 1}


@pytest.mark.parametrize("pickled", [False, True], ids=["json", "pickle"])
def test_a_failed_send_is_not_a_send_and_has_no_bytes(ends: Ends, pickled: bool) -> None:
    fail_once(ends, pickled)
    fail_once(ends, pickled)
    assert ends.counts() == {"msg_send_failed": 2}


@pytest.mark.parametrize("call", ["send_json", "send_pyobj"])
def test_a_send_that_the_socket_refuses_is_not_a_send_and_has_no_bytes(
    registry: Registry, tmp_path: Path, call: str
) -> None:
    keywords: Any = {"directory": str(tmp_path), "registry": registry}
    # A queue for few messages, and no server that would take one of them.
    context = fdmetrics.zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.registry = registry
    socket.carrier = "envelope"
    socket.sndhwm = 2
    stand_in = StandIn()
    stand_in.room = 3
    for name, given in (("a", socket), ("b", stand_in)):
        service = ZmqIpcClient(name, zmq.PUSH, socket=given, **keywords)
        sent = 0
        with pytest.raises(zmq.Again):
            while sent < 10:
                getattr(service, call)("x" * 1000, zmq.NOBLOCK)
                sent += 1
        assert sent > 0
        samples = Samples(registry)
        assert samples.get("fastdeploy:zmq:msg_send_total", address=service.address or "") == sent
        assert samples.get("fastdeploy:zmq:msg_send_failed_total", address=service.address or "") == 1
        counted = samples.get("fastdeploy:zmq:msg_bytes_send_total", address=service.address or "")
        assert counted is not None and sent * 1000 <= counted <= sent * 1100
        service.close()
    context.term()


def test_looking_for_a_message_where_none_is_makes_no_series(ends: Ends) -> None:
    for _ in range(5):
        assert ends.server.receive_json_once() == (None, None)
        assert ends.server.receive_pyobj_once() == (None, None)
    assert "address=" not in Samples(ends.registry).text


def test_no_link_is_called_none_or_unknown(registry: Registry) -> None:
    class Nameless(ZmqServerBase):
        def _create_socket(self) -> Any:
            return StandIn()

    server = Nameless(registry=registry, pickle=True)
    assert server.address is None
    server.send_json(1)
    assert server.recv_json() == 1
    server.send_pyobj(1)
    assert server.recv_pyobj() == 1
    assert "address=" not in Samples(registry).text
    server.address = "ipc:///named/now"
    server.send_json(1)
    assert Samples(registry).get("fastdeploy:zmq:msg_send_total", address="ipc:///named/now") == 1


def test_the_series_are_there_with_one_process_only(tmp_path: Path) -> None:
    program = """
        import sys
        import zmq
        import fdmetrics
        from fdmetrics.fastdeploy import ZmqIpcClient, ZmqIpcServer
        with ZmqIpcServer("t", zmq.PULL, directory=sys.argv[1]) as server:
            with ZmqIpcClient("t", zmq.PUSH, directory=sys.argv[1]) as client:
                client.send_json([1])
                assert server.receive_json_once(block=True) == (None, [1])
        print(fdmetrics.generate_latest().decode())
    """
    text = run_program(program, tmp_path)
    for name in ("msg_send_total", "msg_recv_total", "latency_count"):
        assert f'\nfastdeploy:zmq:{name}{{address="ipc://{tmp_path}/t.socket"}} 1.0\n' in text


def test_help_texts_are_spelt_right_and_name_the_unit(ends: Ends) -> None:
    ends.client.send_json([1])
    ends.receive()
    text = Samples(ends.registry).text
    helps = dict(re.findall(r"^# HELP fastdeploy:zmq:(\S+) (.+)$", text, re.MULTILINE))
    assert {"msg_recv_total", "msg_bytes_recv_total", "latency"} <= helps.keys()
    assert all("recie" not in words.lower() for words in helps.values())
    assert "milliseconds" in helps["latency"]
    # And it is that unit: a message takes less than the hours that the same number of seconds would be.
    total = Samples(ends.registry).get("fastdeploy:zmq:latency_sum", address=ends.server.address or "")
    assert total is not None and 0 < total < 60_000


def test_null_can_be_told_from_nothing(ends: Ends) -> None:
    assert ends.server.receive_json() is NOTHING
    assert ends.server.receive_pyobj() is NOTHING
    ends.client.send_json(None)
    assert ends.server.receive_json(block=True) is None
    ends.client.send_pyobj(None)
    assert ends.server.receive_pyobj(block=True) is None
    ends.client.send_json(None)
    assert ends.server.receive_json_once(block=True) == (None, None)
    assert ends.counts()["msg_recv"] == 3
