# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The pyzmq classes that record what goes through them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, List

import pytest
import zmq

from fdmetrics import Registry, _link

from .support import Samples
from .zmq_support import Pair, Sockets, expected


@pytest.fixture
def pair(sockets: Sockets, tmp_path: Path) -> Pair:
    return Pair(sockets, tmp_path, zmq.PUSH, zmq.PULL)


def test_messages_and_bytes_are_counted_at_both_ends(pair: Pair) -> None:
    pair.left.send(b"hello")
    pair.left.send(memoryview(b"four"), copy=False)
    pair.left.send(zmq.Frame(b"xyz"))
    assert [pair.right.recv(), pair.right.recv(copy=False).bytes, pair.right.recv()] == [b"hello", b"four", b"xyz"]
    assert pair.counts() == expected(3, 12, 3, 12)


def test_a_multipart_message_is_one(pair: Pair) -> None:
    pair.left.send_multipart([b"a", b"", b"bcd"])
    pair.left.send(b"a", zmq.SNDMORE)
    pair.left.send(b"bc")
    assert pair.right.recv_multipart() == [b"a", b"", b"bcd"]
    assert pair.right.recv() == b"a"
    assert pair.counts() == expected(2, 7, 1, 4)
    assert pair.right.recv() == b"bc"
    pair.left.send_multipart([b"1", b"2"], copy=False)
    assert [frame.bytes for frame in pair.right.recv_multipart(copy=False)] == [b"1", b"2"]
    assert pair.counts() == expected(3, 9, 3, 9)


def test_what_pyzmq_serialises_is_counted(pair: Pair) -> None:
    pair.left.send_string("ä")
    pair.left.send_pyobj({"a": 1})
    pair.left.send_json([1])
    pair.left.send_serialized("xy", lambda text: [text.encode(), b"z"])
    assert pair.right.recv_string() == "ä"
    assert pair.right.recv_pyobj() == {"a": 1}
    assert pair.right.recv_json() == [1]
    assert pair.right.recv_serialized(lambda frames: frames) == [b"xy", b"z"]
    size = 2 + len(pickle.dumps({"a": 1})) + 3 + 3
    assert pair.counts() == expected(4, size, 4, size)


def test_failures_to_send_are_counted_once(pair: Pair) -> None:
    failing: List[Any] = [
        lambda: pair.left.send("text"),
        lambda: pair.left.send_multipart([b"a", "text"]),
        lambda: pair.left.send_multipart([]),
        lambda: pair.left.send_json(object()),
        lambda: pair.left.send_pyobj(lambda: None),
        lambda: pair.left.send_string(7),  # type: ignore[arg-type]
        lambda: pair.left.send_serialized("xy", lambda text: text.nothing),
    ]
    for fail in failing:
        with pytest.raises(Exception):  # noqa: B017
            fail()
    assert pair.counts() == expected(0, 0, 0, 0, failed=len(failing))


def test_a_full_queue_is_a_failure_and_an_empty_one_is_none(pair: Pair, sockets: Sockets) -> None:
    with pytest.raises(zmq.Again):
        pair.right.recv(zmq.NOBLOCK)
    with pytest.raises(zmq.Again):
        pair.right.recv_json(zmq.NOBLOCK)
    lonely = sockets.open(zmq.PUSH)
    lonely.link = pair.address
    with pytest.raises(zmq.Again):
        lonely.send(b"x", zmq.NOBLOCK)
    with pytest.raises(zmq.Again):
        lonely.send_multipart([b"x", b"y"], zmq.NOBLOCK)
    assert pair.counts() == expected(0, 0, 0, 0, failed=2)


def test_json_travels_in_an_envelope_where_asked_for(pair: Pair) -> None:
    payload = {"prompt": "hällo", "n": [1, 2.5, None]}
    pair.left.carrier = "envelope"
    pair.left.send_json(payload)
    raw = pair.right.recv()
    envelope = json.loads(raw)
    assert envelope["data"] == payload
    assert envelope.keys() == {"__meta", "data"} and envelope["__meta"].keys() == {"send_ts"}
    assert 0 < envelope["__meta"]["send_ts"] <= _link.now()
    assert pair.counts() == expected(1, len(raw), 1, len(raw))
    pair.left.send_json(payload)
    assert pair.right.recv_json() == payload
    counts = pair.counts()
    assert (counts["msg_send"], counts["msg_recv"], counts["latency"]) == (2, 2, 1)
    assert counts["msg_bytes_send"] == counts["msg_bytes_recv"]


