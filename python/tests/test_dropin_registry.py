# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the drop-in's registries show, and what they do not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterable, List
from unittest import mock

import prometheus_client
import pytest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

import fdmetrics
from fdmetrics.prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Info, ProcessCollector, Summary
from fdmetrics.prometheus_client.multiprocess import MultiProcessCollector

from .dropin_support import Shown, shown
from .support import Samples, run_program

__all__ = ["shown"]

PROCESS_FAMILIES = [
    "process_cpu_seconds",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
]


def names(registry: Any) -> List[str]:
    return sorted(family.name for family in registry.collect())


def test_a_registry_shows_what_is_registered_with_it(shown: Shown, registry: fdmetrics.Registry) -> None:
    other = CollectorRegistry(store=registry)
    Counter("here", "", registry=shown.registry).inc()
    there = Counter("there", "", registry=other)
    fdmetrics.Counter("native", "", registry=registry).inc()
    assert (names(shown.registry), names(other)) == (["here"], ["there"])
    shown.registry.register(there)
    assert names(shown.registry) == ["here", "there"]
    shown.registry.unregister(there)
    assert (names(shown.registry), names(other)) == (["here"], ["there"])
    with pytest.raises(KeyError):
        shown.registry.unregister(there)


def test_a_name_is_one_series_in_all_registries(shown: Shown, registry: fdmetrics.Registry) -> None:
    other = CollectorRegistry(store=registry)
    Counter("hits", "", registry=shown.registry).inc()
    Counter("hits", "", registry=other).inc(2)
    fdmetrics.Counter("hits", "", registry=registry).inc(4)
    assert shown.value("hits_total") == other.get_sample_value("hits_total") == 7
    # Elsewhere a name may be declared otherwise, as there, but in the store it is one family.
    Gauge("hits", "", registry=CollectorRegistry(store=registry)).set(9)
    assert shown.value("hits_total") == 7
    assert registry.failures == {"ConflictError": 1}
    assert registry.lost_updates == 1


def test_a_failed_declaration_leaves_the_name_free(shown: Shown) -> None:
    Summary("size", "", registry=shown.registry)
    with pytest.raises(ValueError, match="size_count"):
        Gauge("size_count", "", registry=shown.registry)
    with pytest.raises(ValueError):
        Info("size", "", registry=shown.registry)
    assert names(shown.registry) == ["size"]


def test_our_metrics_in_a_registry_of_prometheus_client(shown: Shown) -> None:
    registry = prometheus_client.CollectorRegistry()
    counter = Counter("hits", "", registry=shown.registry)
    counter.inc(2)
    registry.register(counter)
    assert registry.get_sample_value("hits_total") == 2


def test_its_metrics_in_our_registry(shown: Shown) -> None:
    prometheus_client.Gauge("theirs", "Theirs.", registry=shown.registry).set(3)
    Counter("ours", "", registry=shown.registry).inc()
    assert shown.value("theirs") == 3
    assert names(shown.registry) == ["ours", "theirs"]


def test_a_gauge_of_each_process_is_found_without_its_label(shown: Shown) -> None:
    gauge = Gauge("depth", "", ["queue"], registry=shown.registry)
    gauge.labels("a").set(4)
    assert shown.value("depth", queue="a") == 4
    child = os.fork()
    if child == 0:
        gauge.labels("a").set(5)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    # The label comes with a second process.
    assert Samples(shown.text).all_values("depth") == [4, 5] and shown.value("depth", queue="a") is None
    assert shown.registry.get_sample_value("depth", {"queue": "a", "worker": "0"}) == 4
    assert shown.registry.get_sample_value("depth", {"queue": "a"}) == 4
    assert shown.registry.get_sample_value("depth", {"queue": "b"}) is None
    assert shown.registry.get_sample_value("depth") is None
    gauge.remove("a")
    assert shown.registry.get_sample_value("depth", {"queue": "a"}) is None
    summed = Gauge("summed", "", registry=shown.registry, multiprocess_mode="livesum")
    summed.set(2)
    assert shown.registry.get_sample_value("summed") == 2
    assert shown.registry.get_sample_value("summed", {"worker": "0"}) is None


def test_restricted_registries(shown: Shown) -> None:
    class Custom:
        def __init__(self) -> None:
            self.asked = 0

        def describe(self) -> Iterable[Metric]:
            return [GaugeMetricFamily("custom", "")]

        def collect(self) -> Iterable[Metric]:
            self.asked += 1
            return [GaugeMetricFamily("custom", "Custom.", value=1)]

    custom = Custom()
    shown.registry.register(custom)
    Summary("size", "Size.", registry=shown.registry).observe(7)
    Counter("hits", "Hits.", registry=shown.registry).inc()
    (family,) = shown.registry.restricted_registry(["size_sum"]).collect()
    assert [(sample.name, sample.value) for sample in family.samples] == [("size_sum", 7)]
    assert custom.asked == 0
    assert names(shown.registry.restricted_registry(["hits_total", "custom", "none"])) == ["custom", "hits"]
    assert list(shown.registry.restricted_registry(["none"]).collect()) == []
    shown.registry.set_target_info({"env": "test"})
    assert names(shown.registry.restricted_registry(["target_info"])) == ["target"]


def test_a_mock_is_a_collector_like_any_other(shown: Shown) -> None:
    collector = mock.MagicMock()
    collector.describe.return_value = [Metric("mocked", "", "gauge")]
    collector.collect.return_value = [GaugeMetricFamily("mocked", "", value=3)]
    shown.registry.register(collector)
    assert shown.value("mocked") == 3


