# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Mount and PID namespaces, for tests that need a small file system or two processes of one number."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

HANG_SECONDS = 300.0
MOUNT_NAMESPACE = ("unshare", "--mount", "--propagation", "private")
PID_NAMESPACE = ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")


def require_namespaces() -> None:
    """Fails where this environment refuses namespaces: the tests prove nothing without them."""
    assert os.geteuid() == 0, "this test makes namespaces of its own; run it as root"
    for command in ([*MOUNT_NAMESPACE, "true"], [*PID_NAMESPACE, "true"]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, (
            f"`{' '.join(command)}` is refused here: {done.stderr.strip()}; "
            "run the tests where namespaces are allowed (in a container: with CAP_SYS_ADMIN)"
        )


def run_script(script: str) -> str:
    """Runs a shell script in a mount namespace of its own and gives its output."""
    done = subprocess.run(
        [*MOUNT_NAMESPACE, "sh", "-euc", script], capture_output=True, text=True, timeout=HANG_SECONDS
    )
    # A shell says 128 and the number of the signal for a program that a signal ended: 135 is SIGBUS.
    assert done.returncode == 0, f"ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def child_of(process: int) -> int:
    """The number, in this namespace, of the only child of a process; waits until it is there."""
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.005)
    raise AssertionError(f"process {process} has not had a child for {HANG_SECONDS} s")
