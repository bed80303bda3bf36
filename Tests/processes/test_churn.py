# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A thousand short processes: the store does not grow with them, and loses nothing of what they did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from expositions import key
from load import KINDS, check_totals
from shells import Shell

BATCH = 20
PROCESSES = 1_000
TURNS = 16  # of each kind, in each process; see worker/forks.c
# Four processes run at once, and each has 18 gauges; see worker/load.c.
INSTANCES = 4 * 18


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
    def gauge_instances() -> int:
        teller = shell()
        teller.ask("open", store)
        found = teller.statistics()["gauge_instances"]
        teller.exit()
        return int(found)

    # Until all slots that will ever be used have been: so many processes have met at once.
    started = 0
    while started == 0 or gauge_instances() < INSTANCES:
        run("churn", store, BATCH)
        started += BATCH
        assert started < PROCESSES, f"of {started} processes no four have met"
    first = blocks(store)
    first_files = sorted(path.name for path in store.iterdir())
    first_length = len(render())
    run("churn", store, PROCESSES * stress - started)
    assert blocks(store) == first
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
    assert teller.statistics()["gauge_instances"] == INSTANCES
    teller.exit()
    assert blocks(store) == first
    check()
