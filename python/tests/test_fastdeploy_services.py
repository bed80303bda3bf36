# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The services of fdmetrics.fastdeploy: names, messages, pairs of error and data, and what is left after close()."""

from __future__ import annotations

import json
import logging
import pickle
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
import zmq

import fdmetrics.zmq
from fdmetrics import Registry, fastdeploy
from fdmetrics.fastdeploy import PickleRefusedError, ZmqIpcClient, ZmqIpcServer, ZmqServerBase, ZmqTcpServer

from .fastdeploy_support import PATIENCE, Ends, StandIn, counts_of


@pytest.fixture(params=["sockets", "stand-in"])
def ends(request: pytest.FixtureRequest, registry: Registry, tmp_path: Path) -> Iterator[Ends]:
    ends = Ends(registry, tmp_path, StandIn() if request.param == "stand-in" else None)
    yield ends
    ends.close()


@pytest.fixture
def sockets(registry: Registry, tmp_path: Path) -> Iterator[Ends]:
    ends = Ends(registry, tmp_path)
    yield ends
    ends.close()


def test_json_and_pickle_travel_and_are_counted_once_at_each_end(ends: Ends) -> None:
    assert ends.client.send_json({"prompt": "hällo", "n": [1, 2.5, None]}) == (
        "sent with 0" if ends.stand_in is not None else None
    )
    assert ends.receive() == {"prompt": "hällo", "n": [1, 2.5, None]}
    counts = ends.counts()
    size = counts.pop("msg_bytes_send")
    assert size > 0
    assert counts == {"msg_send": 1, "msg_recv": 1, "msg_bytes_recv": size, "latency": 1}
    ends.client.send_pyobj({"not", "json"})
    assert ends.receive(pickled=True) == {"not", "json"}
    counts = ends.counts()
    assert counts.pop("msg_bytes_send") == counts.pop("msg_bytes_recv") > size
    assert counts == {"msg_send": 2, "msg_recv": 2, "latency": 2}


def test_the_envelope_is_what_other_services_read(ends: Ends) -> None:
    before = time.perf_counter()
    ends.client.send_json([1])
    ends.client.send_pyobj((2,))
    if ends.stand_in is not None:
        messages = list(ends.stand_in.queue)
    else:
        messages = [ends.server.socket.recv(), ends.server.socket.recv()]
    for envelope, data in zip((json.loads(messages[0]), pickle.loads(messages[1])), ([1], (2,))):
        assert envelope.keys() == {"__meta", "data"} and envelope["data"] == data
        # The clock of time.perf_counter, to the rounding of a float.
        assert before - 1e-6 <= envelope["__meta"]["send_ts"] <= time.perf_counter() + 1e-6


def test_how_an_object_with_send_and_recv_is_called(registry: Registry, tmp_path: Path) -> None:
    calls: List[Any] = []

    class Noting(StandIn):
        def send(self, data: Any, **keywords: Any) -> str:  # type: ignore[override]
            calls.append(keywords)
            return super().send(data)

        def recv(self, flags: int = 0) -> bytes:
            calls.append(flags)
            return super().recv(flags)

    client = ZmqIpcClient("t", zmq.PUSH, socket=Noting(), directory=str(tmp_path), registry=registry)
    assert client.send_json(data=[1], flags=3) == "sent with 0"
    client.send_pyobj(data=(2,), flags=4)
    assert client.recv_json(5) == [1]
    assert client.recv_pyobj(6) == (2,)
    assert client.receive_json_once() == (None, None)
    assert calls == [{"flags": 3}, {"copy": False, "flags": 4}, 5, 6, zmq.NOBLOCK]


def test_pairs_of_error_and_data(ends: Ends) -> None:
    assert ends.server.receive_json_once() == (None, None)
    ends.client.send_json({"a": 1})
    assert ends.server.receive_json_once(block=True) == (None, {"a": 1})
    ends.client.send_pyobj({1})
    assert ends.server.receive_pyobj_once(block=True) == (None, {1})


