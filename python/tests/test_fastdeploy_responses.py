# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A ROUTER server that answers requests."""

from __future__ import annotations

import logging
import pickle
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence

import pytest
import zmq

from fdmetrics import Registry
from fdmetrics.fastdeploy import PickleRefusedError, ZmqIpcServer, ZmqTcpServer

from .fastdeploy_support import PATIENCE, counts_of


class Part:
    """One part of an answer."""

    def __init__(self, text: str, finished: bool = False) -> None:
        self.text = text
        self.finished = finished

    def to_dict(self) -> Dict[str, Any]:
        if self.text == "broken":
            raise ValueError("a broken part")
        return {"text": self.text}


class Asking:
    """A plain DEALER that asks for the answers to requests."""

    def __init__(self, server: ZmqIpcServer) -> None:
        self.server = server
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.rcvtimeo = PATIENCE
        self.socket.linger = 0
        self.socket.connect(server.address or "")

    def ask(self, req_id: bytes) -> None:
        self.socket.send_multipart([b"", req_id])
        assert self.server.socket.poll(PATIENCE)
        assert self.server.receive_result_handle_once()

    def answer(self) -> List[str]:
        empty, packed = self.socket.recv_multipart()
        assert empty == b""
        return [part["text"] for part in pickle.loads(packed)]

    def close(self) -> None:
        self.socket.close()
        self.context.term()


@pytest.fixture
def server(registry: Registry, tmp_path: Path) -> Iterator[ZmqIpcServer]:
    with ZmqIpcServer("t", zmq.ROUTER, directory=str(tmp_path), registry=registry) as server:
        yield server


@pytest.fixture
def client(server: ZmqIpcServer) -> Iterator[Asking]:
    client = Asking(server)
    yield client
    client.close()


def test_answers_go_to_who_asked_and_each_is_one_message(
    server: ZmqIpcServer, client: Asking, registry: Registry
) -> None:
    client.ask(b"r1")
    server.send_response("r1", [Part("a"), Part("b")])
    server.send_response("r1", [Part("c", finished=True)])
    assert [client.answer(), client.answer()] == [["a", "b"], ["c"]]
    assert server.req_dict == {}
    counts = counts_of(registry, server)
    assert (counts["msg_recv"], counts["msg_send"]) == (1, 2)


def test_answers_wait_for_who_asks_later(server: ZmqIpcServer, client: Asking, registry: Registry) -> None:
    server.send_response("r1", [Part("a")])
    server.send_response("r1", [Part("b")])
    assert counts_of(registry, server) == {}
    client.ask(b"r1")
    server.send_response("r1", [Part("c")])
    assert client.answer() == ["a", "b", "c"]
    assert not server.cached_results and "r1" in server.req_dict


def test_an_answer_that_was_finished_before_is_sent_when_it_is_asked_for(server: ZmqIpcServer, client: Asking) -> None:
    server.send_response("r1", [Part("a"), Part("b", finished=True)])
    client.ask(b"r1")
    assert client.answer() == ["a", "b"]
    assert server.req_dict == {} and not server.cached_results


def test_an_answer_that_cannot_be_packed_is_logged_and_counted_as_failed(
    server: ZmqIpcServer, client: Asking, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    client.ask(b"r1")
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        server.send_response("r1", [Part("broken", finished=True)])
    assert "a broken part" in caplog.text
    assert server.req_dict == {}
    counts = counts_of(registry, server)
    assert counts["msg_send_failed"] == 1 and "msg_send" not in counts and "msg_bytes_send" not in counts


def test_a_request_of_another_shape_is_dropped(
    server: ZmqIpcServer, client: Asking, caplog: pytest.LogCaptureFixture, registry: Registry
) -> None:
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        client.ask(b"\xff")
        client.socket.send(b"one frame")
        assert server.socket.poll(PATIENCE)
        assert server.receive_result_handle_once()
    assert len(caplog.records) == 2 and server.req_dict == {}
    assert not server.receive_result_handle_once()
    counts = counts_of(registry, server)
    assert (counts["msg_recv"], counts["msg_recv_failed"]) == (2, 2)


def test_requests_are_taken_by_a_thread_until_the_server_is_closed(server: ZmqIpcServer, client: Asking) -> None:
    taking = threading.Thread(target=server.recv_result_handle)
    taking.start()
    for number in range(20):
        client.socket.send_multipart([b"", b"r%d" % number])
        server.send_response(f"r{number}", [Part(f"{number}", finished=True)])
        assert client.answer() == [f"{number}"]
    server.running = False
    taking.join(PATIENCE / 1000)
    assert not taking.is_alive()
    server.running = True


class Bypassing(ZmqIpcServer):
    """A server that sends responses in a form of its own, and answers commands, past what it inherits."""

    def send_text(self, req_id: str, data: Sequence[Part]) -> None:
        with self.response_token_lock:
            self.socket.send_multipart([self.req_dict[req_id], b"", b"|".join(part.text.encode() for part in data)])

    def recv_control_cmd(self) -> str:
        with self.response_token_lock:
            client, _, command = self.socket.recv_multipart()
        self.req_dict[command.decode()] = client
        return str(command.decode())


def test_what_a_subclass_sends_and_receives_in_its_own_way_is_counted(registry: Registry, tmp_path: Path) -> None:
    with Bypassing("t", zmq.ROUTER, directory=str(tmp_path), registry=registry) as server:
        server.socket.rcvtimeo = PATIENCE
        client = Asking(server)
        client.socket.send_multipart([b"", b"pause"])
        assert server.recv_control_cmd() == "pause"
        server.send_text("pause", [Part("a"), Part("b")])
        assert client.socket.recv_multipart() == [b"", b"a|b"]
        counts = counts_of(registry, server)
        client.close()
    assert (counts["msg_recv"], counts["msg_send"]) == (1, 1)
    # Whole messages, the client's identity included.
    assert (counts["msg_bytes_recv"], counts["msg_bytes_send"]) == (5 + len("pause"), 5 + len("a|b"))


def test_without_a_socket_it_says_so(server: ZmqIpcServer) -> None:
    server.close()
    server.socket = None
    with pytest.raises(RuntimeError, match=r"^Router socket not created\. Call create_router\(\) first\.$") as caught:
        server.send_response("r1", [Part("a")])
    assert "was closed" in str(caught.value.__cause__)


def test_answers_over_tcp_are_packed_as_one_says() -> None:
    def pack(parts: Sequence[Part]) -> bytes:
        return ",".join(part.text for part in parts).encode()

    with ZmqTcpServer(port=0, mode=zmq.ROUTER) as server, pytest.raises(PickleRefusedError):
        server.send_response("r1", [Part("a")])
    server = ZmqTcpServer(port=0, mode=zmq.ROUTER, pack=pack)
    with server, zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.rcvtimeo = PATIENCE
        client.connect(f"tcp://127.0.0.1:{server.port}")
        client.send_multipart([b"", b"r1"])
        assert server.socket.poll(PATIENCE)
        assert server.receive_result_handle_once()
        server.send_response("r1", [Part("a"), Part("b", finished=True)])
        assert client.recv_multipart() == [b"", b"a,b"]
