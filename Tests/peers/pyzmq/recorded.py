# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest: instruments pyzmq where PEERS_WAY says so, and writes the outcomes to PEERS_REPORT."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict

if os.environ["PEERS_WAY"] != "pyzmq":
    import fdmetrics.zmq

    # Before pyzmq's tests are imported; for as long as the process runs.
    fdmetrics.zmq.instrument()

outcomes: Dict[str, str] = {}


def pytest_runtest_logreport(report: Any) -> None:
    """A test has the worst outcome of its phases. Written each time: a test may hang or end the process."""
    if report.outcome == "failed" or report.when == "call" or report.outcome == "skipped":
        if outcomes.get(report.nodeid) != "failed":
            outcomes[report.nodeid] = report.outcome
        Path(os.environ["PEERS_REPORT"]).write_text(json.dumps(outcomes))
