# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Every pattern, with every carrier, between every pair of languages.

The peers compare each payload with what was sent, byte for byte, and say how much they sent and received; the
exposition must say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conversation import CARRIERS, PATTERNS, End, Outcome, Peers, converse
from expositions import Exposition

COUNT = 25
LANGUAGES = ("c", "python", "swift")
# An envelope adds its names and a number; how many digits that has is the language's.
ENVELOPE_BYTES = range(len('{"__meta":{"send_ts":1},"data":}'), 90)


def ends(folder: Path, pattern: tuple[str, str], languages: tuple[str, str]) -> tuple[End, End]:
    """The two ends of a link."""
    endpoint = f"ipc://{folder}/link.ipc"
    return End(languages[0], pattern[0], endpoint, "bind"), End(languages[1], pattern[1], endpoint, "connect")


def check_latencies(shown: Exposition, count: int, seconds: float) -> None:
    """So many latencies were taken, none of them negative or longer than the test, and none was skipped."""
    assert shown.total("latency_skipped_total") == 0
    assert shown.total("latency_count") == count
    assert 0 <= shown.total("latency_sum") <= count * seconds * 1000
    assert shown.latencies_at_most(seconds * 1000) == count


def check_bytes(shown: Exposition, outcome: Outcome, carrier: str, enveloped: int) -> None:
    """Both ends count the same bytes: those that the peers sent, and what envelopes add."""
    sent, received = shown.total("msg_bytes_send_total"), shown.total("msg_bytes_recv_total")
    if outcome.both("sent") == outcome.both("received"):
        assert sent == received
    if carrier != "envelope":
        assert (sent, received) == (outcome.both("sent_bytes"), outcome.both("received_bytes"))
    else:
        added = sent - outcome.both("sent_bytes")
        assert ENVELOPE_BYTES.start * enveloped <= added <= ENVELOPE_BYTES.stop * enveloped


@pytest.mark.parametrize("languages", [(a, b) for a in LANGUAGES for b in LANGUAGES], ids="-".join)
@pytest.mark.parametrize("pattern", PATTERNS, ids="-".join)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_two_languages(
    peers: Peers,
    folder: Path,
    store: Path,
    exposition: Callable[[], Exposition],
    seed: int,
    carrier: str,
    pattern: tuple[str, str],
    languages: tuple[str, str],
) -> None:
    first, second = ends(folder, pattern, languages)
    outcome = converse(peers, store, first, second, carrier, COUNT, seed)
    shown = exposition()
    assert shown.addresses() == {first.endpoint}
    assert shown.total("msg_send_total") == outcome.both("sent")
    assert shown.total("msg_recv_total") == outcome.both("received")
    assert shown.total("msg_send_failed_total") == outcome.both("failed")
    assert shown.total("msg_recv_failed_total") == 0
    assert shown.total("in_flight") == outcome.both("sent") - outcome.both("received")
    # What a PUB says before anybody has subscribed is lost; everything else arrives.
    if pattern[0] != "pub":
        assert shown.total("in_flight") == 0
    stamped = 0 if carrier == "none" else outcome.both("received")
    check_latencies(shown, stamped, outcome.seconds)
    check_bytes(shown, outcome, carrier, outcome.both("sent"))


# The empty delimiter of REQ and REP, in the hands of the peer.
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("pattern", [("router-req", "req"), ("rep", "dealer-rep")], ids="-".join)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_empty_delimiter(
    peers: Peers,
    folder: Path,
    store: Path,
    exposition: Callable[[], Exposition],
    seed: int,
    carrier: str,
    pattern: tuple[str, str],
    language: str,
) -> None:
    first, second = ends(folder, pattern, (language, "c"))
    outcome = converse(peers, store, first, second, carrier, COUNT, seed)
    shown = exposition()
    assert shown.total("msg_send_total") == shown.total("msg_recv_total") == outcome.both("sent") == 2 * COUNT
    assert shown.total("msg_send_failed_total") == outcome.both("failed")
    check_latencies(shown, 0 if carrier == "none" else 2 * COUNT, outcome.seconds)
    check_bytes(shown, outcome, carrier, 2 * COUNT)


# A program over libzmq alone, and one over pyzmq alone, and the patterns that it uses.
PLAIN = {
    "c-plain": [("pull", "push"), ("router", "dealer"), ("pub", "sub")],
    "python-plain": [("pull", "push"), ("rep", "req")],
}
PLAIN_CASES = [
    pytest.param(pattern, languages, id="-".join(pattern) + "-" + "+".join(languages))
    for plain, patterns in PLAIN.items()
    for pattern in patterns
    for language in LANGUAGES
    for languages in ((plain, language), (language, plain))
]


@pytest.mark.parametrize(("pattern", "languages"), PLAIN_CASES)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_plain_peer(
    peers: Peers,
    folder: Path,
    store: Path,
    exposition: Callable[[], Exposition],
    seed: int,
    carrier: str,
    pattern: tuple[str, str],
    languages: tuple[str, str],
) -> None:
    first, second = ends(folder, pattern, languages)
    outcome = converse(peers, store, first, second, carrier, COUNT, seed)
    shown = exposition()
    mine, plain = (outcome.second, outcome.first) if "plain" in languages[0] else (outcome.first, outcome.second)
    assert shown.total("msg_send_total") == mine["sent"]
    assert shown.total("msg_recv_total") == mine["received"]
    assert shown.total("msg_send_failed_total") == mine["failed"]
    # A plain peer's messages have no stamp: there is nothing to measure, and nothing was skipped.
    check_latencies(shown, 0, outcome.seconds)
    if pattern != ("pub", "sub"):
        # The plain end hears what the instrumented end counts, byte for byte; a ROUTER sees the routing id as well.
        ids = 5 * COUNT if pattern[0] == "router" else 0
        at_router = ids if "plain" in languages[0] else -ids
        assert plain["received_bytes"] == shown.total("msg_bytes_send_total") + (at_router if plain["received"] else 0)
        assert shown.total("msg_bytes_recv_total") == mine["received_bytes"]
