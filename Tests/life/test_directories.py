# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Any directory that a user names works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from programs import NOBODY, as_user, run

COUNT = """
    import fdmetrics
    fdmetrics.Counter("jobs", "Jobs").inc(10)
    print(fdmetrics.generate_latest().decode().splitlines()[-1], fdmetrics.REGISTRY.path)
    """


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o2777, 0o770, 0o775, 0o702])
@pytest.mark.parametrize("variable", ["FDMETRICS_DIR", "PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"])
def test_a_directory_that_others_may_write_to(folder: Path, mode: int, variable: str) -> None:
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(mode)
    store = shared / "fdmetrics-0"
    for total in (10, 20):
        assert run(COUNT, **{variable: str(shared)}).output == f"jobs_total {total}.0 {store}"
    assert store.stat().st_mode & 0o777 == 0o700
    assert (store / "fdmetrics-0.seg").stat().st_mode & 0o777 == 0o600


def test_each_user_has_a_store(folder: Path, fdmctl: Callable[..., str]) -> None:
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    other = as_user(NOBODY)
    for total in (10, 20):
        assert run(COUNT, prefix=other, FDMETRICS_DIR=str(shared)).output.endswith(
            f"{total}.0 {shared}/fdmetrics-{NOBODY}"
        )
    # The only one, so it is the one that is meant.
    assert "jobs_total 20.0" in fdmctl("dump", "--prometheus", shared)
    assert run(COUNT, FDMETRICS_DIR=str(shared)).output == f"jobs_total 10.0 {shared}/fdmetrics-0"
    assert "jobs_total 10.0" in fdmctl("dump", "--prometheus", shared)
