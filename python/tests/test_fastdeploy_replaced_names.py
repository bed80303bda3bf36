# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a program or a test puts in the place of names of FastDeploy's modules, as FastDeploy's own tests do."""

from __future__ import annotations

import json
import pickle
import time
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Iterator, List, Type
from unittest import mock

import pytest
import zmq

from fdmetrics import Registry
from fdmetrics.fastdeploy import (
    MetricsManager,
    ZmqClientBase,
    ZmqIpcClient,
    ZmqIpcServer,
    ZMQMetricsStats,
    ZmqServerBase,
    ZmqTcpServer,
    main_process_metrics,
    zmq_client,
    zmq_server,
)

from .fastdeploy_support import PATIENCE
from .support import Samples, run_program

MODULES = ("zmq_client", "zmq_server")


class PlainClient(ZmqClientBase):
    """A client of FastDeploy's kind: it sets its attributes by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.socket = mock.MagicMock()
        self.address = "ipc:///test.socket"

    def _create_socket(self) -> Any:
        return mock.MagicMock()

    def connect(self) -> None:
        pass


class PlainServer(ZmqServerBase):
    def __init__(self) -> None:
        super().__init__()
        self.socket = mock.MagicMock()
        self.address = "test-address"
        self.running = False

    def _create_socket(self) -> Any:
        return self.socket


@pytest.fixture(params=[("zmq_client", PlainClient), ("zmq_server", PlainServer)], ids=MODULES)
def service_and_metrics(request: pytest.FixtureRequest) -> Iterator[Any]:
    module, kind = request.param
    with mock.patch(f"fdmetrics.fastdeploy.{module}.main_process_metrics", spec=MetricsManager) as metrics:
        yield kind(), metrics


def told(metrics: Any) -> List[ZMQMetricsStats]:
    return [call.args[0] for call in metrics.record_zmq_stats.call_args_list]


def test_a_send_is_told_once(service_and_metrics: Any) -> None:
    service, metrics = service_and_metrics
    service.send_json({"key": "value"})
    message = service.socket.send.call_args[0][0]
    assert json.loads(message)["data"] == {"key": "value"}
    metrics.record_zmq_stats.assert_called_once_with(
        ZMQMetricsStats(msg_send_total=1, msg_bytes_send_total=len(message)), service.address
    )
    service.send_pyobj({"key": "value"})
    message = service.socket.send.call_args[0][0]
    assert pickle.loads(message)["data"] == {"key": "value"}
    assert told(metrics)[1] == ZMQMetricsStats(msg_send_total=1, msg_bytes_send_total=len(message))


@pytest.mark.parametrize("call", ["send_json", "send_pyobj"])
def test_a_failed_send_is_told_once(service_and_metrics: Any, call: str) -> None:
    service, metrics = service_and_metrics
    service.socket.send.side_effect = error = zmq.ZMQError(msg="send failed")
    with pytest.raises(zmq.ZMQError) as caught:
        getattr(service, call)({"key": "value"})
    assert caught.value is error
    assert told(metrics) == [ZMQMetricsStats(msg_send_failed_total=1)]


@pytest.mark.parametrize("pickled", [False, True], ids=["json", "pickle"])
def test_a_receive_is_told_once_with_its_latency(service_and_metrics: Any, pickled: bool) -> None:
    service, metrics = service_and_metrics
    envelope = {"__meta": {"send_ts": time.perf_counter() - 0.5}, "data": {"result": 42}}
    message = bytes(ForkingPickler.dumps(envelope)) if pickled else json.dumps(envelope).encode()
    service.socket.recv.return_value = message
    assert (service.recv_pyobj if pickled else service.recv_json)() == {"result": 42}
    (stats,) = told(metrics)
    assert (stats.msg_recv_total, stats.msg_bytes_recv_total) == (1, len(message))
    assert stats.zmq_latency >= 0.5


def test_a_receive_without_envelope_is_told_without_latency(service_and_metrics: Any) -> None:
    service, metrics = service_and_metrics
    service.socket.recv.return_value = b'{"__meta": 7}'
    assert service.recv_json() == {"__meta": 7}
    service.socket.recv.return_value = b"[1]"
    assert service.recv_json() == [1]
    service.socket.recv.return_value = b"{"
    with pytest.raises(ValueError):
        service.recv_json()
    assert told(metrics) == [ZMQMetricsStats(msg_recv_total=1, msg_bytes_recv_total=size) for size in (13, 3, 1)]
    service.socket.recv.side_effect = zmq.Again()
    assert service.receive_json_once() == (None, None)
    assert len(told(metrics)) == 3


def test_real_sockets_are_told_of_too_while_the_name_is_replaced(registry: Registry, tmp_path: Path) -> None:
    keywords: Any = {"directory": str(tmp_path), "registry": registry}
    with ZmqIpcServer("t", zmq.PULL, **keywords) as server, ZmqIpcClient("t", zmq.PUSH, **keywords) as client:
        server.socket.rcvtimeo = PATIENCE
        client.send_json(1)
        with mock.patch.object(zmq_client, "main_process_metrics") as sending:
            client.send_json(2)
        with mock.patch.object(zmq_server, "main_process_metrics") as receiving:
            assert [server.recv_json(), server.recv_json()] == [1, 2]
        client.send_json(3)
        assert server.recv_json() == 3
    assert [stats.msg_send_total for stats in told(sending)] == [1]
    assert [stats.msg_recv_total for stats in told(receiving)] == [1, 1]
    assert all(stats.zmq_latency > 0 for stats in told(receiving))
    samples = Samples(registry)
    for name in ("msg_send_total", "msg_recv_total"):
        assert samples.get(f"fastdeploy:zmq:{name}", address=server.address or "") == 3, "each once"


def test_another_manager_s_registry_is_used(tmp_path: Path, registry: Registry) -> None:
    metrics = MetricsManager(registry)
    with mock.patch.object(zmq_server, "main_process_metrics", metrics):
        server = ZmqIpcServer("t", zmq.PULL, directory=str(tmp_path))
        server.socket.rcvtimeo = PATIENCE
    with mock.patch.object(zmq_client, "main_process_metrics", metrics), server:
        stand_in = mock.MagicMock()
        with ZmqIpcClient("t", zmq.PUSH, directory=str(tmp_path), socket=stand_in) as client:
            client.send_json(1)
        with ZmqIpcClient("t", zmq.PUSH, directory=str(tmp_path)) as client:
            client.send_json(1)
            assert server.recv_json() == 1
    samples = Samples(registry)
    assert samples.get("fastdeploy:zmq:msg_send_total", address=server.address or "") == 2
    assert samples.get("fastdeploy:zmq:msg_recv_total", address=server.address or "") == 1


@pytest.mark.parametrize("module", [zmq_client, zmq_server])
def test_the_names_are_there(module: Any) -> None:
    assert module.main_process_metrics is main_process_metrics
    assert module.zmq is zmq
    assert module.llm_logger.name == "fdmetrics"
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = module.other


def test_the_services_do_without_the_catalogue(tmp_path: Path) -> None:
    printed = run_program(
        """
        import sys, zmq
        import fdmetrics
        fdmetrics.Counter("http_requests_total", "Another one's", ["verb"])
        from fdmetrics.fastdeploy import ZmqIpcServer
        with ZmqIpcServer("t", zmq.PULL, directory=sys.argv[1]):
            print("fdmetrics.fastdeploy.metrics" in sys.modules)
        """,
        tmp_path,
    )
    assert printed == "False\n"


class Contexts:
    """A Context whose sockets are mocks."""

    def __init__(self) -> None:
        self.context = mock.MagicMock(closed=False)
        self.socket = self.context.socket.return_value
        self.socket.closed = False
        self.made = mock.Mock(return_value=self.context)


@pytest.mark.parametrize("target", ["zmq.Context", "fdmetrics.fastdeploy.zmq_client.zmq.Context"])
def test_a_client_s_context_is_made_by_the_name(target: str) -> None:
    contexts = Contexts()
    with mock.patch(target, contexts.made):
        client = ZmqIpcClient("my_queue", zmq.PULL)
        client.connect()
    contexts.context.socket.assert_called_once_with(zmq.PULL)
    assert (client.context, client.socket) == (contexts.context, contexts.socket)
    contexts.socket.connect.assert_called_once_with("ipc:///dev/shm/my_queue.socket")
    client.close()
    contexts.socket.setsockopt.assert_called_once_with(zmq.LINGER, 0)
    contexts.socket.close.assert_called_once_with()
    contexts.context.term.assert_called_once_with()


@pytest.mark.parametrize(
    ("kind", "first", "address"),
    [(ZmqIpcServer, "test", "ipc:///dev/shm/router_test.ipc"), (ZmqTcpServer, 12345, "tcp://*:12345")],
)
def test_a_server_s_context_is_made_by_the_name(kind: Type[Any], first: Any, address: str) -> None:
    contexts = Contexts()
    with mock.patch("fdmetrics.fastdeploy.zmq_server.zmq.Context", contexts.made):
        server = kind(first, zmq.ROUTER)
    contexts.socket.bind.assert_called_once_with(address)
    assert server.address == address
    server.close()
    contexts.context.term.assert_called_once_with()


def test_a_whole_zmq_may_stand_there() -> None:
    server = PlainServer()
    with mock.patch("fdmetrics.fastdeploy.zmq_server.zmq") as replaced:
        replaced.NOBLOCK, replaced.Again = 11, KeyError
        server.socket.recv.return_value = b"[1]"
        assert server.receive_json_once() == (None, [1])
        server.socket.recv.assert_called_once_with(11)
        server.socket.recv.side_effect = KeyError()
        assert server.receive_json_once() == (None, None)


def test_a_client_that_was_not_initialised_can_be_closed() -> None:
    for failing in (False, True):
        client = ZmqIpcClient.__new__(ZmqIpcClient)
        client.socket = mock.MagicMock(closed=False)
        client.context = mock.MagicMock()
        client.socket.setsockopt.side_effect = Exception("socket error") if failing else None
        with mock.patch("fdmetrics.fastdeploy.zmq_client.llm_logger") as logger:
            client.close()
            client.close()
        assert client.context.term.call_count == (0 if failing else 1)
        assert logger.warning.call_count == (1 if failing else 0)
        if failing:
            assert "failed to close" in logger.warning.call_args[0][0]


def test_the_log_of_a_server_is_the_module_s_name() -> None:
    server = PlainServer()
    server.socket.recv.side_effect = ValueError("boom")
    server.req_dict["r1"] = b"client"
    server.socket.send_multipart.side_effect = ValueError("no room")
    part = mock.Mock(finished=True)
    part.to_dict.return_value = {}
    with mock.patch("fdmetrics.fastdeploy.zmq_server.llm_logger") as logger:
        server.send_response("r1", [part])
        assert server.receive_json_once() == ("boom", None)
    assert "Send result to zmq client failed" in logger.error.call_args[0][0]
    assert logger.warning.call_count == 1
    assert server.req_dict == {}


def test_the_file_of_a_server_without_a_real_socket_is_removed_as_named(tmp_path: Path) -> None:
    contexts = Contexts()
    with mock.patch("fdmetrics.fastdeploy.zmq_server.zmq.Context", contexts.made):
        server = ZmqIpcServer("test", zmq.PULL)
    server.file_name = str(tmp_path / "file")
    (tmp_path / "file").touch()
    with mock.patch("fdmetrics.fastdeploy.zmq_server.os.remove", side_effect=OSError("fail")):
        server._clear_ipc(server.file_name)
    server.close()
    server.close()
    assert list(tmp_path.iterdir()) == [] and not server.running


def test_modules_may_stand_in_the_place_of_fastdeploy_s(tmp_path: Path) -> None:
    package = tmp_path / "fastdeploy" / "metrics"
    package.mkdir(parents=True)
    for directory in (package.parent, package):
        (directory / "__init__.py").touch()
    (package / "metrics.py").write_text("raise RuntimeError('FastDeploy has its own')")
    (tmp_path / "fastdeploy" / "engine.py").write_text("from fastdeploy.metrics.metrics import main_process_metrics")
    printed = run_program(
        """
        import sys
        import fdmetrics.fastdeploy.metrics
        sys.path.insert(0, sys.argv[1])
        sys.modules["fastdeploy.metrics.metrics"] = fdmetrics.fastdeploy.metrics
        from fastdeploy import engine
        engine.main_process_metrics.requests_number.inc(3)
        print(fdmetrics.fastdeploy.get_filtered_metrics())
        """,
        tmp_path,
    )
    assert Samples(printed).get("fastdeploy:requests_number_total") == 3
