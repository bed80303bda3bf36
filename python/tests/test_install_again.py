# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client that is imported anew, after it was taken out of sys.modules."""

from __future__ import annotations

import pytest

from .support import run_program

PURGE = """
import sys

def purge():
    for name in [name for name in sys.modules if name.partition(".")[0] == "prometheus_client"]:
        del sys.modules[name]

def shown(client):
    lines = client.generate_latest().decode().splitlines()
    return {line for line in lines if line.startswith(("hits", "kept"))}
"""


@pytest.mark.parametrize("hook", [False, True], ids=["install", "hook"])
def test_it_is_installed_into(hook: bool) -> None:
    start = "import fdmetrics_hook, fdmetrics" if hook else "import fdmetrics; fdmetrics.install()"
    run_program(
        f"{start}\n{PURGE}"
        + """
import prometheus_client as first
first.Counter("hits", "").inc(3)
kept = first.Counter("kept", "")
kept.inc()
for again in range(3):
    purge()
    import prometheus_client as second
    assert second is not first
    # As in a program of its own, names are free, and the default registry shows what is registered with it.
    hits = second.Counter("hits", "")
    hits.inc(4)
    assert shown(second) == {f"hits_total {4 * again + 7}.0"}, shown(second)
kept.inc()
assert shown(first) == {"hits_total 15.0", "kept_total 2.0"}, shown(first)
assert b"kept_total 2.0" in fdmetrics.generate_latest()
fdmetrics.install()
hits.inc()
assert shown(second) == {"hits_total 16.0"}
""",
        **({"FDMETRICS_INSTALL": "1"} if hook else {}),
    )


def test_uninstall_takes_all_back() -> None:
    run_program(
        PURGE
        + """
import fdmetrics
import prometheus_client as first
original = first.values.ValueClass, first.generate_latest, first.CollectorRegistry.collect
fdmetrics.install()
purge()
import prometheus_client as second
assert second.values.ValueClass is not second.values.MutexValue
fdmetrics.uninstall()
assert (first.values.ValueClass, first.generate_latest, first.CollectorRegistry.collect) == original
assert second.values.ValueClass is second.values.MutexValue
purge()
import prometheus_client as third
assert third.values.ValueClass is third.values.MutexValue
assert not [finder for finder in sys.meta_path if type(finder).__module__ == "fdmetrics_hook"]
fdmetrics.install()
third.Counter("hits", "").inc()
assert b"hits_total 1.0" in fdmetrics.generate_latest()
"""
    )


def test_a_part_of_it_that_is_imported_anew_stays_as_it_is() -> None:
    run_program(
        """
        import sys
        import fdmetrics
        fdmetrics.install()
        import prometheus_client as first
        del sys.modules["prometheus_client"]
        import prometheus_client as second
        assert second is not first and second.REGISTRY is first.REGISTRY
        second.Histogram("seconds", "").observe(1)
        assert second.REGISTRY.get_sample_value("seconds_count") == 1
        assert b"seconds_count 1.0" in fdmetrics.generate_latest()
        """
    )
