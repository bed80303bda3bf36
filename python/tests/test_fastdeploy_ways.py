# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Responses by step, by batch and added up, how FastDeploy's variables choose, and control commands."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import logging
import os
import pickle
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List
from unittest import mock

import msgpack  # type: ignore[import-untyped]
import pytest
import zmq

import fdmetrics.zmq
from fdmetrics import Registry
from fdmetrics.fastdeploy import PickleRefusedError, ZmqIpcServer, ZmqTcpServer, envs, zmq_packing

from .fastdeploy_support import PATIENCE, counts_of
from .support import Samples


class Part:
    """One part of an answer, which can be added to another one."""

    def __init__(self, value: int, finished: bool = False) -> None:
        self.value = value
        self.finished = finished

    def add(self, other: Part) -> None:
        self.value += other.value
        self.finished |= other.finished

    def to_dict(self) -> Dict[str, Any]:
        if self.value < 0:
            raise ValueError("a broken part")
        return {"value": self.value, "finished": self.finished}


class Dealer:
    """A plain client at the other end of a ROUTER."""

    def __init__(self, address: str) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.rcvtimeo = PATIENCE
        self.socket.linger = 0
        self.socket.connect(address)

    def ask(self, server: ZmqIpcServer, req_id: bytes) -> None:
        self.socket.send_multipart([b"", req_id])
        assert server.socket.poll(PATIENCE)
        assert server.receive_result_handle_once()

    def answer(self) -> bytes:
        empty, packed = self.socket.recv_multipart()
        assert empty == b""
        return bytes(packed)

    def close(self) -> None:
        self.socket.close()
        self.context.term()


@pytest.fixture
def router(registry: Registry, tmp_path: Path) -> Iterator[ZmqIpcServer]:
    with ZmqIpcServer("t", zmq.ROUTER, directory=str(tmp_path), registry=registry) as server:
        yield server


@pytest.fixture
def dealer(router: ZmqIpcServer) -> Iterator[Dealer]:
    dealer = Dealer(router.address or "")
    yield dealer
    dealer.close()


# By step --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FD_ENABLE_INTERNAL_ADAPTER", "1")


def values(packed: bytes) -> List[List[int]]:
    return [[one["value"] for one in step] for step in msgpack.unpackb(packed)]


def test_steps_wait_for_a_client_and_then_go_to_it(
    by_step: None, router: ZmqIpcServer, dealer: Dealer, registry: Registry
) -> None:
    router.send_response(None, [[Part(1)], [Part(2), Part(3)]])
    router.send_response("1", [[Part(4)]])
    assert counts_of(registry, router) == {} and router.batch_id_per_step == 0
    dealer.ask(router, b"whatever")
    assert router.req_dict == {}
    router.send_response(None, [[Part(5)]])
    router.send_response(None, [[Part(6, finished=True)]])
    assert values(dealer.answer()) == [[1], [2, 3], [4], [5]]
    assert values(dealer.answer()) == [[6]]
    assert router.batch_id_per_step == 2 and router.cached_results == {"data": []}
    counts = counts_of(registry, router)
    assert (counts["msg_recv"], counts["msg_send"]) == (1, 2)
    assert "msg_send_failed" not in counts


