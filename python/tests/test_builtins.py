# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Builtins, and plain ctypes in their place: the same results, the same exceptions."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import weakref
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable, List, Tuple

import pytest

from fdmetrics import Counter, Gauge, Histogram, Registry, Summary, _builtins, _library, _link

from .support import PACKAGE_ROOT, Samples


@pytest.fixture(params=["builtins", "ctypes"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which way updates go, in this test."""
    chosen: str = request.param
    if chosen == "ctypes":
        monkeypatch.setenv(_builtins.VARIABLE, "1")
    else:
        monkeypatch.delenv(_builtins.VARIABLE, raising=False)
    return chosen


def bound(registry: Registry) -> List[Tuple[str, Callable[..., Any]]]:
    """The update callables of instruments that are in the store."""
    gauge = Gauge("g", "", registry=registry)
    metrics = (Counter("c", "", registry=registry), Summary("s", "", registry=registry))
    histogram = Histogram("h", "", registry=registry)
    registry.attach()
    return [
        ("inc", metrics[0].inc),
        ("inc", gauge.inc),
        ("dec", gauge.dec),
        ("set", gauge.set),
        ("observe", metrics[1].observe),
        ("observe", histogram.observe),
    ]


def test_the_way_is_the_one_that_was_chosen(way: str, registry: Registry) -> None:
    for name, call in bound(registry):
        assert (type(call).__name__ == "builtin_function_or_method") == (way == "builtins")
        assert call.__name__ == name


def test_arguments(way: str, registry: Registry) -> None:
    for name, call in bound(registry):
        keyword = "value" if name == "set" else "amount"
        for value in (0, 1, 2.5, True, Fraction(1, 2)):
            assert call(value) is None
            assert call(**{keyword: value}) is None
        for arguments, keywords in (
            ((1, 2, 3), {}),
            ((1,), {keyword: 1}),
            ((), {"nonsense": 1}),
            (("1",), {}),
            ((None,), {}),
            ((), {keyword: b"1"}),
        ):
            with pytest.raises(TypeError):
                call(*arguments, **keywords)
        if name in ("set", "observe"):
            with pytest.raises(TypeError):
                call()
        with pytest.raises(OverflowError):
            call(10**400)
    samples = Samples(registry)
    assert (samples.get("c_total"), samples.get("h_count"), samples.get("s_sum")) == (10, 10, 10)


def test_a_counter_takes_no_negative_amount(way: str, registry: Registry) -> None:
    inc = bound(registry)[0][1]
    for amount in (-1, -0.5, float("nan"), float("-inf")):
        with pytest.raises(ValueError, match="non-negative"):
            inc(amount)
    inc(exemplar={"trace": "1"})
    assert Samples(registry).get("c_total") == 1


def test_what_a_number_raises_gets_through(way: str, registry: Registry) -> None:
    class Broken:
        def __float__(self) -> float:
            raise ZeroDivisionError

        def __ge__(self, other: object) -> bool:
            return True

        def __neg__(self) -> Broken:
            return self

    for _, call in bound(registry):
        with pytest.raises(ZeroDivisionError):
            call(Broken())


def test_links_record(way: str, registry: Registry) -> None:
    recorder = _link.LinkRecorder()
    recorder.choose(registry=registry, name="engine")
    calls = recorder.calls()
    assert calls is not None
    assert (type(calls.sent).__name__ == "builtin_function_or_method") == (way == "builtins")
    calls.sent(3)
    calls.send_failed()
    calls.send_blocked(0.5)
    calls.received(4)
    calls.received_stamped(5, 1.0)
    calls.received_stamped(6, float("nan"))
    trailer = calls.trailer()
    assert (len(trailer), trailer[:8]) == (24, b"FDM1\0\0\0\0")
    calls.received_trailer(7, trailer)
    calls.receive_failed()
    numeric: List[Any] = [calls.sent, calls.send_blocked, calls.received, calls.connection_event]
    for call in numeric:
        with pytest.raises((TypeError, ctypes.ArgumentError)):
            call("text")
    samples = Samples(registry)
    found = {
        name: samples.get(f"fastdeploy:zmq:{name}", address="engine")
        for name in ("msg_send_total", "msg_recv_total", "msg_bytes_recv_total", "latency_count", "in_flight")
    }
    assert found == {
        "msg_send_total": 1,
        "msg_recv_total": 4,
        "msg_bytes_recv_total": 22,
        "latency_count": 2,
        "in_flight": -3,
    }


def test_references_stay_in_balance(registry: Registry) -> None:
    library = _library.load()
    if not _builtins.available(library):
        pytest.fail("this process makes no builtins")
    calls = bound(registry)
    number, word = 2.5, "text"
    # What other tests have left would else go meanwhile, with its references.
    gc.collect()
    before = sys.getrefcount(None), sys.getrefcount(number), sys.getrefcount(word)
    for _ in range(1000):
        for name, call in calls:
            call(number)
            call(**{"value" if name == "set" else "amount": number})
            with pytest.raises(TypeError):
                call(word)
    gc.collect()
    after = sys.getrefcount(None), sys.getrefcount(number), sys.getrefcount(word)
    assert all(abs(now - then) < 500 for now, then in zip(after, before)), (before, after)


def test_the_other_tests_pass_the_other_way(tmp_path: Path) -> None:
    """With plain ctypes; or with builtins, where this run is one with plain ctypes."""
    names = ("instruments", "labels", "gauge_modes", "context_managers", "zmq", "zmq_carriers", "zmq_asyncio")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'run'}"]
    other = "0" if os.environ.get(_builtins.VARIABLE) == "1" else "1"
    result = subprocess.run(
        [*command, *(f"tests/test_{name}.py" for name in names)],
        cwd=PACKAGE_ROOT,
        env={**os.environ, _builtins.VARIABLE: other},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_a_gauge_takes_no_exemplar(registry: Registry, way: str) -> None:
    gauge: Any = Gauge("g", "", multiprocess_mode="livesum", registry=registry)
    gauge.set(0)
    for arguments, keywords in (((1, 2), {}), ((), {"exemplar": {}})):
        for call in (gauge.inc, gauge.dec, gauge.set):
            with pytest.raises(TypeError):
                call(*arguments, **keywords)
    gauge.inc(amount=3)
    gauge.dec(amount=1)
    assert Samples(registry).get("g") == 2


class Unhashable(str):
    """A text that no dictionary takes as a key."""

    __hash__ = None  # type: ignore[assignment]


class Own(Counter):
    """A subclass with a look-up of its own."""

    __slots__ = ()

    def labels(self, *labelvalues: object, **labelkwargs: object) -> Any:
        return super().labels(*(f"own {value}" for value in labelvalues), **labelkwargs)


def test_look_ups(way: str, registry: Registry) -> None:
    counter = Counter("c", "", ["a", "b"], registry=registry)
    first = counter.labels("1", "x")
    # The second look-up of the same values is the one that a builtin answers.
    for same in (counter.labels("1", "x"), counter.labels(1, "x"), counter.labels(b="x", a=1)):
        assert same is first
    for wrong in ({"a": "1"}, {"a": "1", "c": "x"}, {"a": "1", "b": "x", "c": "y"}):
        with pytest.raises(ValueError, match="Incorrect label names"):
            counter.labels(**wrong)
    with pytest.raises(ValueError, match="Can't pass both"):
        counter.labels("1", b="x")
    assert counter.labels(**{"".join("a"): "1", "".join("b"): "x"}) is first
    assert counter.labels(Unhashable("1"), "x") is first
    assert (type(counter.labels).__name__ == "builtin_function_or_method") == (way == "builtins")
    for values in ((), ("1",), ("1", "x", "y")):
        with pytest.raises(ValueError, match="Incorrect label count"):
            counter.labels(*values)
    with pytest.raises(ValueError, match="already has labels set"):
        first.labels("1", "x")
    counter.remove("1", "x")
    assert counter.labels("1", "x") is not first
    registry.close()
    assert type(counter.labels).__name__ == "method"


def test_a_look_up_raises_what_the_text_of_a_value_raises(way: str, registry: Registry) -> None:
    class NoText:
        def __str__(self) -> str:
            raise OSError("no text")

    counter = Counter("c", "", ["a"], registry=registry)
    counter.labels("x")
    with pytest.raises(OSError, match="no text"):
        counter.labels(NoText())


def test_a_subclass_keeps_its_look_up(way: str, registry: Registry) -> None:
    counter = Own("c", "", ["a"], registry=registry)
    for _ in range(3):
        counter.labels("x").inc()
    assert Samples(registry).get("c_total", a="own x") == 3


def test_references_of_look_ups_stay_in_balance(registry: Registry) -> None:
    counter = Counter("c", "", ["a", "b"], registry=registry)
    child, word = counter.labels("".join("ab"), "x"), "".join("ab")
    before = sys.getrefcount(child), sys.getrefcount(word), sys.getrefcount(None)
    for _ in range(1000):
        assert counter.labels(word, "x") is child
        with pytest.raises(ValueError, match="Incorrect label count"):
            counter.labels(word)
    gc.collect()
    after = sys.getrefcount(child), sys.getrefcount(word), sys.getrefcount(None)
    assert all(abs(now - then) < 500 for now, then in zip(after, before)), (before, after)


def test_a_metric_with_a_builtin_is_collected(registry: Registry) -> None:
    counter: Any = Counter("c", "", ["a"], registry=registry)
    counter.labels("x").inc()
    gone = weakref.ref(counter)
    registry._declared.clear()
    del counter
    gc.collect()
    assert gone() is None


def test_a_callable_that_was_taken_out_early_binds_once(
    way: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter, gauge = Counter("c", "", registry=registry), Gauge("g", "", multiprocess_mode="sum", registry=registry)
    histogram = Histogram("h", "", registry=registry)
    inc, set_, observe = counter.inc, gauge.set, histogram.observe
    bindings: List[str] = []
    for kind in (Counter, Gauge, Histogram):

        def connect(self: Any, handle: int, original: Any = kind._connect) -> Any:
            bindings.append(self.name)
            return original(self, handle)

        monkeypatch.setattr(kind, "_connect", connect)
    registry.attach()
    for _ in range(3):
        inc()
        set_(7)
        observe(1)
    assert len(bindings) <= 6, "once by attach(), once by the callable"
    samples = Samples(registry)
    assert [samples.get(name) for name in ("c_total", "g", "h_count")] == [3, 7, 3]
    registry.close()
    inc()
    assert registry.lost_updates == 1


def test_development_mode_has_nothing_to_say(tmp_path: Path) -> None:
    """It checks memory and reports what is unsafe: with builtins."""
    names = ("instruments", "labels", "gauge_modes")
    command = [sys.executable, "-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [*command, f"--basetemp={tmp_path / 'run'}", *(f"tests/test_{name}.py" for name in names)],
        cwd=PACKAGE_ROOT,
        env={**os.environ, _builtins.VARIABLE: "0", "PYTHONMALLOC": "debug"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
