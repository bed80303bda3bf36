# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What MetricsManager does with its metrics, in one process."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any, Dict

import prometheus_client
import pytest
import zmq

import fdmetrics.zmq
from fdmetrics import ConflictError, Counter, Registry
from fdmetrics.fastdeploy import MetricsManager, MetricsManagerInterface, ZMQMetricsStats

from .support import Samples, run_program

ZMQ_NAMES = ("msg_send", "msg_send_failed", "msg_bytes_send", "msg_recv", "msg_bytes_recv")


@pytest.fixture
def metrics(registry: Registry) -> MetricsManager:
    return MetricsManager(registry)


# By name --------------------------------------------------------------------------------------------------------------


def test_updates_by_name(registry: Registry, metrics: MetricsManager) -> None:
    assert isinstance(metrics, MetricsManagerInterface)
    metrics.set_value("batch_size", 5)
    metrics.inc_value("batch_size", 2)
    metrics.dec_value("batch_size")
    metrics.inc_value("request_success_total")
    metrics.inc_value("generation_tokens_total", 10)
    metrics.obs_value("e2e_request_latency", 1.5)
    samples = Samples(registry)
    assert samples.get("fastdeploy:batch_size") == 6
    assert samples.get("fastdeploy:request_success_total") == 1
    assert samples.get("fastdeploy:generation_tokens_total") == 10
    assert samples.get("fastdeploy:e2e_request_latency_seconds_sum") == 1.5


def test_updates_by_name_and_labels(registry: Registry, metrics: MetricsManager) -> None:
    labels = {"method": "GET", "path": "/items/{id}", "status_code": 200}
    metrics.inc_value("http_requests_total", labelvalues=labels)
    metrics.inc_value("http_requests_total", 2, labels)
    metrics.inc_value("http_requests_total")
    metrics.obs_value("http_request_duration_seconds", 0.5, labelvalues={"method": "GET", "path": "/"})
    metrics.set_value("batch_size", 3, labelvalues={"model": "of no metric without labels"})
    samples = Samples(registry)
    assert samples.get("http_requests_total", method="GET", path="/items/{id}", status_code="200") == 3
    assert samples.get("http_requests_total", method="", path="", status_code="") == 1
    assert samples.get("http_request_duration_seconds_count", method="GET", path="/") == 1
    assert samples.get("fastdeploy:batch_size") == 3
    with pytest.raises(ValueError, match="Incorrect label names"):
        metrics.inc_value("http_requests_total", labelvalues={"method": "GET"})


def test_unknown_names_and_other_kinds_are_passed_over(registry: Registry, metrics: MetricsManager) -> None:
    metrics.init_speculative_metrics("mtp", 2)
    before = registry.render()
    calls = (metrics.set_value, metrics.inc_value, metrics.dec_value, metrics.obs_value)
    for name in ("", "no_such_metric", "register_all", "GAUGE_METRICS", "registry", "cache_config_info"):
        for call in calls:
            call(name, 1)
    metrics.set_value("request_success_total", 1)
    metrics.dec_value("request_success_total", 1)
    metrics.obs_value("request_success_total", 1)
    metrics.obs_value("batch_size", 1)
    for call in calls[:3]:
        call("e2e_request_latency", 1)
    for call in calls:
        call("spec_decode_draft_single_head_acceptance_rate", 1)
    assert registry.render() == before


def test_metrics_of_a_feature_that_is_not_used_are_passed_over(metrics: MetricsManager) -> None:
    metrics.inc_value("spec_decode_num_accepted_tokens_total", 3)
    metrics.set_value("spec_decode_efficiency", 0.5)


def test_several_objects_are_the_same_series(registry: Registry) -> None:
    for _ in range(2):
        metrics = MetricsManager(registry)
        metrics.init_zmq_metrics()
        metrics.requests_number.inc()
    assert Samples(registry).get("fastdeploy:requests_number_total") == 2