def test_a_step_that_cannot_be_sent_is_logged_and_counted_as_failed(
    by_step: None, router: ZmqIpcServer, dealer: Dealer, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    dealer.ask(router, b"whatever")
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        router.send_response(None, [[Part(-1)]])
    assert "Send result to zmq client failed: a broken part" in caplog.text
    assert router.batch_id_per_step == 0
    counts = counts_of(registry, router)
    assert counts["msg_send_failed"] == 1 and "msg_send" not in counts


def test_a_step_without_a_socket_says_so(by_step: None, router: ZmqIpcServer) -> None:
    router.close()
    router.socket = None
    with pytest.raises(RuntimeError, match="Router socket not created"):
        router.send_response(None, [[Part(1)]])


def test_what_msgpack_has_no_type_for() -> None:
    @dataclasses.dataclass
    class Config:
        rate: float
        array: Any

    class Array:
        def tolist(self) -> List[int]:
            return [1, 2]

    Point = collections.namedtuple("Point", ["x", "y"])
    value = {"array": Array(), "config": Config(0.5, Array()), "point": Point(1, 2)}
    assert msgpack.unpackb(zmq_packing.packed(value)) == {
        "array": [1, 2],
        "config": {"rate": 0.5, "array": [1, 2]},
        "point": [1, 2],
    }
    assert zmq_packing._msgpack_default(Point(1, 2)) == [1, 2]
    with pytest.raises(TypeError, match="Object of type object is not msgpack serializable"):
        zmq_packing.packed(object())


def test_without_msgpack_it_says_how_to_get_it(
    by_step: None, router: ZmqIpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(ImportError, match=r"pip install fdmetrics\[fastdeploy\]"):
        router.send_response(None, [[Part(1)]])


# By batch -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pusher(registry: Registry, tmp_path: Path) -> Iterator[ZmqIpcServer]:
    with ZmqIpcServer("t", zmq.PUSH, directory=str(tmp_path), registry=registry) as server:
        yield server


@pytest.fixture
def pulling(registry: Registry) -> Iterator[Any]:
    with fdmetrics.zmq.Context(registry=registry) as context, context.socket(zmq.PULL) as socket:
        socket.rcvtimeo = PATIENCE
        yield socket


def test_a_batch_is_one_message_to_whoever_pulls(pusher: ZmqIpcServer, pulling: Any, registry: Registry) -> None:
    pulling.connect(pusher.address)
    pusher.send_response(None, [[Part(1)], [Part(2), Part(3, finished=True)]])
    packed = pulling.recv()
    assert values(packed) == [[1], [2, 3]]
    # A request's id may stand before its responses.
    pusher.send_response(None, [["r1", [Part(4)]]])
    assert msgpack.unpackb(pulling.recv())[0][0] == "r1"
    counts = counts_of(registry, pusher)
    assert (counts["msg_send"], counts["msg_recv"]) == (2, 2)
    assert counts["msg_bytes_send"] == counts["msg_bytes_recv"] > len(packed)


def test_batches_go_to_the_worker_that_they_are_for(pusher: ZmqIpcServer, registry: Registry, tmp_path: Path) -> None:
    workers = {pid: f"ipc://{tmp_path}/response_t_w{pid}.pull" for pid in (11, 12)}
    with fdmetrics.zmq.Context(registry=registry) as context:
        sockets = {pid: context.socket(zmq.PULL) for pid in workers}
        for pid, socket in sockets.items():
            socket.rcvtimeo = PATIENCE
            socket.bind(workers[pid])
        for number in range(3):
            for pid in workers:
                pusher.send_response(None, [[Part(pid * 10 + number)]], worker_pid=pid)
        for pid, socket in sockets.items():
            assert [values(socket.recv()) for _ in range(3)] == [[[pid * 10 + number]] for number in range(3)]
            socket.close()
    assert sorted(pusher.worker_push_sockets) == [11, 12]
    samples = Samples(registry)
    for address in workers.values():
        assert samples.get("fastdeploy:zmq:msg_send_total", address=address) == 3
        assert samples.get("fastdeploy:zmq:msg_recv_total", address=address) == 3
    made = list(pusher.worker_push_sockets.values())
    pusher.close()
    assert pusher.worker_push_sockets == {} and all(socket.closed for socket in made)


def test_a_worker_s_socket_that_cannot_be_closed_hinders_no_other(pusher: ZmqIpcServer) -> None:
    bad = mock.Mock(closed=False)
    bad.close.side_effect = RuntimeError("push close failed")
    good = mock.Mock(closed=False)
    pusher.worker_push_sockets.update({1: bad, 2: good})
    pusher.close()
    good.close.assert_called_once_with()
    assert pusher.socket.closed and not pusher.worker_push_sockets


def test_batches_of_a_closed_server_are_logged(pusher: ZmqIpcServer, caplog: pytest.LogCaptureFixture) -> None:
    pusher.close()
    pusher.socket = None
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        pusher.send_response(None, [[Part(1)]])
        pusher.send_response(None, [[Part(1)]], worker_pid=1)
    assert len(caplog.records) == 2
    assert all("Send result to zmq client failed" in record.getMessage() for record in caplog.records)


def test_a_tcp_server_has_no_worker_s_sockets() -> None:
    with ZmqTcpServer(port=0, mode=zmq.PUSH) as server, pytest.raises(RuntimeError, match="worker_pid=7"):
        server.send_response(None, [[Part(1)]], worker_pid=7)


def test_a_batch_that_cannot_be_packed_is_one_failed_message(
    pusher: ZmqIpcServer, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        pusher.send_response(None, [[Part(-1)]])
    assert "a broken part" in caplog.text
    assert counts_of(registry, pusher) == {"msg_send_failed": 1}


def test_responses_as_they_are(pusher: ZmqIpcServer, pulling: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_V1_DATA_PROCESSOR", "1")
    pulling.connect(pusher.address)
    pusher.send_response(None, [[Part(1)]])
    ((part,),) = pickle.loads(pulling.recv())
    assert isinstance(part, Part) and part.value == 1
    with ZmqTcpServer(port=0, mode=zmq.PUSH) as server, pytest.raises(PickleRefusedError):
        server.send_response(None, [[Part(1)]])


# By query -------------------------------------------------------------------------------------------------------------


def test_responses_are_added_up(
    router: ZmqIpcServer, dealer: Dealer, monkeypatch: pytest.MonkeyPatch, registry: Registry, tmp_path: Path
) -> None:
    assert not router.aggregate_send
    router.aggregate_send = True
    router.send_response("r1", [Part(1), Part(2)])
    dealer.ask(router, b"r1")
    router.send_response("r1", [Part(3, finished=True)])
    assert pickle.loads(dealer.answer()) == [{"value": 6, "finished": True}]
    monkeypatch.setenv("ENABLE_V1_DATA_PROCESSOR", "1")
    (part,) = pickle.loads(router.pack_aggregated_data([Part(1), Part(2)]))
    assert isinstance(part, Part) and part.value == 3
    monkeypatch.setenv("FD_USE_AGGREGATE_SEND", "1")
    keywords: Any = {"directory": str(tmp_path), "registry": registry}
    with ZmqIpcServer("x", zmq.ROUTER, pack=lambda parts: b"%d" % parts[0].value, **keywords) as server:
        assert server.aggregate_send
        assert server.pack_aggregated_data([Part(1), Part(2)]) == b"3"


@pytest.mark.parametrize(
    ("variables", "req_id", "way"),
    [
        ({}, "r1", "_send_response_per_query"),
        ({"ZMQ_SEND_BATCH_DATA": "0"}, "r1", "_send_response_per_query"),
        ({"ZMQ_SEND_BATCH_DATA": "1"}, "r1", "_send_batch_response"),
        ({}, None, "_send_batch_response"),
        ({"FD_ENABLE_INTERNAL_ADAPTER": "1"}, "r1", "_send_response_per_step"),
        ({"FD_ENABLE_INTERNAL_ADAPTER": "1", "ZMQ_SEND_BATCH_DATA": "1"}, None, "_send_response_per_step"),
    ],
)
def test_the_variables_choose_the_way(router: ZmqIpcServer, variables: Dict[str, str], req_id: Any, way: str) -> None:
    ways = ("_send_response_per_query", "_send_batch_response", "_send_response_per_step")
    data: List[Any] = [[Part(1)]]
    # The attributes are replaced as FastDeploy's tests do it.
    for patches in (
        [mock.patch.dict(os.environ, variables)],
        [mock.patch.object(envs, name, text == "1") for name, text in variables.items()],
    ):
        with (
            contextlib.ExitStack() as stack,
            mock.patch.multiple(router, **dict.fromkeys(ways, mock.DEFAULT)) as called,
        ):
            for patch in patches:
                stack.enter_context(patch)
            router.send_response(req_id, data)
            assert [name for name in ways if called[name].called] == [way]
            if way == "_send_batch_response":
                called[way].assert_called_once_with(data, worker_pid=None)
            else:
                called[way].assert_called_once_with(req_id, data)


def test_variables_are_read_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert envs.FD_USE_AGGREGATE_SEND is False and envs.FD_ZMQ_SNDHWM == 0
    monkeypatch.setenv("FD_USE_AGGREGATE_SEND", "1")
    monkeypatch.setenv("FD_ZMQ_SNDHWM", "12")
    assert envs.FD_USE_AGGREGATE_SEND is True and envs.FD_ZMQ_SNDHWM == 12
    with pytest.raises(AttributeError, match="NO_SUCH"):
        _ = envs.NO_SUCH


def test_what_is_kept_is_sent_through_send_response(router: ZmqIpcServer, dealer: Dealer) -> None:
    router.send_response("r1", [Part(1, finished=True)])
    with mock.patch.object(router, "send_response") as called:
        dealer.ask(router, b"r1")
    called.assert_called_once_with("r1", [])


def test_the_thread_goes_on_after_an_error_of_a_response(
    router: ZmqIpcServer, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes: List[Any] = [KeyError("one"), True, zmq.ZMQError(msg="closed")]

    def once() -> bool:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return bool(outcome)

    with mock.patch.object(router, "receive_result_handle_once", once), caplog.at_level(logging.ERROR, "fdmetrics"):
        router.recv_result_handle()
    assert [record.getMessage() for record in caplog.records] == [
        "recv_result_handle get unknown exception: 'one'",
        "recv_result_handle get zmq error: closed",
    ]


# Control commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def control(registry: Registry) -> Iterator[ZmqTcpServer]:
    with ZmqTcpServer(port=0, mode=zmq.ROUTER, registry=registry, link="control") as server:
        yield server


@pytest.fixture
def commander(control: ZmqTcpServer) -> Iterator[Dealer]:
    dealer = Dealer(f"tcp://127.0.0.1:{control.port}")
    yield dealer
    dealer.close()


def control_counts(registry: Registry) -> Dict[str, Any]:
    samples = Samples(registry)
    names = ("msg_recv", "msg_recv_failed", "msg_send", "msg_send_failed")
    return {name: samples.get(f"fastdeploy:zmq:{name}_total", address="control") for name in names}


def test_a_command_is_answered_and_both_are_counted(
    control: ZmqTcpServer, commander: Dealer, registry: Registry
) -> None:
    assert control.recv_control_cmd() is None
    task = {"task_id": "task-1", "cmd": "get_payload", "n": [1, 2.5, None]}
    commander.socket.send_multipart([b"", msgpack.packb(task)])
    assert control.socket.poll(PATIENCE)
    assert control.recv_control_cmd() == task
    assert list(control.req_dict) == ["task-1"]
    control.response_for_control_cmd("task-1", {"task_id": "task-1", "result": {"free": 7}})
    assert msgpack.unpackb(commander.answer()) == {"task_id": "task-1", "result": {"free": 7}}
    assert control.req_dict == {}
    counts = control_counts(registry)
    assert (counts["msg_recv"], counts["msg_send"]) == (1, 1)
    assert not counts["msg_recv_failed"] and not counts["msg_send_failed"]


@pytest.mark.parametrize(
    "frames",
    [
        [b"", b"\xc1"],
        [b"", msgpack.packb([1])],
        [b"", msgpack.packb({"cmd": "no id"})],
        [b"", msgpack.packb({"task_id": ["no key"]})],
        [b"one frame"],
    ],
    ids=["no msgpack", "no dictionary", "no task_id", "an unhashable task_id", "another shape"],
)
def test_what_is_no_command_is_logged_and_dropped(
    control: ZmqTcpServer,
    commander: Dealer,
    registry: Registry,
    caplog: pytest.LogCaptureFixture,
    frames: List[bytes],
) -> None:
    commander.socket.send_multipart(frames)
    assert control.socket.poll(PATIENCE)
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        assert control.recv_control_cmd() is None
    assert [record.getMessage()[:31] for record in caplog.records] == ["recv_control_cmd get no command"]
    assert control.req_dict == {}
    counts = control_counts(registry)
    assert (counts["msg_recv"], counts["msg_recv_failed"]) == (1, 1)


def test_a_result_that_cannot_be_sent_is_logged_and_forgotten(
    control: ZmqTcpServer, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        control.response_for_control_cmd("nobody's", {})
        control.req_dict["task"] = b"client"
        control.response_for_control_cmd("task", object())
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["Send result to zmq client failed"] * 2
    assert control.req_dict == {}
    assert control_counts(registry)["msg_send_failed"] == 2


def test_commands_without_a_socket_or_msgpack_say_so(control: ZmqTcpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "msgpack", None)
        for call in (control.recv_control_cmd, lambda: control.response_for_control_cmd("task", {})):
            with pytest.raises(ImportError, match=r"fdmetrics\[fastdeploy\]"):
                call()
    control.close()
    control.socket = None
    with pytest.raises(RuntimeError, match=r"^Router socket not created\.$"):
        control.response_for_control_cmd("task", {})
    with pytest.raises(RuntimeError, match="was closed"):
        control.recv_control_cmd()
