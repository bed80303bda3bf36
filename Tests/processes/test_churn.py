# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A thousand short processes: the store does not grow with them, and loses nothing of what they did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from expositions import key
from load import KINDS, check_totals
from shells import Shell

FIRST = 20
PROCESSES = 1_000
TURNS = 16  # of each kind, in each process; see worker/forks.c
# Four processes run at once. Should fewer of them have met among the first 20, up to three more slots are used later: 3
# times 18 instances of 64 bytes, which is less than a page of 8 blocks.
LATER_SLOTS = 8


def blocks(store: Path) -> int:
    """What the files of a store take of the file system, in blocks of 512 bytes."""
    return sum(path.stat().st_blocks for path in store.iterdir())


def test_store_does_not_grow_with_processes(
    store: Path,
    stress: int,
    run: Callable[..., str],
    render: Callable[[], str],
    shell: Callable[[], Shell],
    check: Callable[[], None],
) -> None:
    run("churn", store, FIRST)
    first = blocks(store)
    first_files = sorted(path.name for path in store.iterdir())
    first_length = len(render())
    rest = PROCESSES * stress - FIRST
    run("churn", store, rest)
    assert first <= blocks(store) <= first + LATER_SLOTS
    assert sorted(path.name for path in store.iterdir()) == first_files
    updates = [PROCESSES * stress * TURNS] * KINDS
    text = render()
    samples = check_totals(text, updates, updates)
    assert samples[key("load_gauge_livesum")] == 0
    # The text has the same lines; only the digits of its numbers grow.
    assert len(text) < 1.2 * first_length
    teller = shell()
    teller.ask("open", store)
    assert teller.statistics()["live_processes"] == 1
    # Four processes at once, and 18 gauges; see worker/load.c.
    assert teller.statistics()["gauge_instances"] <= 4 * 18
    teller.exit()
    assert first <= blocks(store) <= first + LATER_SLOTS
    check()
