# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""One process removes series, or the whole store, while another one increments."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from expositions import SampleKey, key, parse
from shells import Refused, Shell

NOT_FOUND = -31011
ROUNDS = 100
SERIES = key("jobs_total", {"queue": "fast"})
OTHER = key("jobs_total", {"queue": "slow"})


@pytest.fixture
def pair(shell: Callable[[], Shell], store: Path) -> tuple[Shell, Shell]:
    """Two processes with the same two series: handle 0 is "fast", 1 is "slow"."""
    both = (shell(), shell())
    for one in both:
        one.ask("open", store)
        one.counter(0, "jobs", "queue", "fast")
        one.ask("labels", 1, "jobs", "slow")
    return both


def jobs(text: str) -> dict[SampleKey, float]:
    """The samples of the family."""
    return {found: value for found, value in parse(text).items() if found[0] == "jobs_total"}


@pytest.mark.parametrize("how", [("remove", "jobs", "fast"), ("clear", "jobs")])
def test_removed_series_is_absent_and_starts_again_from_zero(
    pair: tuple[Shell, Shell],
    how: tuple[str, ...],
    render: Callable[[], str],
    check: Callable[[], None],
) -> None:
    remover, writer = pair
    writer.ask("inc", 1)
    writer.ask("spin", 0)
    removals = writer.ask("removals")
    assert jobs(render())[SERIES] > 0
    remover.ask(*how)
    left = {} if how[0] == "clear" else {OTHER: 1.0}
    # Absent at the very next rendering of all, while the old handle is still incremented.
    assert jobs(render()) == left
    assert jobs(remover.render()) == left
    assert jobs(writer.render()) == left
    assert writer.ask("removals") != removals
    assert int(writer.ask("stop")) > 0
    assert jobs(render()) == left
    # A new look-up is a new series; the old handle still records into nothing that is seen.
    writer.ask("labels", 2, "jobs", "fast")
    assert float(writer.ask("counter_value", 2)) == 0
    writer.ask("inc", 0)
    for _ in range(3):
        writer.ask("inc", 2)
    assert jobs(render()) == {**left, SERIES: 3.0}
    # The remover's look-up finds the same new series.
    remover.ask("labels", 2, "jobs", "fast")
    remover.ask("inc", 2)
    assert jobs(render()) == {**left, SERIES: 4.0}
    assert float(writer.ask("counter_value", 2)) == 4
    # What is not there can be removed: that is no error.
    remover.ask("remove", "jobs", "never")
    assert jobs(render()) == {**left, SERIES: 4.0}
    check()


def test_series_is_removed_again_and_again_while_it_is_looked_up(
    pair: tuple[Shell, Shell], seed: int, stress: int, check: Callable[[], None]
) -> None:
    remover, writer = pair
    chance = random.Random(seed)
    writer.ask("spin_labels", "jobs", "fast")
    for _ in range(ROUNDS * stress):
        time.sleep(chance.random() * 0.002)
        remover.ask("remove", "jobs", "fast")
        # parse() refuses a series that is there twice.
        assert jobs(remover.render()).keys() <= {SERIES, OTHER}
    made = int(writer.ask("stop"))
    remover.ask("remove", "jobs", "fast")
    assert jobs(remover.render()) == {OTHER: 0.0}
    numbers = remover.statistics()
    assert numbers["removed_series"] >= 1
    print(f"{made} increments, {numbers}")
    writer.ask("labels", 3, "jobs", "fast")
    writer.ask("inc", 3)
    assert jobs(remover.render()) == {OTHER: 0.0, SERIES: 1.0}
    check()


def test_the_processes_of_a_removed_store_go_on_in_a_new_one(
    pair: tuple[Shell, Shell], store: Path, shell: Callable[[], Shell]
) -> None:
    first, writer = pair
    writer.ask("spin", 0)
    for path in list(store.iterdir()):
        path.unlink()
    reader = shell()
    with pytest.raises(Refused) as refused:
        reader.render_directory(store)
    assert refused.value.status == NOT_FOUND
    # Updates go on meanwhile, into what nobody sees any more. Who renders leaves it for a new store, from zero.
    assert int(writer.ask("stop")) > 0
    assert jobs(first.render()) == {OTHER: 0.0, SERIES: 0.0}
    newcomer = shell()
    newcomer.ask("open", store)
    newcomer.counter(0, "jobs", "queue", "fast")
    newcomer.ask("inc", 0)
    assert jobs(writer.render()) == {OTHER: 0.0, SERIES: 1.0}
    writer.ask("inc", 0)
    first.ask("inc", 0)
    for shown in (first.render(), writer.render(), newcomer.render(), reader.render_directory(store)):
        assert jobs(shown) == {OTHER: 0.0, SERIES: 3.0}
