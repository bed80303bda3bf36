# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The rendered text, read back with prometheus_client's parser."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import fdmetrics
from fdmetrics import Counter, Enum, Gauge, Histogram, Info, Registry, Summary

from .support import Samples, run_program


def test_every_kind_is_rendered_with_its_type_and_help(registry: Registry) -> None:
    Counter("c", "A counter.", registry=registry)
    Gauge("g", "A gauge.", registry=registry, multiprocess_mode="max").set(1)
    Histogram("h", "A histogram.", registry=registry)
    Summary("s", "A summary.", registry=registry)
    Info("i", "An info.", registry=registry).info({"a": "b"})
    Enum("e", "An enum.", registry=registry, states=["on"])
    families = {
        family.name: (family.type, family.documentation)
        for family in text_string_to_metric_families(registry.render().decode())
    }
    assert families == {
        "c": ("counter", "A counter."),
        "g": ("gauge", "A gauge."),
        "h": ("histogram", "A histogram."),
        "s": ("summary", "A summary."),
        "i_info": ("gauge", "An info."),
        "e": ("gauge", "An enum."),
    }


def test_what_is_declared_is_rendered_before_its_first_update(registry: Registry) -> None:
    Counter("early", "", registry=registry)
    assert Samples(registry).get("early_total") == 0
    Counter("late", "", registry=registry)
    Histogram("wait", "", registry=registry)
    samples = Samples(registry)
    assert (samples.get("late_total"), samples.get("wait_count")) == (0, 0)


def test_help_texts_and_special_numbers_survive(registry: Registry) -> None:
    text = "back\\slash, new\nline, ä€"
    gauge = Gauge("g", text, ["a"], registry=registry, multiprocess_mode="sum")
    for name, value in {"inf": math.inf, "minus": -math.inf, "nan": math.nan, "tiny": 5e-324, "pi": math.pi}.items():
        gauge.labels(name).set(value)
    (family,) = text_string_to_metric_families(registry.render().decode())
    assert family.documentation == text
    values = {sample.labels["a"]: sample.value for sample in family.samples}
    assert math.isnan(values.pop("nan"))
    assert values == {"inf": math.inf, "minus": -math.inf, "tiny": 5e-324, "pi": math.pi}


def test_gauges_carry_a_slot_or_a_process_id(registry: Registry) -> None:
    import os

    gauge = Gauge("g", "", registry=registry)
    gauge.set(2)
    # Of one process alone: as with a library of one process.
    assert Samples(registry.render()).named("g") == {frozenset(): 2}
    assert Samples(fdmetrics.generate_latest(registry, pid_label=True)).get("g", pid=str(os.getpid())) == 2
    child = os.fork()
    if child == 0:
        gauge.set(3)
        os._exit(0)
    os.waitpid(child, 0)
    both = {frozenset({("worker", "0")}): 2, frozenset({("worker", "1")}): 3}
    assert Samples(registry.render()).named("g") == both
    samples = Samples(fdmetrics.generate_latest(registry, pid_label=True))
    assert (samples.get("g", pid=str(os.getpid())), samples.get("g", pid=str(child))) == (2, 3)


def test_a_directory_is_rendered_without_a_registry(registry: Registry, directory: Path) -> None:
    Counter("c", "", registry=registry).inc(3)
    assert Samples(fdmetrics.render_directory(directory)).get("c_total") == 3
    with pytest.raises(fdmetrics.StoreNotFoundError):
        fdmetrics.render_directory(directory.parent)


def test_statistics_count_what_is_in_the_store(registry: Registry) -> None:
    counter = Counter("c", "", ["a"], registry=registry)
    for value in "xyz":
        counter.labels(value).inc()
    counter.remove("x")
    numbers = registry.statistics()
    assert (numbers.families, numbers.series, numbers.removed_series) == (1, 2, 1)
    assert (numbers.conflicts, numbers.live_processes) == (0, 1)


def test_the_example_of_the_package_works(tmp_path: Path) -> None:
    printed = run_program(
        """
        import textwrap, fdmetrics
        text = fdmetrics.__doc__
        exec(textwrap.dedent(text[text.index("    import os"):text.index("The store is in")]))
        """,
        FDMETRICS_DIR=tmp_path / "store",
    )
    samples = Samples(printed)
    assert samples.get("demo_requests_total", method="GET") == 1
    assert samples.get("demo_requests_total", method="POST") == 1
    assert samples.get("demo_request_seconds_count") == 2
    assert samples.get("demo_in_progress") == 0


def test_rendering_lets_other_threads_run(registry: Registry) -> None:
    prototypes = __import__("fdmetrics._prototypes", fromlist=["PROTOTYPES"]).PROTOTYPES
    assert not prototypes["fdm_render"].keeps_lock
    assert prototypes["fdm_counter_inc"].keeps_lock
