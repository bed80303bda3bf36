# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""How time stamps travel: through every pattern, to every receiver, and when they are wrong."""

from __future__ import annotations

import os
import pickle
import random
import struct
import threading
from pathlib import Path
from typing import Any, List, Tuple

import pytest
import zmq

from fdmetrics import Registry, _library, _link

from .support import Samples
from .zmq_support import Pair, Sockets

PARTS: List[List[bytes]] = [[b"one"], [b"a", b"", b"ccc"], [b""], [b"x" * 100_000, b"y"], [bytes(24)], [b"FDM1"]]


def trailer(nanoseconds: int, domain: int) -> bytes:
    return struct.pack("<4sIQQ", b"FDM1", 0, nanoseconds, domain)


def clock_domain() -> int:
    domain: int = _library.load().fdm_zmq_clock_domain()
    return domain


def bytes_of(messages: List[List[bytes]]) -> int:
    return sum(len(part) for message in messages for part in message)


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("carrier", ["none", "envelope", "trailer"])
@pytest.mark.parametrize(
    "kinds",
    [(zmq.PUSH, zmq.PULL), (zmq.PAIR, zmq.PAIR), (zmq.DEALER, zmq.DEALER), (zmq.PULL, zmq.PUSH)],
    ids=lambda kinds: "-".join(kind.name for kind in kinds),
)
def test_messages_arrive_whole(
    kinds: Tuple[int, int], carrier: str, copy: bool, sockets: Sockets, tmp_path: Path
) -> None:
    pair = Pair(sockets, tmp_path, *kinds, carrier=carrier)
    sender, receiver = (pair.right, pair.left) if kinds[0] == zmq.PULL else (pair.left, pair.right)
    for parts in PARTS:
        sender.send_multipart(parts, copy=copy)
        received = receiver.recv_multipart(copy=copy)
        assert [part if copy else part.bytes for part in received] == parts
        for part in parts[:-1]:
            sender.send(part, zmq.SNDMORE)
        sender.send(parts[-1])
        for part in parts[:-1]:
            assert receiver.recv() == part
            assert receiver.rcvmore
        assert receiver.recv() == parts[-1]
        assert not receiver.rcvmore
    count, size = 2 * len(PARTS), 2 * bytes_of(PARTS)
    counts = pair.counts()
    assert counts.pop("latency") == (count if carrier == "trailer" else 0)
    assert list(counts.values()) == [count, 0, size, count, size]
    assert (pair.count("in_flight"), pair.count("latency_skipped_total")) == (0, 0)


@pytest.mark.parametrize("carrier", ["none", "envelope", "trailer"])
def test_requests_and_replies(carrier: str, sockets: Sockets, tmp_path: Path) -> None:
    pair = Pair(sockets, tmp_path, zmq.REQ, zmq.REP, carrier=carrier)
    for parts in PARTS:
        pair.left.send_multipart(parts)
        assert pair.right.recv_multipart() == parts
        pair.right.send_multipart(parts)
        assert pair.left.recv_multipart() == parts
    counts = pair.counts()
    assert counts["msg_send"] == counts["msg_recv"] == 2 * len(PARTS)
    assert counts["msg_bytes_send"] == counts["msg_bytes_recv"] == 2 * bytes_of(PARTS)
    assert counts["latency"] == (2 * len(PARTS) if carrier == "trailer" else 0)


@pytest.mark.parametrize("carrier", ["none", "envelope", "trailer"])
@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.REQ])
def test_identities_and_delimiters_stay_where_they_are(
    kind: int, carrier: str, sockets: Sockets, tmp_path: Path
) -> None:
    address = f"ipc://{tmp_path}/s"
    client, router = sockets.open(kind), sockets.open(zmq.ROUTER)
    client.identity = b"me"
    client.carrier = router.carrier = carrier
    router.bind(address)
    client.connect(address)
    for parts in PARTS:
        client.send_multipart(parts)
        message = router.recv_multipart()
        assert message == [b"me", *([b""] if kind == zmq.REQ else []), *parts]
        router.send_multipart(message)
        assert client.recv_multipart() == parts
    assert Samples(sockets.registry).get("fastdeploy:zmq:msg_recv_total", address=address) == 2 * len(PARTS)