@pytest.mark.parametrize(
    "message",
    [
        [1, 2],
        "text",
        {"data": 1},
        {"__meta": {"send_ts": 1.0}},
        {"__meta": {}, "data": 1},
        {"__meta": 1.0, "data": 1},
        {"__meta": {"send_ts": "1"}, "data": 1},
        {"__meta": {"send_ts": True}, "data": 1},
        {"__meta": {"send_ts": None}, "data": 1},
        {"__meta": {"send_ts": 0}, "data": 1},
        {"__meta": {"send_ts": -1.0}, "data": 1},
        {"__meta": {"send_ts": 1e300}, "data": 1},
        {"__meta": {"send_ts": float("inf")}, "data": 1},
    ],
)
def test_what_only_looks_like_an_envelope_is_handed_over(pair: Pair, message: object) -> None:
    pair.left.send_json(message)
    assert pair.right.recv_json() == message
    assert pair.counts()["msg_recv"] == 1
    assert pair.counts()["latency"] == 0


def test_other_members_of_an_envelope_do_not_matter(pair: Pair) -> None:
    pair.left.send_json({"more": 1, "data": None, "__meta": {"send_ts": 1, "trace": "x"}})
    assert pair.right.recv_json() is None
    assert pair.counts()["latency"] == 1


def test_what_cannot_be_parsed_is_counted_as_received(pair: Pair) -> None:
    pair.left.send(b"{not json")
    with pytest.raises(ValueError):
        pair.right.recv_json()
    assert pair.counts() == expected(1, 9, 1, 9)


def test_identities_and_delimiters_stay(sockets: Sockets, tmp_path: Path) -> None:
    pair = Pair(sockets, tmp_path, zmq.DEALER, zmq.ROUTER)
    pair.left.carrier = "envelope"
    pair.left.send_json({"a": 1})
    identity, frame = pair.right.recv_multipart()
    pair.right.send_multipart([identity, frame])
    assert pair.left.recv_json() == {"a": 1}
    size, whole = len(frame), len(identity) + len(frame)
    assert pair.counts() == expected(2, size + whole, 2, size + whole, latency=1)


def test_a_peer_without_instrumentation_is_fine(pair: Pair) -> None:
    with zmq.Context() as plain_context, plain_context.socket(zmq.PUSH) as plain:
        plain.connect(pair.address)
        plain.send_json({"a": 1})
        assert pair.right.recv_json() == {"a": 1}
    assert pair.counts() == expected(0, 0, 1, 8)


def test_an_address_is_the_resolved_endpoint_or_the_link_s_name(sockets: Sockets, registry: Registry) -> None:
    server, client = sockets.open(zmq.PULL), sockets.open(zmq.PUSH)
    assert server.link is None
    port = server.bind_to_random_port("tcp://127.0.0.1")
    client.connect(f"tcp://127.0.0.1:{port}")
    assert server.link == client.link == f"tcp://127.0.0.1:{port}"
    client.send(b"1")
    server.recv()
    client.link = "engine"
    client.prefix = "demo"
    client.send(b"2")
    samples = Samples(registry)
    assert samples.get("fastdeploy:zmq:msg_send_total", address=f"tcp://127.0.0.1:{port}") == 1
    assert samples.get("demo:zmq:msg_send_total", address="engine") == 1
    assert (client.link, client.prefix, client.registry) == ("engine", "demo", registry)


def test_the_next_endpoint_takes_over(sockets: Sockets, tmp_path: Path) -> None:
    socket = sockets.open(zmq.PUSH)
    first, second = f"ipc://{tmp_path}/1", f"ipc://{tmp_path}/2"
    socket.connect(first)
    socket.connect(second)
    assert socket.link == first
    socket.disconnect(first)
    socket.connect(second)
    assert socket.link == second


def test_an_unknown_carrier_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match="'pigeon' is not a carrier"):
        pair.left.carrier = "pigeon"
    assert pair.left.carrier == "none"


@pytest.mark.parametrize("setting", ["prefix", "link"])
def test_a_setting_that_is_no_text_is_refused(pair: Pair, setting: str) -> None:
    before = getattr(pair.left, setting)
    with pytest.raises(TypeError, match=f"{setting} is 5: a str is expected"):
        setattr(pair.left, setting, 5)
    assert getattr(pair.left, setting) == before


def test_socket_options_and_unknown_attributes_are_pyzmq_s(pair: Pair) -> None:
    pair.left.sndhwm = 17
    assert pair.left.getsockopt(zmq.SNDHWM) == 17
    with pytest.raises(AttributeError):
        pair.left.no_such_option = 1


def test_sockets_work_without_a_store(sockets: Sockets, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    broken = Registry(tmp_path / "file" / "store")
    left, right = sockets.open(zmq.PUSH), sockets.open(zmq.PULL)
    left.registry = right.registry = broken
    right.bind("inproc://x")
    left.connect("inproc://x")
    left.carrier = "envelope"
    for _ in range(2):
        left.send_json([1])
        assert right.recv_json() == [1]
    assert len(broken.failures) == 1


def test_a_closed_registry_is_let_go_of(pair: Pair) -> None:
    pair.left.send(b"x")
    pair.registry.close()
    pair.left.send(b"x")
    assert pair.right.recv() == b"x"