def test_an_error_is_told_once_and_closes_the_service(ends: Ends, caplog: pytest.LogCaptureFixture) -> None:
    ends.send_raw(b"{not json")
    with caplog.at_level(logging.WARNING, "fdmetrics"):
        error, data = ends.server.receive_json_once(block=True)
    assert error and data is None
    assert error in caplog.text
    assert not ends.server.running
    assert ends.server.receive_json_once() == ("zmp socket has closed", None)
    assert ends.server.receive_pyobj_once() == ("zmp socket has closed", None)


def test_a_service_that_has_no_socket_and_makes_none() -> None:
    class Nothing(ZmqServerBase):
        def _create_socket(self) -> Any:
            return None

    server = Nothing(pickle=True)
    assert server.receive_json_once() == ("zmp socket has closed", None)
    assert server.receive_pyobj_once(block=True) == ("zmp socket has closed", None)
    assert server.running


def test_an_error_of_making_the_socket_is_told(tmp_path: Path) -> None:
    client = ZmqIpcClient("t", zmq.PULL, directory=str(tmp_path / ("x" * 200)))
    error, data = client.receive_json_once()
    assert error is not None and "too long" in error and data is None
    assert not client.running


def test_a_socket_that_was_closed_elsewhere(sockets: Ends) -> None:
    sockets.server.socket.close()
    assert sockets.server.receive_json_once() == ("zmp socket has closed", None)


def test_a_closed_service_stays_closed(ends: Ends) -> None:
    ends.client.close()
    ends.client.close()
    if ends.stand_in is None:
        with pytest.raises(zmq.ZMQError):
            ends.client.send_json([1])
        # Not even a socket that is taken away is made anew.
        ends.client.socket = None
        with pytest.raises(RuntimeError, match="was closed"):
            ends.client.send_json([1])
        ends.server.close()
        with pytest.raises(zmq.ZMQError):
            ends.server.recv_json()
        assert ends.server.context.closed and ends.server.socket.closed
    assert ends.client.receive_json_once() == ("zmp socket has closed", None)


def test_close_does_not_wait_for_what_nobody_receives(registry: Registry, tmp_path: Path) -> None:
    client = ZmqIpcClient("nobody", zmq.PUSH, directory=str(tmp_path), registry=registry)
    client.connect()
    client.connect()
    client.send_json([1])
    client.close()
    assert client.context.closed


@pytest.mark.parametrize(
    ("mode", "name"), [(zmq.PULL, "t.socket"), (zmq.ROUTER, "router_t.ipc"), (zmq.PUSH, "response_t.push")]
)
def test_the_file_of_an_ipc_server_is_there_until_it_is_closed(tmp_path: Path, mode: int, name: str) -> None:
    with ZmqIpcServer(name="t", mode=mode, directory=str(tmp_path)) as server:
        assert server.file_name == str(tmp_path / name)
        assert server.address == f"ipc://{tmp_path / name}"
        assert server.socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode() == server.address
        assert (tmp_path / name).is_socket()
    assert list(tmp_path.iterdir()) == []


