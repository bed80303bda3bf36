# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Threads of one process inherit the gauges of a dead one at the same instant: no update of either is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from expositions import key, parse
from shells import Shell

CHILDREN = 100
GAUGES = 50  # of each of four modes
THREADS = 2
VALUE = 5


def test_threads_inherit_gauges_at_once(
    store: Path,
    stress: int,
    run: Callable[..., str],
    render: Callable[[], str],
    shell: Callable[[], Shell],
    check: Callable[[], None],
) -> None:
    children = CHILDREN * stress
    run("inherit", store, children, GAUGES)
    samples = parse(render())
    for number in range(GAUGES):
        item = {"item": str(number)}
        assert samples[key("inherited_sum", item)] == THREADS * children
        assert samples[key("inherited_livesum", item)] == 0
        assert samples[key("inherited_recent", item)] == VALUE
        assert key("inherited_liverecent", item) not in samples
    teller = shell()
    teller.ask("open", store)
    assert teller.statistics()["gauge_instances"] == 4 * GAUGES
    check()
