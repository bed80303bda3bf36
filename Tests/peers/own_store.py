# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest: what `import prometheus_client` gives, and a fork child with a store of its own for each test.

PEERS_WAY in the environment says which way, PEERS_STORES where the stores are, PEERS_REPORT where the outcomes go.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import Any, Dict, List, Optional

import pytest
from _pytest.runner import runtestprotocol

_STORES = os.environ["PEERS_STORES"]
# Where the store is of tests that name /tmp as the directory, which is not theirs alone. One that was there stays.
_IN_TMP = f"/tmp/fdmetrics-{os.geteuid()}"
_IS_OURS = not os.path.exists(_IN_TMP)
_WAY = os.environ["PEERS_WAY"]


def _store(number: int) -> str:
    # The name for the case that nobody names a directory, so that the tests may name one.
    os.environ["FDMETRICS_AUTO_DIR"] = directory = os.path.join(_STORES, str(number))
    return directory


_store(0)
if _WAY == "install":
    import fdmetrics

    fdmetrics.install()
elif _WAY == "dropin":
    import fdmetrics.prometheus_client

    sys.modules["prometheus_client"] = fdmetrics.prometheus_client


class _Outcomes:
    def __init__(self) -> None:
        self.of: Dict[str, str] = {}
        self._count = 0

    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> bool:
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        self._count += 1
        reports = _in_child(item, self._count)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        outcomes = [report.outcome for report in reports]
        self.of[item.nodeid] = next((one for one in outcomes if one != "passed"), "passed")
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.of[report.nodeid] = "failed"

    def pytest_sessionfinish(self) -> None:
        with open(os.environ["PEERS_REPORT"], "w", encoding="utf-8") as file:
            json.dump(self.of, file, indent=1)


def _in_child(item: Any, number: int) -> List[Any]:
    """The reports of a test that a fork child runs, with all of its fixtures."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            directory = _store(number)
            reports = runtestprotocol(item, nextitem=None, log=False)
            serialize = item.config.hook.pytest_report_to_serializable
            data = json.dumps([serialize(config=item.config, report=report) for report in reports], default=str)
            with open(writing, "w", encoding="utf-8") as file:
                file.write(data)
            for store in (directory, *([_IN_TMP] if _IS_OURS else [])):
                shutil.rmtree(store, ignore_errors=True)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, encoding="utf-8") as file:
        data = file.read()
    _, status = os.waitpid(child, 0)
    if not data:
        return [_ended(item, status)]
    load = item.config.hook.pytest_report_from_serializable
    return [load(config=item.config, data=one) for one in json.loads(data)]


def _ended(item: Any, status: int) -> Any:
    text = f"the test's process ended with status {status:#x} and no report"
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call")


def pytest_configure(config: Any) -> None:
    config.pluginmanager.register(_Outcomes())


def pytest_collection_finish(session: Any) -> Optional[None]:
    attached = getattr(sys.modules.get("fdmetrics"), "REGISTRY", None)
    if attached is not None and attached.attached:
        raise pytest.UsageError("a store is attached before the first test: the tests would share it")