def test_the_collector_of_a_whole_store(shown: Shown, registry: fdmetrics.Registry) -> None:
    fdmetrics.Counter("native", "", registry=registry).inc()
    Counter("hits", "", registry=None)
    MultiProcessCollector(shown.registry)
    Counter("registered", "", registry=shown.registry).inc()
    assert names(shown.registry) == ["native", *PROCESS_FAMILIES, "registered"]
    assert shown.text.count("# TYPE registered_total") == 1


def test_the_collector_of_another_directory(shown: Shown, registry: fdmetrics.Registry, tmp_path: Path) -> None:
    fdmetrics.Counter("native", "", registry=registry).inc(3)
    registry.attach()
    collector = MultiProcessCollector(None, path=registry.path)
    assert {family.name: family.samples[0].value for family in collector.collect()}["native"] == 3
    with pytest.raises(ValueError, match="not a directory"):
        MultiProcessCollector(None, path=str(tmp_path / "none"))


def test_processes_are_shown_by_their_collector(shown: Shown) -> None:
    collector = ProcessCollector(registry=shown.registry)
    assert names(shown.registry) == PROCESS_FAMILIES
    shown.registry.unregister(collector)
    assert names(shown.registry) == []
    ProcessCollector("mine", registry=shown.registry)
    assert names(shown.registry) == [f"mine_{name}" for name in PROCESS_FAMILIES]
    (cpu,) = shown.registry.restricted_registry(["mine_process_cpu_seconds_total"]).collect()
    assert cpu.samples[0].value > 0


def test_a_process_of_the_callers_choice(shown: Shown) -> None:
    ProcessCollector(pid=lambda: 1, registry=shown.registry)
    model = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(pid=lambda: 1, registry=model)
    start = "process_start_time_seconds"
    assert shown.registry.get_sample_value(start) == model.get_sample_value(start) is not None


def test_garbage_collectors_are_shown_by_theirs(shown: Shown) -> None:
    collector = GCCollector(registry=shown.registry)
    assert names(shown.registry) == [
        "python_gc_collections",
        "python_gc_objects_collected",
        "python_gc_objects_uncollectable",
    ]
    shown.registry.unregister(collector)
    assert names(shown.registry) == []


def test_the_default_registry(directory: Path) -> None:
    """Runs in a process of its own, because it is about that process's default registry."""
    printed = run_program(
        """
        import fdmetrics
        from fdmetrics.prometheus_client import *

        assert not fdmetrics.REGISTRY.attached  # Not by the import, which registers the default collectors.

        def shown():
            return sorted(
                family.name
                for family in REGISTRY.collect()
                if not family.name.startswith(("process_", "python_"))
            )

        # What nobody here has declared through the drop-in is shown: it may be another process's.
        fdmetrics.Counter("native", "").inc()
        registered = Counter("registered", "")
        Counter("elsewhere", "", registry=CollectorRegistry())
        Counter("nowhere", "", registry=None)
        assert shown() == ["native", "registered"], shown()
        REGISTRY.unregister(registered)
        assert shown() == ["native"], shown()
        REGISTRY.register(registered)
        assert shown() == ["native", "registered"], shown()

        def prefixes():
            return sorted({line.split()[2].split("_")[0] + "_" for line in generate_latest().decode().splitlines()
                           if line.startswith("# TYPE p")})

        assert prefixes() == ["process_", "python_"], prefixes()
        assert REGISTRY.get_sample_value("process_resident_memory_bytes") > 1e6
        assert REGISTRY.get_sample_value("python_gc_collections_total", {"generation": "0"}) > 0
        REGISTRY.unregister(PROCESS_COLLECTOR)
        assert prefixes() == ["python_"], prefixes()
        REGISTRY.unregister(GC_COLLECTOR)
        assert "python_gc" not in generate_latest().decode()
        REGISTRY.unregister(PLATFORM_COLLECTOR)
        assert prefixes() == []
        print("all")
        """,
        FDMETRICS_DIR=directory,
    )
    assert printed == "all\n"


def test_beside_install(directory: Path) -> None:
    """The drop-in's metrics, made before and after install(), and those of the installed prometheus_client add up."""
    printed = run_program(
        """
        import fdmetrics
        import fdmetrics.prometheus_client as dropin
        import prometheus_client

        hits = dropin.Counter("hits", "", ["path"])
        hits.labels("/a").inc()
        dropin.Histogram("seconds", "").observe(1)
        dropin.Info("build", "").info({"version": "1"})
        fdmetrics.install()
        hits.labels("/a").inc()
        prometheus_client.Counter("hits", "", ["path"]).labels("/a").inc(4)
        prometheus_client.Counter("theirs", "").inc()
        fdmetrics.Counter("native", "").inc()

        shown = []
        for client in (dropin, prometheus_client):
            text = client.generate_latest().decode()
            assert 'hits_total{path="/a"} 6.0' in text, text
            assert client.REGISTRY.get_sample_value("seconds_count") == 1
            shown.append(sorted(line for line in text.splitlines() if line.startswith("# TYPE")))
            assert len(set(shown[-1])) == len(shown[-1])
        assert shown[0] == shown[1], shown
        print("both")
        """,
        FDMETRICS_DIR=directory,
    )
    assert printed == "both\n"
