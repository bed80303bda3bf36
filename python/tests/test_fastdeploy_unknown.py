# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Attributes of MetricsManager that the catalogue does not know, and metrics that are declared beside it."""

from __future__ import annotations

import copy
import logging
import pickle
import threading
from typing import Any

import pytest

from fdmetrics import (
    ConflictError,
    Counter,
    Gauge,
    Histogram,
    InvalidArgumentError,
    InvalidNameError,
    Registry,
    Summary,
)
from fdmetrics.fastdeploy import MetricsManager
from fdmetrics.fastdeploy.inert import Inert
from fdmetrics.instruments import GAUGE_MODES

from .support import Samples


@pytest.fixture
def metrics(registry: Registry) -> MetricsManager:
    return MetricsManager(registry)


def test_what_the_catalogue_does_not_know_takes_every_update_and_keeps_none(
    registry: Registry, metrics: MetricsManager
) -> None:
    before = registry.render()
    unknown = metrics.num_requests_of_a_later_version
    unknown.inc()
    unknown.inc(2, exemplar={"trace": "1"})
    unknown.dec(amount=1)
    unknown.set(3)
    unknown.set_to_current_time()
    unknown.observe(0.5)
    unknown.labels("a").labels(b="c").inc()
    unknown.labels(b="c").observe(1)
    unknown.remove("a")
    unknown.clear()
    unknown.set_function(lambda: 1.0)
    with unknown.time(), unknown.track_inprogress(), unknown.count_exceptions(ValueError):
        pass

    assert unknown.time()(len)("seven") == 5
    with pytest.raises(KeyError), unknown.count_exceptions():
        raise KeyError("goes on")
    assert registry.render() == before
    assert "num_requests_of_a_later_version" in repr(unknown)


def test_it_stands_for_lists_mappings_and_methods(registry: Registry, metrics: MetricsManager) -> None:
    before = registry.render()
    unknown = metrics.of_a_later_version
    unknown[0].set(1)
    unknown["name"].labels("a").inc()
    unknown("x", key=1).observe(1)
    unknown("x")[1]("y").inc()
    unknown["new"] = unknown
    del unknown["new"]
    for _ in unknown:
        raise AssertionError("nothing is in it")
    assert list(unknown) == [] and len(unknown) == 0 and "x" not in unknown
    assert unknown
    assert registry.render() == before
    for twin in (copy.copy(unknown), copy.deepcopy(unknown), pickle.loads(pickle.dumps(unknown))):
        assert isinstance(twin, Inert) and twin.name == "of_a_later_version"


def test_each_of_its_public_attributes_is_inert_and_it_is_no_number(
    registry: Registry, metrics: MetricsManager
) -> None:
    before = registry.render()
    unknown = metrics.of_a_later_version
    unknown.append(1)
    unknown.extend([1], key=2)
    unknown.window.mean.observe(0.5)
    assert list(unknown.items()) == list(unknown.collect()) == list(unknown.describe()) == []
    assert unknown.get("name").pop("name") is unknown
    for timer in (unknown.time, unknown.track_inprogress, unknown.count_exceptions):
        with timer() as entered:
            entered.labels("GET").labels(method="GET").inc()
            entered.set_name("x")
        assert isinstance(entered, Inert) and isinstance(copy.deepcopy(entered), type(entered))

        @timer()
        def decorated() -> int:
            return 5

        assert decorated() == 5
    assert registry.render() == before
    for name in ("_samples", "__float__", "__array__", "_repr_html_"):
        assert not hasattr(unknown, name)
    no_number: Any = unknown
    for operation in (lambda: float(no_number), lambda: no_number + 1, lambda: no_number < 1):
        with pytest.raises(TypeError):
            operation()


