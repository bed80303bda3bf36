# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""How the demo prints a comparison."""

from __future__ import annotations

from typing import Dict, Iterable, List, Sequence

from report import ZMQ, Row, Samples


def table(rows: Sequence[Row], shown: Dict[str, Row]) -> str:
    """The rows as text, without those that were shown before, as they are, and with those that are 0 in one line."""
    cells = [("series", "acknowledged", "scraped", "")]
    zeros: List[str] = []
    repeated = 0
    for row in rows:
        if row.ok and shown.get(row.series) == row:
            repeated += 1
        elif row.ok and row.scraped == 0 and row.series not in shown:
            zeros.append(row.series)
        else:
            acknowledged = " or ".join(f"{value:.15g}" for value in row.acknowledged)
            verdict = "ok" if row.ok else "DIFFERS"
            if row.is_bound:
                acknowledged, verdict = f"below {acknowledged}", f"{verdict} (a bound: messages were lost)"
            cells.append((row.series, acknowledged, f"{row.scraped:.15g}", verdict))
    shown.update((row.series, row) for row in rows)
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = [f"  {line[0]:<{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}  {line[3]}" for line in cells]
    if zeros:
        lines += ["  and 0, as they must be:", *(f"    {series}" for series in _merged(zeros))]
    if repeated:
        lines.append(f"  and {repeated} as before, ok")
    return "\n".join(line.rstrip() for line in lines)


def _merged(series: Iterable[str]) -> Iterable[str]:
    """Series by name, those of several links in one line."""
    links: Dict[str, List[str]] = {}
    for one in series:
        name, _, labels = one.partition("{")
        links.setdefault(name, []).extend([f"{{{labels}"] if labels else [])
    return (f"{name}{' and '.join(labels)}" for name, labels in sorted(links.items()))


def links(found: Sequence[str], scraped: Samples) -> str:
    """A line for each link: what its series say in words."""
    return "\n".join(_link(link, scraped) for link in found)


def _link(link: str, scraped: Samples) -> str:
    def value(name: str) -> float:
        return scraped[f"{ZMQ}{name}{link}"]

    latency = value("latency_sum") / max(value("latency_count"), 1)
    name = link.split('"')[1]
    return (
        f"  link {name}: {value('msg_recv_total'):.0f} messages, {latency:.3f} ms on average from send to receive, "
        f"{value('in_flight'):.0f} lost; {value('accepted_total'):.0f} connections, {value('connections') / 2:g} live"
    )
