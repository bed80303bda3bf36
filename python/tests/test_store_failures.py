# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What happens where the store cannot be had: nothing is raised into the program, and everything is told once."""

from __future__ import annotations

import ctypes
import logging
import threading
from pathlib import Path
from typing import Iterator, List, Set

import pytest

import fdmetrics
from fdmetrics import Counter, Enum, Gauge, Histogram, Info, NoSpaceError, Registry, Summary, _library, errors
from fdmetrics import registry as registries

from .failure_support import Clock, FullStore
from .support import Samples, run_program


@pytest.fixture(autouse=True)
def errors_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Takes up what is logged."""
    with caplog.at_level(logging.ERROR, logger="fdmetrics"):
        yield


def record_everything(registry: Registry) -> None:
    Counter("c", "", registry=registry).inc()
    Counter("l", "", ["a"], registry=registry).labels("x").inc()
    gauge = Gauge("g", "", registry=registry)
    gauge.inc()
    gauge.dec()
    gauge.set(1)
    Summary("s", "", registry=registry).observe(1)
    with Histogram("h", "", registry=registry).time():
        pass
    Info("i", "", registry=registry).info({"a": "b"})
    Enum("e", "", registry=registry, states=["on"]).state("on")
    Counter("l", "", ["a"], registry=registry).remove("x")
    Counter("l", "", ["a"], registry=registry).remove_by_labels({"a": "x"})
    Counter("l", "", ["a"], registry=registry).clear()


RECORDED = 9


def test_an_unusable_directory_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    registry = Registry(tmp_path / "file" / "store")
    record_everything(registry)
    record_everything(registry)
    assert len(caplog.records) == 1
    assert str(tmp_path) in caplog.text
    assert registry.lost_updates == 2 * RECORDED
    assert sum(registry.failures.values()) >= 1
    with pytest.raises(fdmetrics.FDMetricsError, match="file"):
        registry.attach()
    with pytest.raises(fdmetrics.FDMetricsError):
        registry.render()
    with pytest.raises(fdmetrics.FDMetricsError):
        Counter("c", "", registry=registry).register()


def test_wrong_arguments_are_still_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    registry = Registry(tmp_path / "file" / "store")
    with pytest.raises(ValueError):
        Counter("c", "", registry=registry).inc(-1)
    with pytest.raises(TypeError):
        Gauge("g", "", registry=registry).set("1")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Counter("l", "", ["a"], registry=registry).labels("x", "y")


def test_recording_begins_when_the_directory_is_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "RETRY_SECONDS", 0)
    blocker = tmp_path / "parent"
    blocker.write_text("")
    registry = Registry(blocker / "store")
    counter = Counter("c", "", registry=registry)
    series = Counter("l", "", ["a"], registry=registry).labels("x")
    counter.inc()
    series.inc()
    blocker.unlink()
    blocker.mkdir(mode=0o700)
    counter.inc()
    series.inc()
    samples = Samples(registry)
    assert (samples.get("c_total"), samples.get("l_total", a="x")) == (1, 1)
    registry.close()


def test_a_failure_is_not_tried_again_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    registry = Registry(tmp_path / "file" / "store")
    counter = Counter("c", "", registry=registry)
    for _ in range(100):
        counter.inc()
    assert registry.lost_updates == 100
    assert sum(registry.failures.values()) < 100


def test_a_full_store_refuses_new_series_only(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(monkeypatch)
    counter = Counter("c", "", ["a"], registry=registry)
    old = counter.labels("old")
    full = FullStore(monkeypatch, registry._attach().library)
    new = counter.labels("new")
    for _ in range(3):
        old.inc()
        new.inc()
        assert counter.labels("new") is new
    assert len(caplog.records) == 1
    assert registry.lost_updates == 3
    assert registry.failures["NoSpaceError"] == full.calls == 1
    with pytest.raises(NoSpaceError):
        counter.labels("new").register()
    full.full = False
    clock.now += registries.RETRY_SECONDS
    new.inc()
    counter.labels("new").inc()
    assert counter.labels("new") is counter.labels("new")
    samples = Samples(registry)
    assert (samples.get("c_total", a="old"), samples.get("c_total", a="new")) == (3, 2)


def test_a_missing_library_is_told_once_and_recording_goes_on(tmp_path: Path) -> None:
    printed = run_program(
        """
        import logging, sys
        logging.basicConfig(stream=sys.stdout)
        import fdmetrics
        counter = fdmetrics.Counter("c", "")
        for _ in range(3):
            counter.inc()
        try:
            fdmetrics.generate_latest()
        except fdmetrics.LibraryError as error:
            print(error)
        """,
        FDMETRICS_LIBRARY=tmp_path / "absent.so",
        FDMETRICS_DIR=tmp_path / "store",
    )
    logged, raised = printed.splitlines()
    assert logged.startswith("ERROR:fdmetrics:")
    assert "absent.so" in raised and "FDMETRICS_LIBRARY" in raised


def test_a_library_of_another_kind_is_refused(tmp_path: Path) -> None:
    from fdmetrics._library import Library

    with pytest.raises(fdmetrics.LibraryError, match="has no function fdm_"):
        Library(ctypes.CDLL(None)._name or "libc.so.6")


def test_another_abi_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from fdmetrics import _library

    monkeypatch.setattr(_library, "FDM_ABI_MAJOR", 2)
    with pytest.raises(fdmetrics.LibraryError, match=r"has ABI 1\.\d+, this package needs 2\.\d+"):
        _library.Library(_library.find())


def test_a_closed_registry_records_nothing(directory: Path) -> None:
    registry = Registry(directory)
    counter = Counter("c", "", registry=registry)
    labelled = Counter("l", "", ["a"], registry=registry)
    series = labelled.labels("x")
    counter.inc()
    series.inc()
    registry.close()
    registry.close()
    counter.inc()
    series.inc()
    labelled.labels("x").inc()
    with pytest.raises(fdmetrics.StoreClosedError):
        registry.render()
    samples = Samples(fdmetrics.render_directory(directory))
    assert (samples.get("c_total"), samples.get("l_total", a="x")) == (1, 1)


def test_two_registries_of_one_directory_close_apart(directory: Path) -> None:
    first, second = Registry(directory), Registry(directory)
    Counter("c", "", registry=first).inc()
    counter = Counter("c", "", registry=second)
    counter.inc()
    first.close()
    counter.inc()
    assert Samples(second).get("c_total") == 3
    second.close()


def test_two_stores_of_one_directory_close_apart(directory: Path) -> None:
    first, second = fdmetrics.Store(directory), fdmetrics.Store(directory)
    first.close()
    first.close()
    with pytest.raises(fdmetrics.StoreClosedError):
        first.render()
    assert second.render(self_metrics=True)
    second.close()
    third = fdmetrics.Store(directory)
    assert third.render(self_metrics=True)
    third.close()


def test_threads_that_attach_at_once_keep_one_store(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = _library.load()
    attach, barrier, opened, closed = library.fdm_store_open, threading.Barrier(4), [], []

    def open_at_once(*arguments: object) -> int:
        barrier.wait()
        opened.append(attach(*arguments))
        return int(opened[-1])

    registry = Registry(directory)
    stores: Set[fdmetrics.Store] = set()
    with monkeypatch.context() as patch:
        patch.setattr(library, "fdm_store_open", open_at_once)
        patch.setattr(library, "fdm_store_close", lambda pointer: closed.append(pointer) or 0)
        threads = [threading.Thread(target=lambda: stores.add(registry.attach())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(stores), len(opened), len(closed)) == (1, 4, 3)
        Counter("c", "", registry=registry).inc()
        assert Samples(registry).get("c_total") == 1
        registry.close()
        assert len(closed) == 4


def test_a_relative_directory_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    registry = Registry("of registry")
    store = fdmetrics.Store("of store")
    monkeypatch.chdir(tmp_path / "elsewhere")
    Counter("c", "", registry=registry).inc()
    assert (registry.path, store.path) == (str(tmp_path / "of registry"), str(tmp_path / "of store"))
    assert fdmetrics.render_directory(tmp_path / "of registry") == registry.render()
    assert list(Path.cwd().iterdir()) == []
    registry.close()
    store.close()


def test_every_status_raises_its_class() -> None:
    class Failing:
        def fdm_last_error(self) -> bytes:
            return b"what, why, and what to do"

    statuses: List[int] = sorted(errors.BY_STATUS)
    assert statuses == list(range(-31013, -31000))
    for status in statuses:
        with pytest.raises(errors.BY_STATUS[status], match="what, why, and what to do") as caught:
            errors.check_status(Failing(), status)  # type: ignore[arg-type]
        assert caught.value.status == status


def test_a_directory_s_path_may_hold_any_text(tmp_path: Path) -> None:
    directory = tmp_path / "stäre 😀"
    registry = Registry(directory)
    Counter("c", "", registry=registry).inc()
    assert registry.path == str(directory)
    registry.close()