def test_each_unknown_name_has_one_log_line(metrics: MetricsManager, caplog: pytest.LogCaptureFixture) -> None:
    start = threading.Barrier(8)

    def record() -> None:
        start.wait()
        for _ in range(50):
            metrics.one_name.inc()
            metrics.another_name.set(1)

    with caplog.at_level(logging.WARNING, "fdmetrics"):
        threads = [threading.Thread(target=record) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted("another_name" in record.getMessage() for record in caplog.records) == [False, True]
    assert all("declare" in record.getMessage() for record in caplog.records)
    assert metrics.one_name is metrics.one_name


def test_updates_by_an_unknown_name_are_passed_over_in_silence(
    metrics: MetricsManager, caplog: pytest.LogCaptureFixture
) -> None:
    for call in (metrics.set_value, metrics.inc_value, metrics.dec_value, metrics.obs_value):
        call("no_such_metric", 1)
    assert caplog.records == []


@pytest.mark.parametrize("name", ["_private", "__dunder__", "__deepcopy__", "_repr_html_", "__array_interface__"])
def test_names_with_an_underscore_are_no_metrics(metrics: MetricsManager, name: str) -> None:
    assert not hasattr(metrics, name)
    with pytest.raises(AttributeError, match=name):
        getattr(metrics, name)


def test_metrics_of_speculative_decoding_are_missing_until_they_are_initialised(metrics: MetricsManager) -> None:
    with pytest.raises(AttributeError, match="init_speculative_metrics"):
        _ = metrics.spec_decode_efficiency
    metrics.init_speculative_metrics("mtp", 1)
    metrics.spec_decode_efficiency.set(1)


def test_copies_do_not_recurse(registry: Registry, metrics: MetricsManager) -> None:
    metrics.unknown_name.inc()
    twin = copy.copy(metrics)
    twin.requests_number.inc()
    assert twin.unknown_name is metrics.unknown_name
    assert Samples(registry).get("fastdeploy:requests_number_total") == 1
    # An object that was never initialised, as copying and unpickling make one, has no attribute that they ask for.
    bare: Any = MetricsManager.__new__(MetricsManager)
    assert not hasattr(bare, "__setstate__") and not hasattr(bare, "_gauge_modes")
    assert isinstance(bare.unknown_name, Inert)
    assert pickle.loads(pickle.dumps(metrics.unknown_name)).name == "unknown_name"
    for dump in (copy.deepcopy, pickle.dumps):
        # Neither is possible: a store is a mapping of this process. They say so.
        with pytest.raises(TypeError):
            dump(metrics)


def test_declared_metrics_are_attributes_like_the_others(registry: Registry, metrics: MetricsManager) -> None:
    metrics.kv_bytes.inc()
    counter = metrics.declare("kv_bytes", Counter, "fastdeploy:kv_bytes", "KV cache sent (in bytes)", ["to"])
    gauge = metrics.declare("kv_links", Gauge, "fastdeploy:kv_links", "Open links", multiprocess_mode="livesum")
    seconds = metrics.declare("kv_time", Histogram, "fastdeploy:kv_seconds", "Time of one (in seconds)", buckets=[1, 2])
    assert (metrics.kv_bytes, metrics.kv_links, metrics.kv_time) == (counter, gauge, seconds)
    metrics.inc_value("kv_bytes", 3, {"to": "decode"})
    metrics.set_value("kv_links", 2)
    metrics.obs_value("kv_time", 1.5)
    samples = Samples(registry)
    assert samples.get("fastdeploy:kv_bytes_total", to="decode") == 3
    assert samples.get("fastdeploy:kv_links") == 2
    assert samples.get("fastdeploy:kv_seconds_bucket", le="2.0") == 1
    assert gauge._family.descriptor.gauge_mode == GAUGE_MODES["livesum"]


def test_a_declared_gauge_is_the_process_s_own_unless_told_otherwise(
    registry: Registry, metrics: MetricsManager
) -> None:
    gauge = metrics.declare("kv_links", Gauge, "fastdeploy:kv_links", "Links that are open")
    assert gauge._family.descriptor.gauge_mode == GAUGE_MODES["local"]
    metrics.show_local_gauges()
    assert Samples(registry).get("fastdeploy:kv_links") == 0


def test_the_same_may_be_declared_again(registry: Registry, metrics: MetricsManager) -> None:
    for name in ("fastdeploy:kv_bytes", "fastdeploy:kv_bytes_total"):
        metrics.declare("kv_bytes", Counter, name, "KV cache sent (in bytes)").inc()
    # What a later catalogue has may have been declared by a program before.
    metrics.declare("requests_number", Counter, "fastdeploy:requests_number", "Total number of requests received").inc()
    samples = Samples(registry)
    assert samples.get("fastdeploy:kv_bytes_total") == 2
    assert samples.get("fastdeploy:requests_number_total") == 1


def test_what_cannot_be_declared_says_why(metrics: MetricsManager) -> None:
    wrong: Any = Summary
    with pytest.raises(InvalidArgumentError, match=r"type of 'a' .*Counter, Gauge or Histogram"):
        metrics.declare("a", wrong, "fastdeploy:a", "A metric")
    with pytest.raises(InvalidArgumentError, match="write a list"):
        metrics.declare("a", Counter, "fastdeploy:a", "A metric", "label")
    for attribute in ("_a", "a b", "1a", ""):
        with pytest.raises(InvalidArgumentError, match="no name"):
            metrics.declare(attribute, Counter, "fastdeploy:a", "A metric")
    taken = ("declare", "METRICS", "registry", "cache_config_info", "spec_decode_efficiency", "batch_size")
    for attribute in (*taken, "requests_number"):
        with pytest.raises(InvalidArgumentError, match=f"{attribute!r} is something else already"):
            metrics.declare(attribute, Counter, "fastdeploy:a", "A metric")
    with pytest.raises(InvalidArgumentError, match="mode"):
        metrics.declare("a", Gauge, "fastdeploy:a", "A metric", multiprocess_mode="total")
    with pytest.raises(InvalidNameError):
        metrics.declare("a", Counter, "", "A metric")
    with pytest.raises(ConflictError):
        metrics.declare("a", Gauge, "fastdeploy:requests_number", "A metric")
    assert isinstance(metrics.a, Inert)
