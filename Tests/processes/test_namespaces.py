# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A pid is not an identity: two PID namespaces share a directory, and a pid is used again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from expositions import key, parse
from gauge_model import MODES
from namespaces import PID_NAMESPACE, child_of, require_namespaces
from shells import Shell

INCREMENTS = 20_000
BATCH = 1_000


def test_two_pid_namespaces_share_a_store(
    worker: Path, store: Path, stress: int, render: Callable[[], str], check: Callable[[], None]
) -> None:
    require_namespaces()
    count = INCREMENTS * stress
    shells = [Shell([*PID_NAMESPACE, str(worker), "shell"]) for _ in range(2)]
    try:
        for shell in shells:
            shell.ask("open", store)
            shell.counter(0, "shared")
            shell.gauge(1, "living", MODES["livesum"])
            shell.gauge(2, "each", MODES["all"])
            shell.ask("set", 1, 1)
            shell.ask("set", 2, 5)
        numbers = [Path(f"/proc/{child_of(shell.process.pid)}/status").read_text() for shell in shells]
        for text in numbers:
            (line,) = [line for line in text.splitlines() if line.startswith("NSpid:")]
            assert line.split()[-1] == "1", f"expected pid 1 in its own namespace: {line}"
        # In batches that the pipes hold, so that both processes are at work at the same time.
        for _ in range(count // BATCH):
            for shell in shells:
                for _ in range(BATCH):
                    shell.send("inc", 0)
            for shell in shells:
                for _ in range(BATCH):
                    shell.answer()
        samples = parse(render())
        assert samples[key("shared_total")] == 2 * count
        assert samples[key("living")] == 2
        assert {found: value for found, value in samples.items() if found[0] == "each"} == {
            key("each", {"worker": "0"}): 5.0,
            key("each", {"worker": "1"}): 5.0,
        }
        check()

        # One dies. The other has the same pid in its namespace, and yet only it counts as alive.
        os.kill(child_of(shells[0].process.pid), signal.SIGKILL)
        shells[0].process.wait(timeout=60)
        samples = parse(render())
        assert samples[key("living")] == 1
        assert samples[key("shared_total")] == 2 * count
        check()
    finally:
        for shell in shells:
            shell.kill()


def test_reused_pid_is_not_its_predecessor(store: Path, run: Callable[..., str], check: Callable[[], None]) -> None:
    require_namespaces()
    told = json.loads(run("reuse", store, prefix=PID_NAMESPACE))
    print(told)
    assert len(set(told["pids"])) == 1, f"the pid was not used again, so this run proves nothing: {told['pids']}"
    assert told["alive"] == 7
    assert told["dead"] == 0
    assert told["reused"] == 0
    assert told["own"] == 3
    check()
