# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Times the import of fdmetrics and its first counter, and the same of prometheus_client in multi-process mode.

Each in a new process, which times itself: the start of the interpreter is not in it, nor the compilation of modules,
which an installed package has behind it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

PROGRAM = """
import time
start = time.perf_counter()
import {module}
{module}.Counter("first", "Benchmark").inc()
print(time.perf_counter() - start)
# It raises where nothing could be recorded; recording does not.
{module}.generate_latest()
"""
REPEATS = 5


def seconds(module: str, environment: dict[str, str]) -> float:
    """What one new process says."""
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    least = {module: float("inf") for module in ("fdmetrics", "prometheus_client")}
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for module in least:
            seconds(module, environment)
        for _ in range(REPEATS):
            for module in least:
                least[module] = min(least[module], seconds(module, environment))
    ours, theirs = (round(value * 1e9) for value in least.values())
    print(json.dumps({"program": "import", "op": "first_counter", "ns": ours, "peer_ns": theirs}))


if __name__ == "__main__":
    main()