@pytest.mark.parametrize("carrier", ["none", "envelope", "trailer"])
def test_topics_and_subscriptions(carrier: str, sockets: Sockets, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"
    publisher, subscriber, upward = sockets.open(zmq.XPUB), sockets.open(zmq.SUB), sockets.open(zmq.XSUB)
    publisher.carrier = upward.carrier = carrier
    publisher.bind(address)
    subscriber.subscribe(b"a")
    subscriber.connect(address)
    assert publisher.recv_multipart() == [b"\1a"]
    upward.connect(address)
    upward.send(b"\1b")
    assert publisher.recv_multipart() == [b"\1b"]
    upward.send(b"\1c", copy=False)
    assert publisher.recv_multipart() == [b"\1c"]
    for message in ([b"a1"], [b"b", b"2"], [b"a", b"", b"3"]):
        publisher.send_multipart(message)
    assert [subscriber.recv_multipart() for _ in range(2)] == [[b"a1"], [b"a", b"", b"3"]]
    assert upward.recv_multipart() == [b"b", b"2"]
    assert Samples(sockets.registry).get("fastdeploy:zmq:latency_count", address=address) == (
        3 if carrier == "trailer" else 0
    )


@pytest.mark.parametrize("carrier", ["none", "envelope", "trailer"])
def test_through_a_proxy(carrier: str, sockets: Sockets, tmp_path: Path) -> None:
    context = zmq.Context()
    front, back = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    front.bind(f"ipc://{tmp_path}/front")
    back.bind(f"ipc://{tmp_path}/back")

    def run() -> None:
        try:
            zmq.proxy(front, back)
        except zmq.ContextTerminated:
            front.close(linger=0)
            back.close(linger=0)

    proxy = threading.Thread(target=run)
    proxy.start()
    try:
        client, server = sockets.open(zmq.REQ), sockets.open(zmq.REP)
        client.carrier = server.carrier = carrier
        client.link = server.link = "engine"
        client.connect(f"ipc://{tmp_path}/front")
        server.connect(f"ipc://{tmp_path}/back")
        for parts in PARTS:
            client.send_multipart(parts)
            assert server.recv_multipart() == parts
            server.send_multipart([b"reply", *parts])
            assert client.recv_multipart() == [b"reply", *parts]
    finally:
        context.term()
        proxy.join(30)
    samples = Samples(sockets.registry)
    assert samples.get("fastdeploy:zmq:msg_recv_total", address="engine") == 2 * len(PARTS)
    assert samples.get("fastdeploy:zmq:in_flight", address="engine") == 0


def test_a_stream_has_no_trailer(sockets: Sockets) -> None:
    left, right = sockets.open(zmq.STREAM), sockets.open(zmq.STREAM)
    left.carrier = right.carrier = "trailer"
    port = right.bind_to_random_port("tcp://127.0.0.1")
    left.connect(f"tcp://127.0.0.1:{port}")
    identity, greeting = left.recv_multipart()
    assert greeting == b""
    _, greeting = right.recv_multipart()
    assert greeting == b""
    likeness = trailer(1, clock_domain())
    left.send_multipart([identity, likeness])
    assert right.recv_multipart()[1] == likeness


def test_a_socket_that_keeps_the_last_frame_only_sends_no_trailer(sockets: Sockets, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"
    left, right = sockets.open(zmq.PUSH), sockets.open(zmq.PULL)
    left.carrier = "trailer"
    left.conflate = 1
    right.bind(address)
    left.connect(address)
    left.send(b"x")
    assert right.recv_multipart() == [b"x"]


# Plain peers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("carrier", ["none", "envelope", "trailer"])
def test_a_plain_receiver_sees_what_the_carrier_adds(carrier: str, sockets: Sockets, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"
    left = sockets.open(zmq.PUSH)
    left.carrier = carrier
    with zmq.Context() as context, context.socket(zmq.PULL) as plain:
        plain.bind(address)
        left.connect(address)
        left.send(b"x")
        left.send_json([1])
        raw, message = plain.recv_multipart(), plain.recv_multipart()
    assert raw[0] == b"x"
    assert len(raw) == len(message) == (2 if carrier == "trailer" else 1)
    if carrier == "trailer":
        assert [len(raw[1]), raw[1][:4]] == [24, b"FDM1"]
    assert (b"__meta" in message[0]) == (carrier == "envelope")
    samples = Samples(sockets.registry)
    assert samples.get("fastdeploy:zmq:msg_send_total", address=address) == 2
    assert samples.get("fastdeploy:zmq:msg_bytes_send_total", address=address) == 1 + len(message[0])


@pytest.mark.parametrize("carrier", ["none", "envelope", "trailer"])
def test_a_plain_sender_is_understood(carrier: str, sockets: Sockets, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"
    right = sockets.open(zmq.PULL)
    right.carrier = carrier
    right.bind(address)
    with zmq.Context() as context, context.socket(zmq.PUSH) as plain:
        plain.connect(address)
        plain.send_json({"a": 1})
        plain.send_multipart([b"a", b"b", b"c"])
        plain.send_pyobj([1])
        assert right.recv_json() == {"a": 1}
        assert right.recv_multipart() == [b"a", b"b", b"c"]
        assert right.recv_pyobj() == [1]
    samples = Samples(sockets.registry)
    assert samples.get("fastdeploy:zmq:msg_recv_total", address=address) == 3
    assert samples.get("fastdeploy:zmq:msg_bytes_recv_total", address=address) == 8 + 3 + len(pickle.dumps([1]))
    assert samples.get("fastdeploy:zmq:latency_skipped_total", address=address) == 0


@pytest.mark.parametrize("sends", ["none", "envelope", "trailer"])
@pytest.mark.parametrize("receives", ["none", "envelope", "trailer"])
def test_a_receiver_takes_every_carrier(sends: str, receives: str, sockets: Sockets, tmp_path: Path) -> None:
    pair = Pair(sockets, tmp_path, zmq.PUSH, zmq.PULL)
    pair.left.carrier, pair.right.carrier = sends, receives
    for _ in range(2):
        pair.left.send_json({"a": 1})
        assert pair.right.recv_json() == {"a": 1}
        pair.left.send_pyobj((1, 2))
        assert pair.right.recv_pyobj() == (1, 2)
        pair.left.send_string("ä")
        assert pair.right.recv_string() == "ä"
    assert pair.counts()["latency"] == {"none": 0, "envelope": 4, "trailer": 6}[sends]
    assert pair.counts()["msg_bytes_send"] == pair.counts()["msg_bytes_recv"]


def test_the_carrier_may_change_between_messages(sockets: Sockets, tmp_path: Path) -> None:
    pair = Pair(sockets, tmp_path, zmq.PUSH, zmq.PULL)
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    chosen = random.Random(seed)
    sent = 0
    for _ in range(300):
        pair.left.carrier = chosen.choice(["none", "envelope", "trailer"])
        parts = [chosen.randbytes(chosen.randrange(40)) for _ in range(chosen.randrange(1, 5))]
        pair.left.send_multipart(parts, copy=chosen.random() < 0.5)
        received: List[Any] = []
        while not received or pair.right.rcvmore:
            copy = chosen.random() < 0.5
            frame = pair.right.recv(copy=copy)
            if not copy:
                assert frame.more == pair.right.rcvmore
            received.append(frame if copy else frame.bytes)
        assert received == parts
        sent += sum(map(len, parts))
    counts = pair.counts()
    assert counts["msg_send"] == counts["msg_recv"] == 300
    assert counts["msg_bytes_send"] == counts["msg_bytes_recv"] == sent


# Stamps that are not right --------------------------------------------------------------------------------------------


@pytest.fixture
def plain_pair(sockets: Sockets, tmp_path: Path) -> Any:
    """A plain sender, and an instrumented receiver."""
    context = zmq.Context()
    right = sockets.open(zmq.PULL)
    right.bind(f"ipc://{tmp_path}/s")
    plain = context.socket(zmq.PUSH)
    plain.linger = 0
    plain.connect(f"ipc://{tmp_path}/s")
    yield plain, right
    plain.close()
    context.term()


def counted(registry: Registry, path: Path) -> Tuple[Any, ...]:
    """Received, latencies, skipped."""
    samples = Samples(registry)
    names = ("msg_recv_total", "latency_count", "latency_skipped_total")
    return tuple(samples.get(f"fastdeploy:zmq:{name}", address=f"ipc://{path}/s") for name in names)


def test_stamps_of_other_clocks_and_of_the_future(plain_pair: Any, sockets: Sockets, tmp_path: Path) -> None:
    plain, right = plain_pair
    domain = clock_domain()
    stamps = [
        trailer(1, domain ^ 1),
        trailer(1, 0),
        trailer(2**64 - 1, domain),
        trailer(int((_link.now() or 0) * 1e9) + 3_600_000_000_000, domain),
    ]
    for stamp in stamps:
        plain.send_multipart([b"payload", stamp])
        assert right.recv_multipart() == [b"payload"]
    assert counted(sockets.registry, tmp_path) == (len(stamps), 0, len(stamps))
    plain.send_multipart([b"payload", trailer(1, domain)])
    assert right.recv() == b"payload"
    assert counted(sockets.registry, tmp_path) == (len(stamps) + 1, 1, len(stamps))


def test_frames_that_are_no_trailers_are_handed_over(plain_pair: Any, sockets: Sockets, tmp_path: Path) -> None:
    plain, right = plain_pair
    good = trailer(1, clock_domain())
    messages = [
        [good],
        [good, b"payload"],
        [b"payload", good[:-1]],
        [b"payload", good + b"\0"],
        [b"payload", b"FDM2" + good[4:]],
        [b"payload", b""],
        [b"payload", good, b"more"],
    ]
    for message in messages:
        plain.send_multipart(message)
        assert right.recv_multipart() == message
        plain.send_multipart(message)
        frames = right.recv_multipart(copy=False)
        assert [frame.bytes for frame in frames] == message
        assert [frame.more for frame in frames] == [True] * (len(message) - 1) + [False]
    assert counted(sockets.registry, tmp_path) == (2 * len(messages), 0, 0)


def test_a_router_takes_a_lone_trailer_for_payload(sockets: Sockets, tmp_path: Path) -> None:
    pair = Pair(sockets, tmp_path, zmq.DEALER, zmq.ROUTER)
    likeness = trailer(1, clock_domain())
    pair.left.send(likeness)
    assert pair.right.recv_multipart()[1:] == [likeness]
    assert pair.counts()["latency"] == 0


@pytest.mark.parametrize(
    "message",
    [
        {"__meta": {"send_ts": 1.0}},
        {"__meta": {}, "data": 1},
        {"__meta": 1.0, "data": 1},
        {"__meta": {"send_ts": "1"}, "data": 1},
        {"__meta": {"send_ts": True}, "data": 1},
        {"__meta": {"send_ts": 0}, "data": 1},
        {"__meta": {"send_ts": 1e300}, "data": 1},
        {"__meta": {"send_ts": 10**400}, "data": 1},
        {"__meta": {"send_ts": float("inf")}, "data": 1},
    ],
)
@pytest.mark.parametrize("format", ["json", "pyobj"])
def test_envelopes_that_are_not_right(
    format: str, message: object, plain_pair: Any, sockets: Sockets, tmp_path: Path
) -> None:
    plain, right = plain_pair
    getattr(plain, f"send_{format}")(message)
    assert getattr(right, f"recv_{format}")() == message
    assert counted(sockets.registry, tmp_path) == (1, 0, 1)


@pytest.mark.parametrize("carrier", ["none", "trailer"])
def test_a_frame_of_the_program_s_that_looks_like_a_trailer(carrier: str, sockets: Sockets, tmp_path: Path) -> None:
    pair = Pair(sockets, tmp_path, zmq.PUSH, zmq.PULL, carrier=carrier)
    own = b"FDM1" + b"p" * 20
    pair.left.send_multipart([b"first", own])
    # As docs/zmq.md says: it is taken off, unless a trailer follows it.
    assert pair.right.recv_multipart() == ([b"first", own] if carrier == "trailer" else [b"first"])


@pytest.mark.parametrize("carrier", ["none", "trailer"])
def test_a_forwarder_takes_off_what_comes_to_it(carrier: str, sockets: Sockets, tmp_path: Path) -> None:
    source, taking, giving, sink = (sockets.open(kind) for kind in (zmq.PUSH, zmq.PULL, zmq.PUSH, zmq.PULL))
    source.carrier, giving.carrier = "trailer", carrier
    for left, right, link in ((source, taking, "to"), (giving, sink, "from")):
        left.link = right.link = link
        right.bind(f"ipc://{tmp_path}/{link}")
        left.connect(f"ipc://{tmp_path}/{link}")
    source.send_multipart([b"a", b"b"])
    giving.send_multipart(taking.recv_multipart())
    assert sink.recv_multipart() == [b"a", b"b"]
    samples = Samples(sockets.registry)
    assert samples.get("fastdeploy:zmq:latency_count", address="to") == 1
    assert samples.get("fastdeploy:zmq:latency_count", address="from") == (1 if carrier == "trailer" else 0)


def test_random_frames_lose_nothing(plain_pair: Any, sockets: Sockets, tmp_path: Path) -> None:
    plain, right = plain_pair
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    chosen = random.Random(seed)
    good = trailer(1, clock_domain())
    stamped = 0
    for _ in range(1000):
        last = bytearray(good)
        for _ in range(chosen.randrange(3)):
            last[chosen.randrange(len(last))] = chosen.randrange(256)
        last += chosen.randbytes(chosen.choice([0, 0, 0, 1]))
        message = [chosen.randbytes(chosen.randrange(30)) for _ in range(chosen.randrange(3))] + [bytes(last)]
        plain.send_multipart(message)
        is_stamped = len(message) > 1 and len(last) == 24 and last[:4] == b"FDM1"
        stamped += is_stamped
        assert right.recv_multipart() == (message[:-1] if is_stamped else message)
    received, latencies, skipped = counted(sockets.registry, tmp_path)
    assert received == 1000
    assert latencies + skipped == stamped


def test_what_cannot_be_decoded_is_counted(plain_pair: Any, sockets: Sockets, tmp_path: Path) -> None:
    plain, right = plain_pair
    calls = [
        right.recv_json,
        right.recv_pyobj,
        right.recv_string,
        lambda: right.recv_serialized(lambda parts: parts[9]),
    ]
    for call in calls:
        for stamp in ([], [trailer(1, clock_domain())]):
            plain.send_multipart([b"\xff{", *stamp])
            with pytest.raises(Exception):  # noqa: B017
                call()
    assert counted(sockets.registry, tmp_path) == (2 * len(calls), len(calls), 0)
    samples = Samples(sockets.registry)
    assert samples.get("fastdeploy:zmq:msg_recv_failed_total", address=f"ipc://{tmp_path}/s") == 2 * len(calls)


# Waiting, and loss ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("carrier", ["none", "trailer"])
def test_the_time_that_a_send_waits(carrier: str, sockets: Sockets) -> None:
    left, right = sockets.open(zmq.PUSH), sockets.open(zmq.PULL)
    left.carrier = carrier
    left.link = "link"
    left.sndhwm = right.rcvhwm = 1
    right.bind("inproc://wait")
    left.connect("inproc://wait")
    left.send(b"1")
    left.send(b"2")
    blocked = "fastdeploy:zmq:send_blocked_seconds_total"
    assert Samples(sockets.registry).get(blocked, address="link") == 0
    left.sndtimeo = 50
    with pytest.raises(zmq.Again):
        left.send(b"3")
    with pytest.raises(zmq.Again):
        left.send(b"3", zmq.NOBLOCK)
    waited = Samples(sockets.registry).get(blocked, address="link")
    assert waited is not None and waited >= 0.04
    assert Samples(sockets.registry).get("fastdeploy:zmq:msg_send_failed_total", address="link") == 2
    assert [right.recv(), right.recv()] == [b"1", b"2"]


@pytest.mark.parametrize("carrier", ["none", "trailer"])
def test_what_a_full_subscriber_loses_is_in_flight_after_the_drain(
    carrier: str, sockets: Sockets, tmp_path: Path
) -> None:
    publisher, subscriber = sockets.open(zmq.PUB), sockets.open(zmq.SUB)
    publisher.carrier = carrier
    publisher.sndhwm = subscriber.rcvhwm = 100
    subscriber.subscribe(b"")
    publisher.link = subscriber.link = "link"
    subscriber.bind(f"ipc://{tmp_path}/s")
    publisher.connect(f"ipc://{tmp_path}/s")
    # The subscription travels to the publisher: what is sent before it got there is lost too, and counted.
    total, received = 0, 0
    while not subscriber.poll(10):
        publisher.send(b"x" * 64)
        total += 1
    for _ in range(50_000):
        publisher.send(b"x" * 64)
    total += 50_000
    subscriber.rcvtimeo = 1_000
    try:
        while True:
            subscriber.recv()
            received += 1
    except zmq.Again:
        pass
    samples = Samples(sockets.registry)
    assert samples.get("fastdeploy:zmq:msg_send_total", address="link") == total
    assert samples.get("fastdeploy:zmq:msg_recv_total", address="link") == received
    assert samples.get("fastdeploy:zmq:in_flight", address="link") == total - received
    assert 0 < received < total