# ZeroMQ ---------------------------------------------------------------------------------------------------------------

STATS = ZMQMetricsStats(
    msg_send_total=2,
    msg_send_failed_total=1,
    msg_bytes_send_total=300,
    msg_recv_total=4,
    msg_bytes_recv_total=500,
    zmq_latency=0.25,
)


def recorded(registry: Registry, address: str) -> Dict[str, Any]:
    samples = Samples(registry)
    counts = {name: samples.get(f"fastdeploy:zmq:{name}_total", address=address) for name in ZMQ_NAMES}
    counts["latency_count"] = samples.get("fastdeploy:zmq:latency_count", address=address)
    counts["latency_sum"] = samples.get("fastdeploy:zmq:latency_sum", address=address)
    return counts


def test_zmq_stats_are_recorded_in_milliseconds(registry: Registry, metrics: MetricsManager) -> None:
    metrics.init_zmq_metrics()
    for _ in range(2):
        metrics.record_zmq_stats(STATS, "ipc:///x")
    assert recorded(registry, "ipc:///x") == {
        **dict(zip(ZMQ_NAMES, (4, 2, 600, 8, 1000))),
        "latency_count": 2,
        "latency_sum": 500,
    }


def test_zmq_stats_are_off_until_initialised_which_may_happen_twice(
    registry: Registry, metrics: MetricsManager
) -> None:
    metrics.record_zmq_stats(STATS)
    assert Samples(registry).named("fastdeploy:zmq:msg_send_total") == {}
    for _ in range(2):
        metrics.init_zmq_metrics()
    metrics.record_zmq_stats(STATS)
    assert recorded(registry, "unknown")["msg_send"] == 2


def test_an_address_of_none_is_unknown(registry: Registry, metrics: MetricsManager) -> None:
    metrics.init_zmq_metrics()
    metrics.record_zmq_stats(STATS, None)
    metrics.record_zmq_stats(STATS, address=None)
    assert recorded(registry, "unknown")["msg_recv"] == 8
    assert len(Samples(registry).named("fastdeploy:zmq:msg_recv_total")) == 1


def test_empty_stats_make_the_series_and_no_latency(registry: Registry, metrics: MetricsManager) -> None:
    metrics.init_zmq_metrics()
    for latency in (0.0, -1.0, math.nan, math.inf):
        metrics.record_zmq_stats(ZMQMetricsStats(zmq_latency=latency), "a")
    assert recorded(registry, "a") == {**dict.fromkeys(ZMQ_NAMES, 0), "latency_count": None, "latency_sum": None}


def test_negative_stats_add_nothing(registry: Registry, metrics: MetricsManager) -> None:
    metrics.init_zmq_metrics()
    with pytest.raises(ValueError, match="msg_bytes_recv_total"):
        metrics.record_zmq_stats(ZMQMetricsStats(msg_send_total=1, msg_bytes_recv_total=-1), "a")
    assert Samples(registry).named("fastdeploy:zmq:msg_send_total") == {}


@pytest.mark.parametrize("first", ["stats", "link"])
def test_stats_and_links_are_the_same_series(first: str, registry: Registry) -> None:
    address = f"inproc://{first}"
    metrics = MetricsManager(registry)
    metrics.init_zmq_metrics()
    if first == "stats":
        metrics.record_zmq_stats(STATS, address)
    with fdmetrics.zmq.Context(registry=registry) as context, context.socket(zmq.PAIR, carrier="envelope") as server:
        server.bind(address)
        with context.socket(zmq.PAIR, carrier="envelope") as client:
            client.connect(address)
            client.send_json("data")
            assert server.recv_json() == "data"
    if first == "link":
        metrics.record_zmq_stats(STATS, address)
    metrics.register_all()
    counts = recorded(registry, address)
    assert (counts["msg_send"], counts["msg_recv"], counts["latency_count"]) == (3, 5, 2)
    assert registry.failures == {}


