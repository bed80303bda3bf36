# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Compares a scrape with what the processes acknowledged.

A killed process may have made its last update or not, so there are two possible truths for that one instrument; the
scrape must be exactly one of them. For everything else there is one truth, but for the bytes of a link that has lost a
message, of which a bound is known: such a row is marked. links_of() says what there is to know of the
ZeroMQ links beyond that: what one end must have seen, because the other end says so.
"""

from __future__ import annotations

import itertools
from typing import Callable, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

from formats import Samples

from ledger import Account

ZMQ = "fastdeploy:zmq:"
#: The upper bounds that all processes declare.
BOUNDS = {"demo_payload_bytes": (16.0, 32.0, 64.0, 128.0, 256.0, 512.0, float("inf"))}
#: How the gauges' values become one, and whether those of dead processes count.
GAUGES: Dict[str, Tuple[Callable[[Iterable[float]], float], bool]] = {
    "demo_cached_tokens": (sum, False),
    "demo_longest_payload_bytes": (max, True),
    "fastdeploy:zmq:connections": (sum, False),
}
#: No process can acknowledge these: how long a message took or waited for room, and how long it is with its envelope;
#: what the kernel says of the processes, and how large the store is.
MEASURED = (
    *(f"{ZMQ}{name}" for name in ("latency_bucket", "latency_sum", "msg_bytes_", "send_blocked_seconds")),
    "process_",
    *(f"fdmetrics_{name}" for name in ("build_info", "families", "lanes", "scrape_", "segments", "series", "store_")),
)
#: The processes that hold the store, by the store itself.
LIVE = "fdmetrics_live_processes"


class Entry(NamedTuple):
    """A process' account, and whether the process is alive at the scrape."""

    account: Account
    live: bool


class Row(NamedTuple):
    """One sample, what it may be and what it is."""

    series: str
    acknowledged: Sequence[float]
    scraped: float
    ok: bool
    #: What was acknowledged is a bound, which the scraped value stays below, and not what it must be.
    is_bound: bool = False


def truth(entries: Sequence[Entry]) -> Dict[str, Samples]:
    """The samples that there must be if the accounts are complete, by instrument."""
    instruments: Dict[str, Samples] = {}
    gauges: Dict[str, List[float]] = {}
    for account, live in entries:
        for name, total in account.counters.items():
            samples = instruments.setdefault(name, {name: 0.0})
            samples[name] += total
        for name, values in account.observations.items():
            samples = instruments.setdefault(name, {})
            for key, amount in _histogram(name, values):
                samples[key] = samples.get(key, 0.0) + amount
        for name, value in account.gauges.items():
            _, of_dead = GAUGES[name.partition("{")[0]]
            if live or of_dead:
                gauges.setdefault(name, []).append(value)
    for name, values_of_processes in gauges.items():
        aggregate, _ = GAUGES[name.partition("{")[0]]
        instruments[name] = {name: float(aggregate(values_of_processes))}
    for link in links_of(entries):
        instruments.update(_both_ends(link, entries, instruments))
    instruments[LIVE] = {LIVE: float(sum(entry.live for entry in entries))}
    return instruments


def links_of(entries: Iterable[Entry]) -> List[str]:
    """The links that workers have connected to, as the label `{address="..."}`."""
    made = f"{ZMQ}connected_total"
    return sorted({name[len(made) :] for entry in entries for name in entry.account.counters if name.startswith(made)})


def _both_ends(link: str, entries: Sequence[Entry], known: Mapping[str, Samples]) -> Dict[str, Samples]:
    """What must be there of a link because of what the workers' end of it says.

    The process that is bound accepts each connection once, and sees the end of it, whether the worker has ended or was
    killed; the killed worker itself could not count that any more. What is in flight when nobody sends any more is
    lost: the reply to a worker that was killed, say.
    """

    def total(name: str) -> float:
        return sum(known.get(f"{ZMQ}{name}{link}", {}).values())

    made = f"{ZMQ}connected_total{link}"
    lost = sum(account.counters.get(made, 0.0) for account, live in entries if not live)
    values = {
        "accepted_total": total("connected_total"),
        "connections": 2 * total("connections"),
        "disconnected_total": total("disconnected_total") + lost,
        "in_flight": total("msg_send_total") - total("msg_recv_total"),
    }
    return {f"{ZMQ}{name}{link}": {f"{ZMQ}{name}{link}": value} for name, value in values.items()}


def _histogram(name: str, values: Mapping[float, int]) -> Iterable[Tuple[str, float]]:
    yield f"{name}_count", float(sum(values.values()))
    yield f"{name}_sum", sum(value * times for value, times in values.items())
    for bound in BOUNDS[name]:
        le = "+Inf" if bound == float("inf") else str(bound)
        yield f'{name}_bucket{{le="{le}"}}', float(sum(times for value, times in values.items() if value <= bound))


def compare(entries: Sequence[Entry], scraped: Samples) -> List[Row]:
    """Every sample that was acknowledged or scraped, by name."""
    choices = [
        [entry, Entry(entry.account.completed(), entry.live)] if entry.account.in_flight else [entry]
        for entry in entries
    ]
    truths = [truth(choice) for choice in itertools.product(*choices)]
    left = dict(scraped)
    rows = []
    for instrument in sorted(set().union(*truths)):
        # An instrument that was in doubt only at its first update need not be there.
        candidates = [possible.get(instrument, {}) for possible in truths]
        keys = list(dict.fromkeys(itertools.chain(*candidates)))
        found = {key: left.pop(key) for key in keys if key in left}
        ok = found in candidates
        for key in keys:
            possible_values = sorted({candidate[key] for candidate in candidates if key in candidate})
            rows.append(Row(key, possible_values, found.get(key, float("nan")), ok))
    # What nobody acknowledged must not have happened: failed sends, say, or a gauge that no live process has set.
    rows += [Row(key, [0.0], value, value == 0) for key, value in left.items() if not key.startswith(MEASURED)]
    doubts = [update.series for entry in entries for update in entry.account.in_flight]
    return rows + [_bytes(link, scraped) for link in links_of(entries) if not any(link in one for one in doubts)]


def _bytes(link: str, scraped: Samples) -> Row:
    """The bytes that were received: those that were sent if every message has arrived, else fewer."""
    sent, received = (scraped.get(f"{ZMQ}msg_bytes_{way}_total{link}", float("nan")) for way in ("send", "recv"))
    arrived = scraped.get(f"{ZMQ}in_flight{link}") == 0
    ok = received == sent if arrived else received < sent
    return Row(f"{ZMQ}msg_bytes_recv_total{link}", [sent], received, ok, is_bound=not arrived)
