# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The start-up hook: active by an environment variable alone, and without a trace where that is not set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .support import PACKAGE_ROOT, environment, run_program


@pytest.fixture
def site(tmp_path: Path) -> str:
    """Statements that have Python read a site directory with the hook's .pth file, as it does at the start."""
    directory = tmp_path / "site"
    directory.mkdir()
    for name in ("fdmetrics_hook.pth", "fdmetrics_hook.py"):
        (directory / name).symlink_to(PACKAGE_ROOT / name)
    return f"import site; site.addsitedir({str(directory)!r})\n"


def test_the_hook_does_nothing_unless_asked(site: str) -> None:
    cases: list[Any] = [{}, {"FDMETRICS_INSTALL": "0"}]
    for variables in cases:
        run_program(
            site
            + """
import sys
before = list(sys.meta_path)
import prometheus_client
assert "fdmetrics_hook" not in sys.modules and "fdmetrics" not in sys.modules
assert sys.meta_path == before
""",
            **variables,
        )


@pytest.mark.parametrize(
    "statement",
    [
        "import prometheus_client",
        "from prometheus_client import Counter",
        "import prometheus_client.multiprocess",
        "from prometheus_client.values import ValueClass",
        "import importlib; importlib.import_module('prometheus_client.metrics')",
    ],
)
def test_every_import_is_noticed(site: str, statement: str) -> None:
    run_program(
        site
        + f"""
import sys
assert "prometheus_client" not in sys.modules
{statement}
import prometheus_client, fdmetrics
from prometheus_client.values import ValueClass
assert type(ValueClass).__module__ == "fdmetrics._prometheus.value_class"
prometheus_client.Counter("c", "").inc(3)
assert b"c_total 3.0" in fdmetrics.generate_latest()
assert len([finder for finder in sys.meta_path if type(finder).__module__ == "fdmetrics_hook"]) == 1
assert prometheus_client.__spec__.loader.get_data(prometheus_client.__file__)
""",
        FDMETRICS_INSTALL="1",
    )


def test_a_process_without_prometheus_client_pays_for_nothing(site: str) -> None:
    run_program(
        site
        + """
import sys
assert "fdmetrics_hook" in sys.modules
assert not {"fdmetrics", "prometheus_client", "ctypes", "traceback"} & set(sys.modules)
try:
    import prometheus_client_of_others
except ImportError:
    pass
""",
        FDMETRICS_INSTALL="1",
        FDMETRICS_AUTO_DIR="/dev/shm/fdmetrics-named-by-an-ancestor",
    )


def test_the_first_process_names_the_store_for_its_descendants(site: str) -> None:
    run_program(
        site
        + """
import os, subprocess, sys
directory = os.environ["FDMETRICS_AUTO_DIR"]
child = "import prometheus_client; prometheus_client.Counter('c', '').inc()"
subprocess.run([sys.executable, "-c", sys.argv[1] + child], check=True)
import prometheus_client
assert prometheus_client.REGISTRY.get_sample_value("c_total") == 1
prometheus_client.Counter("c", "").inc()
assert prometheus_client.REGISTRY.get_sample_value("c_total") == 2
assert os.environ["FDMETRICS_DIR"] == directory
""",
        site,
        FDMETRICS_INSTALL="1",
    )


def test_a_failure_leaves_prometheus_client_as_it_is(site: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", site + "import prometheus_client as pc; print(pc.values.ValueClass.__name__)"],
        env=environment(FDMETRICS_INSTALL="1", FDMETRICS_LIBRARY="/nowhere/libfdmetrics.so"),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert result.stdout == "MutexValue\n"
    assert "metrics of prometheus_client are not shared" in result.stderr
    assert "/nowhere/libfdmetrics.so cannot be loaded" in result.stderr