@pytest.mark.parametrize(("debug", "count"), [("1", 1.0), ("0", None), ("", None)])
def test_fd_debug_turns_it_on(debug: str, count: Any, tmp_path: Path) -> None:
    printed = run_program(
        """
        from fdmetrics.fastdeploy import ZMQMetricsStats, get_filtered_metrics, main_process_metrics
        main_process_metrics.record_zmq_stats(ZMQMetricsStats(msg_send_total=1))
        print(get_filtered_metrics())
        """,
        FD_DEBUG=debug,
        FDMETRICS_DIR=tmp_path / "store",
    )
    assert Samples(printed).get("fastdeploy:zmq:msg_send_total", address="unknown") == count


# Registries -----------------------------------------------------------------------------------------------------------


def test_register_all_registers_with_the_store(registry: Registry, metrics: MetricsManager) -> None:
    metrics.init_speculative_metrics("mtp", 2)
    metrics.register_all()
    metrics.register_all(registry)
    assert registry.statistics().families == 49 + 5 + 2
    with pytest.raises(ValueError, match="another registry"):
        metrics.register_all(Registry("/nowhere"))


def test_register_all_says_what_is_wrong(directory: Path) -> None:
    other = Registry(directory)
    Counter("fastdeploy:batch_size", "", registry=other).inc()
    # A registry of its own, as another process has.
    registry = Registry(directory)
    metrics = MetricsManager(registry)
    with pytest.raises(ConflictError, match="fastdeploy:batch_size"):
        metrics.register_all()
    metrics.requests_number.inc()
    assert Samples(registry).get("fastdeploy:requests_number_total") == 1
    registry.close()
    other.close()


def test_register_all_takes_a_registry_of_prometheus_client(registry: Registry, metrics: MetricsManager) -> None:
    metrics.init_speculative_metrics("mtp", 1)
    metrics.init_zmq_metrics()
    metrics.record_zmq_stats(STATS, "ipc:///x")
    metrics.num_requests_running.set(3)
    Counter("another_family", "", registry=registry).inc()
    collecting = prometheus_client.CollectorRegistry()
    metrics.register_all(collecting)
    metrics.requests_number.inc(7)
    samples = Samples(prometheus_client.generate_latest(collecting))
    assert samples.get("fastdeploy:requests_number_total") == 7
    assert samples.get("fastdeploy:num_requests_running") == 3
    assert samples.get("fastdeploy:batch_size") == 0, "a local gauge that was not set yet"
    assert samples.get("fastdeploy:zmq:msg_send_total", address="ipc:///x") == 2
    assert samples.get("fastdeploy:spec_decode_efficiency") == 0
    assert samples.get("fastdeploy:spec_decode_draft_single_head_acceptance_rate_0") == 0
    assert samples.get("another_family_total") is None
    whole = Samples(registry)
    catalogue = {key: value for key, value in whole.values.items() if key[0] != "another_family_total"}
    assert {key: value for key, value in samples.values.items() if "_created" not in key[0]} == {
        key: value for key, value in catalogue.items() if "in_flight" not in key[0]
    }


def test_registering_groups_alone(registry: Registry, metrics: MetricsManager) -> None:
    collecting = prometheus_client.CollectorRegistry()
    metrics.re_register_gauge(collecting)
    names = {name for name, _ in Samples(prometheus_client.generate_latest(collecting)).values}
    assert names == metrics.get_excluded_metrics()
    metrics.init_speculative_metrics("ngram", 2)
    collecting = prometheus_client.CollectorRegistry()
    metrics.register_speculative_metrics(collecting)
    names = {name for name, _ in Samples(prometheus_client.generate_latest(collecting)).values}
    assert names == {declaration.name for declaration in metrics.SPECULATIVE_METRICS.values()}


