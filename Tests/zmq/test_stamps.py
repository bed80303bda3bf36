# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Stamps that are malformed, foreign, of the future or of another clock, and random ones.

Whatever they are, the message arrives whole, and is counted. A plain sender forges them; the peers print what they
receive.
"""

from __future__ import annotations

import ctypes
import json
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from conversation import Peers, finish
from expositions import Exposition

LANGUAGES = ("c", "python", "swift")
HOUR = 3600 * 10**9


@pytest.fixture
def clock_domain(library: Path) -> int:
    """The clock domain of this host."""
    loaded = ctypes.CDLL(str(library))
    loaded.fdm_zmq_clock_domain.restype = ctypes.c_uint64
    return int(loaded.fdm_zmq_clock_domain())


def trailer(domain: int, offset: int = 0, flags: int = 0, magic: bytes = b"FDM1") -> bytes:
    """A trailer of now and an offset in nanoseconds."""
    return magic + struct.pack("<IQQ", flags, time.monotonic_ns() + offset, domain)


def deliver(
    peers: Peers, store: Path, folder: Path, language: str, mode: str, messages: list[list[bytes]], kind: str = "pull"
) -> list[str]:
    """Sends messages to a peer, and gives the lines that it prints."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER if kind == "router" else zmq.PUSH)
    socket.linger = 0
    # The peer may wait until its output is read, which is after all is sent.
    socket.sndhwm = 0
    endpoint = f"ipc://{folder}/stamps.ipc"
    socket.bind(endpoint)
    process = peers.start(store, language, "connect", kind, "none", endpoint, len(messages), 0, mode)
    try:
        for message in messages:
            socket.send_multipart(message)
        return finish(process).splitlines()
    finally:
        process.kill()
        process.wait()
        socket.close()
        context.term()


def frames_of(line: str) -> list[bytes]:
    """The frames that a peer printed."""
    return [b"" if word == "-" else bytes.fromhex(word) for word in line.split(" ")]


def without_trailer(frames: list[bytes], before: int = 1) -> list[bytes]:
    """What a receiver must hand out: a trailer counts as one only after another frame."""
    is_trailed = len(frames) > before and len(frames[-1]) == 24 and frames[-1][:4] == b"FDM1"
    return frames[:-1] if is_trailed else frames


@pytest.mark.parametrize("language", LANGUAGES)
def test_forged_trailers(
    peers: Peers,
    folder: Path,
    store: Path,
    exposition: Callable[[], Exposition],
    clock_domain: int,
    language: str,
) -> None:
    good = trailer(clock_domain)
    unusable = [
        trailer(clock_domain ^ 1),
        trailer(0),
        trailer(clock_domain, HOUR),
        trailer(clock_domain, flags=1),
        b"FDM1" + struct.pack("<IQQ", 0, 0, clock_domain),
        b"FDM1" + b"\xff" * 20,
    ]
    payloads = [
        good[:-1],
        good + b"\0",
        trailer(clock_domain, magic=b"FDM2"),
        trailer(clock_domain, magic=b"fdm1"),
        b"",
    ]
    messages = [[b"good", good]]
    messages += [[b"head", b"", b"body", each] for each in unusable]
    # No trailers: other sizes, other magic numbers, one that is not the last frame, and one alone.
    messages += [[b"payload", each] for each in payloads]
    messages += [[good, b"after"], [good]]
    # Of two the last one is a trailer.
    messages += [[good, good]]
    lines = deliver(peers, store, folder, language, "dump", messages)
    assert [frames_of(line) for line in lines] == [without_trailer(message) for message in messages]
    shown = exposition()
    assert shown.total("msg_recv_total") == len(messages)
    assert shown.total("msg_bytes_recv_total") == sum(len(f) for each in messages for f in without_trailer(each))
    assert shown.total("latency_count") == 2
    assert shown.total("latency_skipped_total") == len(unusable)
    assert shown.total("msg_recv_failed_total") == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_lone_trailer_after_a_routing_id(
    peers: Peers, folder: Path, store: Path, exposition: Callable[[], Exposition], clock_domain: int, language: str
) -> None:
    stamp = trailer(clock_domain)
    messages = [[stamp], [b"", stamp], [b"x", stamp]]
    lines = deliver(peers, store, folder, language, "dump", messages, "router")
    assert [frames_of(line)[1:] for line in lines] == [[stamp], [b""], [b"x"]]
    assert exposition().total("latency_count") == 2


# What a receiver makes of a text: an envelope of now, one that only looks like it, other JSON, or no JSON.
def envelopes(now: float) -> list[tuple[str, str]]:
    """Texts and their kinds."""
    cases = [
        ("envelope", '{"__meta": {"send_ts": NOW}, "data": {"a": [1, "x", null]}}'),
        ("envelope", ' {"data":"first","other":{"__meta":1},"__meta":{"x":[{}],"send_ts":NOW}}\r\n'),
        ("envelope", '{"__meta":{"send_ts":1e0},"data":null}'),
        ("lookalike", '{"__meta": {"send_ts": LATER}, "data": 1}'),
        ("lookalike", '{"__meta": {"send_ts": 0}, "data": 1}'),
        ("lookalike", '{"__meta": {"send_ts": -1.5}, "data": 1}'),
        ("lookalike", '{"__meta": {"send_ts": 1e999}, "data": 1}'),
        ("lookalike", '{"__meta": {"send_ts": "NOW"}, "data": 1}'),
        ("lookalike", '{"__meta": {"send_ts": true}, "data": 1}'),
        ("lookalike", '{"__meta": {"send_ts": null}, "data": 1}'),
        ("lookalike", '{"__meta": {}, "data": 1}'),
        ("lookalike", '{"__meta": 7, "data": 1}'),
        ("lookalike", '{"__meta": null, "data": 1}'),
        ("lookalike", '{"__meta": [{"send_ts": 1}], "data": 1}'),
        ("lookalike", '{"__meta": {"send_ts": NOW}}'),
        ("plain", '{"data": {"__meta": {"send_ts": NOW}}}'),
        ("plain", '[{"__meta": {"send_ts": 1}, "data": 1}]'),
        ("plain", "{}"),
        ("plain", "17"),
        ("plain", '"__meta"'),
        ("undecodable", '{"__meta": {"send_ts": NOW}, "data": 1'),
        ("undecodable", '{"__meta": {"send_ts": 1.}, "data": 1}'),
        ("undecodable", '{"__meta": {"send_ts": 1}, "data": 1}}'),
        ("undecodable", '{"__meta": {"send_ts": 1}, "data": tru}'),
        ("undecodable", '{"__meta": {"send_ts": 01}, "data": 1}'),
        ("undecodable", "\x80\x04pickle"),
        ("undecodable", ""),
    ]
    return [(kind, text.replace("NOW", repr(now)).replace("LATER", repr(now + 1e6))) for kind, text in cases]


