# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Compares a scrape with what the processes acknowledged, and prints the two side by side.

A killed process may have made its last update or not, so there are two possible truths for that one instrument; the
scrape must be exactly one of them. For everything else there is one truth.
"""

from __future__ import annotations

import itertools
from typing import Callable, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

from prometheus_client.parser import text_string_to_metric_families

from ledger import Account

#: The samples of one instrument, by name and labels.
Samples = Dict[str, float]

#: The upper bounds that all processes declare.
BOUNDS = {"demo_payload_bytes": (16.0, 32.0, 64.0, 128.0, 256.0, 512.0, float("inf"))}
#: How the gauges' values become one, and whether those of dead processes count.
GAUGES: Dict[str, Tuple[Callable[[Iterable[float]], float], bool]] = {
    "demo_cached_tokens": (sum, False),
    "demo_longest_payload_bytes": (max, True),
}
#: No peer can acknowledge these: how long a message took or waited for room, and how long its envelope is.
MEASURED = (
    "fastdeploy:zmq:latency_bucket",
    "fastdeploy:zmq:latency_sum",
    "fastdeploy:zmq:msg_bytes_",
    "fastdeploy:zmq:send_blocked_seconds",
)
#: What is in flight when nobody sends any more is lost: the reply to a worker that was killed, say.
SENT, RECEIVED = "fastdeploy:zmq:msg_send_total", "fastdeploy:zmq:msg_recv_total"
IN_FLIGHT = "fastdeploy:zmq:in_flight"


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


def parse(text: str) -> Samples:
    """All samples of a scrape. Errors: ValueError, for text that is not of the format or has a sample twice."""
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            if key in samples:
                raise ValueError(f"{key} is in the scrape twice")
            samples[key] = float(sample.value)
    return samples


def truth(entries: Iterable[Entry]) -> Dict[str, Samples]:
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
            _, of_dead = GAUGES[name]
            if live or of_dead:
                gauges.setdefault(name, []).append(value)
    for name, values_of_processes in gauges.items():
        aggregate, _ = GAUGES[name]
        instruments[name] = {name: float(aggregate(values_of_processes))}
    for sent in [name for name in instruments if name.startswith(SENT)]:
        received = instruments.get(sent.replace(SENT, RECEIVED), {})
        name = sent.replace(SENT, IN_FLIGHT)
        instruments[name] = {name: instruments[sent][sent] - sum(received.values())}
    return instruments


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
    return rows


def table(rows: Iterable[Row]) -> str:
    """The rows as text."""
    cells = [("series", "acknowledged", "scraped", "ok")]
    for row in rows:
        acknowledged = " or ".join(f"{value:.15g}" for value in row.acknowledged)
        cells.append((row.series, acknowledged, f"{row.scraped:.15g}", "ok" if row.ok else "DIFFERS"))
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    return "\n".join(
        f"  {line[0]:<{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}  {line[3]}" for line in cells
    )