def test_register_all_is_about_its_own_metrics(tmp_path: Path) -> None:
    """The speculative metrics of one object do not decide what another one registers."""
    registry, other = Registry(tmp_path / "one"), Registry(tmp_path / "other")
    plain, speculative = MetricsManager(registry), MetricsManager(other)
    speculative.init_speculative_metrics("mtp", 1)
    plain.register_all()
    speculative.register_all()
    assert (registry.statistics().families, other.statistics().families) == (49, 49 + 5 + 1)
    registry.close()
    other.close()


# What /metrics answers ------------------------------------------------------------------------------------------------


def test_families_of_others_and_of_like_names_are_shown(tmp_path: Path) -> None:
    printed = run_program(
        """
        import fdmetrics
        from fdmetrics.fastdeploy import get_filtered_metrics, main_process_metrics
        # Each is the beginning of the name of a gauge of the engine.
        for prefix in ("fastdeploy", "fastdeploy:num", "fastdeploy:hit_", "fastdeploy:batch"):
            fdmetrics.Gauge(prefix, "", multiprocess_mode="sum").set(4)
        fdmetrics.Counter("users_own", "", ["a"]).labels("x").inc()
        main_process_metrics.batch_size.set(2)
        text = get_filtered_metrics()
        assert isinstance(text, str)
        print(text)
        """,
        FDMETRICS_DIR=tmp_path / "store",
    )
    samples = Samples(printed)
    for prefix in ("fastdeploy", "fastdeploy:num", "fastdeploy:hit_", "fastdeploy:batch"):
        assert samples.get(prefix) == 4
    assert samples.get("users_own_total", a="x") == 1
    assert samples.get("fastdeploy:batch_size") == 2


def test_needs_neither_prometheus_client_nor_pyzmq(tmp_path: Path) -> None:
    printed = run_program(
        """
        import sys
        sys.modules["prometheus_client"] = sys.modules["zmq"] = None
        import fdmetrics.fastdeploy
        assert "fdmetrics.fastdeploy.metrics" not in sys.modules
        from fdmetrics.fastdeploy import PrometheusMiddleware, get_filtered_metrics, main_process_metrics
        from fdmetrics.fastdeploy import setup_multiprocess_prometheus
        main_process_metrics.requests_number.inc()
        main_process_metrics.register_all()
        print(get_filtered_metrics())
        """,
        FDMETRICS_DIR=tmp_path / "store",
    )
    assert Samples(printed).get("fastdeploy:requests_number_total") == 1


def test_every_name_of_the_package_can_be_imported() -> None:
    import fdmetrics.fastdeploy

    assert sorted(fdmetrics.fastdeploy._MODULE_OF) == sorted(fdmetrics.fastdeploy.__all__)
    for name in fdmetrics.fastdeploy.__all__:
        assert getattr(fdmetrics.fastdeploy, name) is not None
        assert name in dir(fdmetrics.fastdeploy)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = fdmetrics.fastdeploy.no_such_name


def test_importing_touches_nothing() -> None:
    printed = run_program(
        """
        import os
        import fdmetrics
        before = dict(os.environ)
        from fdmetrics.fastdeploy import main_process_metrics
        print(dict(os.environ) == before, fdmetrics.REGISTRY.attached, os.path.exists(os.environ["FDMETRICS_AUTO_DIR"]))
        """
    )
    assert printed == "True False False\n"


def test_nothing_is_raised_where_there_is_no_store(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    registry = Registry(tmp_path / "file")
    metrics = MetricsManager(registry)
    metrics.init_zmq_metrics()
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        metrics.set_value("batch_size", 1)
        metrics.inc_value("requests_number")
        metrics.obs_value("e2e_request_latency", 1)
        metrics.inc_value("http_requests_total", labelvalues={"method": "GET", "path": "/", "status_code": 200})
        metrics.record_zmq_stats(STATS)
    assert len(caplog.records) == 1
    assert registry.failures != {}
