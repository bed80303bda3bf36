# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Forks while eight threads update: no child hangs, and all totals are exact."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from expositions import key
from load import check_totals
from shells import Shell

FORKS = 1_000


def test_fork_children_of_a_busy_process_record(
    worker: Path,
    store: Path,
    seed: int,
    stress: int,
    render: Callable[[], str],
    shell: Callable[[], Shell],
    check: Callable[[], None],
) -> None:
    forks = FORKS * stress
    process = subprocess.Popen(
        [str(worker), "forks", str(store), str(forks), str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"the forking process ended with {process.wait()}"
        told = json.loads(line)
        assert told["hung"] == 0, f"{told['hung']} of {forks} children hung"
        updates = told["updates"]
        print(f"{forks} forks, {sum(updates)} updates")
        samples = check_totals(render(), updates, updates)

        # Each child made a series of its own, every eighth one's child did too, and each counted once.
        names = [str(i) for i in range(forks)] + [f"{i}_nested" for i in range(0, forks, 8)]
        made = {found: value for found, value in samples.items() if found[0] == "forked_children_total"}
        assert made == {key("forked_children_total", {"child": name}): 1.0 for name in names}
        assert samples[key("forked_info", {"kind": "child"})] == 1
        assert samples[key("forked_state", {"forked_state": "on"})] == 1
        assert samples[key("forked_state", {"forked_state": "off"})] == 0

        # The children are dead: what is left of the gauge of the living is the parent's own value.
        assert samples[key("load_gauge_livesum")] == told["livesum"]
        teller = shell()
        teller.ask("open", store)
        # The parent, four children at once, and a child of each of them; 18 gauges, see worker/load.c.
        assert teller.statistics()["gauge_instances"] <= 9 * 18
        teller.exit()
        check()

        process.stdin.close()
        assert process.wait(timeout=60) == 0
        assert parse_livesum(render()) == 0
        check()
    finally:
        process.kill()
        process.wait()


def parse_livesum(text: str) -> float:
    """The gauge of the living, as one line of the exposition."""
    (line,) = [line for line in text.splitlines() if line.startswith("load_gauge_livesum ")]
    return float(line.split()[1])