def test_a_mode_that_no_ipc_server_has_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"mode of 't' is .*zmq\.PULL, zmq\.ROUTER or zmq\.PUSH"):
        ZmqIpcServer("t", zmq.PUB, directory=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_options_of_a_client_may_be_set_before_it_is_connected(tmp_path: Path) -> None:
    with ZmqIpcClient("t", zmq.PUSH, directory=str(tmp_path)) as client:
        client.socket.sndtimeo = 7
        client.socket.sndhwm = 1
        client.connect()
        with pytest.raises(zmq.Again):
            while True:
                client.send_json([1])


def test_the_file_of_another_server_is_left_alone(tmp_path: Path) -> None:
    first = ZmqIpcServer("t", zmq.PULL, directory=str(tmp_path))
    file = tmp_path / "t.socket"
    # What libzmq does to a file that a second server finds.
    file.rename(tmp_path / "gone")
    file.write_text("another server's")
    (tmp_path / "gone").unlink()
    # libzmq removes the name itself when its thread closes the socket; here it finds none.
    first._clear_ipc(first.file_name)
    assert file.read_text() == "another server's"
    first.close()


def test_a_file_that_cannot_be_removed_is_only_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = ZmqIpcServer("t", zmq.PULL, directory=str(tmp_path))

    def refuse(path: str) -> None:
        raise PermissionError(f"not {path}")

    monkeypatch.setattr("fdmetrics.fastdeploy.zmq_server.os.remove", refuse)
    with caplog.at_level(logging.WARNING, "fdmetrics"):
        server._clear_ipc(server.file_name)
    assert f"Failed to remove IPC file {server.file_name} - not {server.file_name}" in caplog.text
    server.close()


def test_the_default_directory_is_the_one_of_shared_memory() -> None:
    client = ZmqIpcClient("fdmetrics-test", zmq.PUSH)
    assert client.file_name == "/dev/shm/fdmetrics-test.socket"
    assert client.address == "ipc:///dev/shm/fdmetrics-test.socket"
    client.close()
    with ZmqIpcClient("x", zmq.DEALER, directory="/d") as dealer:
        assert dealer.file_name == "/d/router_x.ipc"


def test_socket_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ZmqIpcServer("t", zmq.ROUTER, directory=str(tmp_path)) as server:
        assert server.socket.getsockopt(zmq.SNDHWM) == 0
        assert server.socket.getsockopt(zmq.SNDTIMEO) == -1
    monkeypatch.setenv("FD_ZMQ_SNDHWM", "17")
    with ZmqTcpServer(port=0, mode=zmq.ROUTER) as tcp:
        assert tcp.socket.getsockopt(zmq.SNDHWM) == 17
    monkeypatch.setenv("FD_ZMQ_SNDHWM", "many")
    with pytest.raises(ValueError, match="FD_ZMQ_SNDHWM is 'many'"):
        ZmqIpcServer("t", zmq.PULL, directory=str(tmp_path))


def test_a_tcp_server_counts_for_its_endpoint_or_for_the_name_it_is_given(registry: Registry) -> None:
    with fdmetrics.zmq.Context() as context, context.socket(zmq.PUSH) as client:
        client.registry = registry
        client.link = "engine"
        client.carrier = "envelope"
        with ZmqTcpServer(port=0, mode=zmq.PULL, registry=registry, link="engine") as server:
            assert server.address == f"tcp://*:{server.port}"
            server.socket.rcvtimeo = PATIENCE
            client.connect(f"tcp://127.0.0.1:{server.port}")
            client.send_json({"a": 1})
            assert server.recv_json() == {"a": 1}
            server.address = "engine"
            counts = counts_of(registry, server)
    assert (counts["msg_send"], counts["msg_recv"], counts["latency"]) == (1, 1, 1)


def test_pickle_over_tcp_only_when_asked_for_by_name(registry: Registry) -> None:
    calls = ("recv_pyobj", "receive_pyobj", "receive_pyobj_once")
    with ZmqTcpServer(port=0, mode=zmq.PULL, registry=registry) as server:
        for call in calls:
            with pytest.raises(PickleRefusedError, match="pickle=True"):
                getattr(server, call)()
        with pytest.raises(PickleRefusedError):
            server.send_pyobj([1])
        assert server.running and counts_of(registry, server) == {}
    with ZmqTcpServer(port=0, mode=zmq.PULL, registry=registry, pickle=True) as server:
        assert server.receive_pyobj_once() == (None, None)
        with zmq.Context() as context, context.socket(zmq.PUSH) as client:
            client.connect(f"tcp://127.0.0.1:{server.port}")
            client.send_pyobj({1})
            assert server.receive_pyobj_once(block=True) == (None, {1})


def test_pickle_over_a_given_socket_goes_by_where_that_leads(registry: Registry, tmp_path: Path) -> None:
    with zmq.Context() as context:
        socket = context.socket(zmq.PULL)
        server = ZmqIpcServer("t", zmq.PULL, socket=socket, directory=str(tmp_path), registry=registry)
        socket.bind(server.address or "")
        assert server.receive_pyobj_once() == (None, None)
        socket.bind_to_random_port("tcp://127.0.0.1")
        for call in (server.recv_pyobj, server.receive_pyobj_once, lambda: server.send_pyobj(1)):
            with pytest.raises(PickleRefusedError, match=r"tcp://127\.0\.0\.1"):
                call()
        server.close()


@pytest.mark.parametrize(
    ("address", "allowed"),
    [(None, True), ("a name", True), ("ipc:///x", True), ("tcp://*:1", False), ("pgm://x", False)],
)
def test_pickle_through_what_stands_for_a_socket_goes_by_its_address(address: Any, allowed: bool) -> None:
    class Standing(ZmqServerBase):
        def _create_socket(self) -> Any:
            return None

    server = Standing(socket=StandIn())
    server.address = address
    if allowed:
        server.send_pyobj({1})
        assert server.recv_pyobj() == {1}
        return
    for call in (server.recv_pyobj, lambda: server.send_pyobj(1)):
        with pytest.raises(PickleRefusedError):
            call()


def test_pickle_is_refused_before_it_is_known_where_a_socket_leads() -> None:
    class Late(ZmqServerBase):
        def _create_socket(self) -> Any:
            raise AssertionError("not to be made")

    with pytest.raises(PickleRefusedError):
        Late().recv_pyobj()


def test_an_address_in_use_is_told_and_nothing_stays_open() -> None:
    # ResourceWarnings are errors here.
    with ZmqTcpServer(port=0, mode=zmq.PULL) as server, pytest.raises(zmq.ZMQError, match="in use"):
        ZmqTcpServer(port=server.port, mode=zmq.PULL)


@pytest.mark.parametrize("kind", ["plain", "instrumented"])
@pytest.mark.parametrize("carrier", fdmetrics.zmq.CARRIERS)
def test_given_sockets_are_recorded(registry: Registry, tmp_path: Path, kind: str, carrier: str) -> None:
    context: Any = fdmetrics.zmq.Context()
    keywords: Dict[str, Any] = {"directory": str(tmp_path), "registry": registry}
    with ZmqIpcServer("t", zmq.PULL, **keywords) as server:
        server.socket.rcvtimeo = PATIENCE
        socket = zmq.Socket(context, zmq.PUSH) if kind == "plain" else context.socket(zmq.PUSH)
        if kind == "instrumented":
            socket.registry, socket.carrier = registry, carrier
        client = ZmqIpcClient("t", zmq.PUSH, socket=socket, **keywords)
        client.send_json({"a": 1})
        client.send_pyobj({1})
        assert server.recv_json() == {"a": 1}
        assert server.recv_pyobj() == {1}
        counts = counts_of(registry, server)
        assert (counts["msg_send"], counts["msg_recv"]) == (2, 2)
        assert counts["msg_bytes_send"] == counts["msg_bytes_recv"]
        assert counts.get("latency") == (None if (kind, carrier) == ("instrumented", "none") else 2)
        client.close()
        assert socket.closed and not context.closed
    context.term()


def test_a_given_plain_socket_receives_trailers(registry: Registry, tmp_path: Path) -> None:
    keywords: Dict[str, Any] = {"directory": str(tmp_path), "registry": registry}
    with zmq.Context() as context:
        socket = context.socket(zmq.PULL)
        socket.rcvtimeo = PATIENCE
        server = ZmqIpcServer("t", zmq.PULL, socket=socket, **keywords)
        socket.bind(server.address or "")
        with ZmqIpcClient("t", zmq.PUSH, carrier="trailer", **keywords) as client:
            for number in range(3):
                client.send_json(number)
                assert server.recv_json() == number
        assert counts_of(registry, server)["latency"] == 3
        server.close()


def test_every_public_name_is_there() -> None:
    assert all(hasattr(fastdeploy, name) for name in fastdeploy.__all__)