def value_of(line: str) -> Any:
    """The payload that a peer printed; None where it could not be decoded."""
    word, _, rest = line.partition(" ")
    return (json.loads(bytes.fromhex(rest)),) if word == "value" else None


@pytest.mark.parametrize("language", LANGUAGES)
def test_forged_envelopes(
    peers: Peers, folder: Path, store: Path, exposition: Callable[[], Exposition], language: str
) -> None:
    cases = envelopes(time.monotonic())
    lines = deliver(peers, store, folder, language, "json", [[text.encode("latin-1")] for _, text in cases])
    for (kind, text), line in zip(cases, lines):
        expected = None
        if kind != "undecodable":
            whole = json.loads(text)
            expected = (whole["data"] if kind == "envelope" else whole,)
        assert value_of(line) == expected, f"{kind} {text}: the peer printed {line}"
    assert len(lines) == len(cases)
    kinds = [kind for kind, _ in cases]
    shown = exposition()
    assert shown.total("msg_recv_total") == len(cases)
    assert shown.total("msg_bytes_recv_total") == sum(len(text) for _, text in cases)
    assert shown.total("latency_count") == kinds.count("envelope")
    assert shown.total("latency_skipped_total") == kinds.count("lookalike")
    assert shown.total("msg_recv_failed_total") == kinds.count("undecodable")


# Random messages -----------------------------------------------------------------------------------------------------


def mutated(choices: random.Random, data: bytes) -> bytes:
    """These bytes with a few of them changed, removed or doubled."""
    changed = bytearray(data)
    for _ in range(choices.randrange(3)):
        at = choices.randrange(len(changed) + 1)
        action = choices.randrange(3)
        if action == 0:
            changed[at : at + 1] = bytes([choices.randrange(256)])
        elif action == 1:
            del changed[at : at + choices.randrange(1, 4)]
        else:
            changed[at:at] = changed[at : at + choices.randrange(1, 9)]
    return bytes(changed)


@pytest.mark.parametrize("language", LANGUAGES)
def test_random_trailers(
    peers: Peers,
    folder: Path,
    store: Path,
    exposition: Callable[[], Exposition],
    clock_domain: int,
    seed: int,
    stress: int,
    language: str,
) -> None:
    choices = random.Random(seed)
    messages = []
    for _ in range(3000 * stress):
        frames = [choices.randbytes(choices.choice((0, 1, 24, 40))) for _ in range(choices.randrange(4))]
        messages.append([*frames, mutated(choices, trailer(clock_domain))])
    lines = deliver(peers, store, folder, language, "dump", messages)
    assert [frames_of(line) for line in lines] == [without_trailer(message) for message in messages]
    shown = exposition()
    assert shown.total("msg_recv_total") == len(messages)
    assert shown.total("msg_bytes_recv_total") == sum(len(f) for each in messages for f in without_trailer(each))
    stripped = sum(without_trailer(message) != message for message in messages)
    assert shown.total("latency_count") + shown.total("latency_skipped_total") == stripped


@pytest.mark.parametrize("language", LANGUAGES)
def test_random_envelopes(
    peers: Peers,
    folder: Path,
    store: Path,
    exposition: Callable[[], Exposition],
    seed: int,
    stress: int,
    language: str,
) -> None:
    choices = random.Random(seed)
    texts = [text for _, text in envelopes(time.monotonic())]
    messages = [mutated(choices, choices.choice(texts).encode("latin-1")) for _ in range(3000 * stress)]
    lines = deliver(peers, store, folder, language, "dump", [[each] for each in messages])
    # Who receives bytes gets bytes, whatever is in them.
    assert [frames_of(line) for line in lines] == [[each] for each in messages]
    lines = deliver(peers, store, folder, language, "json", [[each] for each in messages])
    assert len(lines) == len(messages)
    for message, line in zip(messages, lines):
        try:
            whole = json.loads(message.decode())
        except ValueError:
            # Scanners that do not look into strings may take bytes that are no text: then they hand over those.
            assert language == "python" or bytes.fromhex(line.partition(" ")[2]) in message
            continue
        printed = value_of(line)
        allowed = [whole, whole.get("data")] if isinstance(whole, dict) and "__meta" in whole else [whole]
        assert printed is not None and printed[0] in allowed, f"{message!r}: the peer printed {line}"
    shown = exposition()
    assert shown.total("msg_recv_total") == 2 * len(messages)
    assert shown.total("msg_bytes_recv_total") == 2 * sum(map(len, messages))
