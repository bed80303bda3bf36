# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The names, types, labels, buckets and modes of the catalogue, as they are exposed."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fdmetrics import Counter, Gauge, Histogram, Registry
from fdmetrics.fastdeploy import REQUEST_LATENCY_BUCKETS, MetricsManager, build_1_2_5_buckets
from fdmetrics.instruments import GAUGE_MODES

from .fastdeploy_catalogue import ALWAYS, HEADS, SPECULATIVE, SPECULATIVE_MTP, Expected, by_name, head

TYPES = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
CACHE_LABELS = {"block_size": 64, "cache_dtype": "bfloat16", "enable_prefix_caching": True}


class CacheConfig:
    """Stands for the engine's."""

    def __init__(self, info: Any) -> None:
        self.info = info

    def metrics_info(self) -> Any:
        return self.info


def record_each(metric: Any, labels: Tuple[str, ...]) -> None:
    """One update, so that each series is there."""
    series = metric.labels(**dict.fromkeys(labels, "x")) if labels else metric
    (series.observe if isinstance(metric, Histogram) else series.inc)(1)


def exposed(text: str) -> Dict[str, Any]:
    """The families by the names in their TYPE lines."""
    families: Dict[str, Any] = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        assert name not in families, f"{name} is exposed twice"
        families[name] = family
    return families


def assert_as_expected(families: Dict[str, Any], expected: Dict[str, Expected]) -> None:
    assert sorted(families) == sorted(expected)
    for name, row in expected.items():
        family = families[name]
        assert family.type == row.type, name
        assert len(family.documentation.split()) > 2, name
        assert not row.unit or f"(in {row.unit.replace('_', ' ')})" in family.documentation, name
        samples: List[Any] = family.samples
        plain = dict.fromkeys(row.labels, "x")
        if row.type != "histogram":
            assert [(sample.name, sample.labels) for sample in samples] == [(name, plain)]
            continue
        buckets = [sample for sample in samples if sample.name == f"{name}_bucket"]
        assert tuple(bucket.labels["le"] for bucket in buckets) == (*row.buckets, "+Inf"), name
        assert all({**bucket.labels, "le": ""} == {**plain, "le": ""} for bucket in buckets), name
        rest = {(sample.name, tuple(sample.labels.items())) for sample in samples if sample not in buckets}
        assert rest == {(f"{name}_{end}", tuple(plain.items())) for end in ("sum", "count")}


def test_every_metric_is_exposed_as_the_catalogue_has_it(registry: Registry) -> None:
    metrics = MetricsManager(registry)
    for row in ALWAYS:
        metric = getattr(metrics, row.attribute)
        assert isinstance(metric, TYPES[row.type]), row.attribute
        record_each(metric, row.labels)
    assert_as_expected(exposed(registry.render().decode()), by_name(ALWAYS))


def test_unlabelled_metrics_are_there_before_any_update(registry: Registry) -> None:
    metrics = MetricsManager(registry)
    metrics.show_local_gauges()
    shown = exposed(registry.render().decode())
    unlabelled = {name: row for name, row in by_name(ALWAYS).items() if not row.labels}
    assert_as_expected({name: family for name, family in shown.items() if family.samples}, unlabelled)
    assert {sample.value for family in shown.values() for sample in family.samples} == {0.0}


@pytest.mark.parametrize("method", ["ngram", "mtp"])
def test_speculative_decoding_by_method(registry: Registry, method: str) -> None:
    metrics = MetricsManager(registry)
    assert not hasattr(metrics, SPECULATIVE[0].attribute)
    for _ in range(2):
        metrics.init_speculative_metrics(method, 3)
    rows = [*SPECULATIVE, *(SPECULATIVE_MTP if method == "mtp" else [])]
    for row in rows:
        metric = getattr(metrics, row.attribute)
        assert isinstance(metric, TYPES[row.type])
        record_each(metric, ())
    heads = getattr(metrics, HEADS, [])
    assert len(heads) == (3 if method == "mtp" else 0)
    for number, gauge in enumerate(heads):
        gauge.set(number / 10)
    expected = by_name(rows, [head(number) for number in range(len(heads))])
    families = {name: one for name, one in exposed(registry.render().decode()).items() if "spec_decode" in name}
    assert_as_expected(families, expected)
    for number in range(len(heads)):
        assert families[f"fastdeploy:{HEADS}_{number}"].samples[0].value == number / 10
        assert families[f"fastdeploy:{HEADS}_{number}"].documentation.endswith(f"(head {number})")


def test_fastdeploys_name_of_the_speculative_metrics(registry: Registry) -> None:
    metrics = MetricsManager(registry)
    metrics._init_speculative_metrics("mtp", 1)
    assert set(metrics.SPECULATIVE_METRICS) == {row.attribute for row in [*SPECULATIVE, *SPECULATIVE_MTP]}
    assert MetricsManager(registry).SPECULATIVE_METRICS == {}


def test_each_gauge_has_the_mode_of_the_catalogue(registry: Registry) -> None:
    metrics = MetricsManager(registry)
    metrics.init_speculative_metrics("mtp", 2)
    for row in [*ALWAYS, *SPECULATIVE, *SPECULATIVE_MTP]:
        if row.type == "gauge":
            gauge = getattr(metrics, row.attribute)
            assert gauge._family.descriptor.gauge_mode == GAUGE_MODES[row.mode], row.attribute
    for gauge in metrics.spec_decode_draft_single_head_acceptance_rate:
        assert gauge._family.descriptor.gauge_mode == GAUGE_MODES["local"]


def test_the_cache_configuration_is_shown_as_labels(registry: Registry) -> None:
    metrics = MetricsManager(registry)
    metrics.set_cache_config_info(CacheConfig(None))
    metrics.set_cache_config_info(CacheConfig({}))
    assert metrics.cache_config_info is None
    for _ in range(2):
        metrics.set_cache_config_info(CacheConfig(CACHE_LABELS))
    metrics.set_cache_config_info(CacheConfig({}))
    family = exposed(registry.render().decode())["fastdeploy:cache_config_info"]
    assert family.type == "gauge"
    labels = {"block_size": "64", "cache_dtype": "bfloat16", "enable_prefix_caching": "True"}
    assert [(sample.labels, sample.value) for sample in family.samples] == [(labels, 1.0)]
    assert metrics.cache_config_info is not None
    assert metrics.cache_config_info._family.descriptor.gauge_mode == GAUGE_MODES["mostrecent"]


def test_other_names_of_a_cache_configuration_are_an_error(registry: Registry) -> None:
    metrics = MetricsManager(registry)
    metrics.set_cache_config_info(CacheConfig(CACHE_LABELS))
    with pytest.raises(ValueError, match="Incorrect label names"):
        metrics.set_cache_config_info(CacheConfig({"another": 1}))


def test_groups_have_every_attribute_once() -> None:
    groups = (
        MetricsManager.METRICS,
        MetricsManager.GAUGE_METRICS,
        MetricsManager.SERVER_METRICS,
        MetricsManager.ZMQ_METRICS,
    )
    names = [name for group in groups for name in group]
    assert sorted(names) == sorted(row.attribute for row in ALWAYS)
    assert len(MetricsManager.GAUGE_METRICS) == 19


def test_excluded_metrics_are_the_gauges_of_the_engine() -> None:
    gauges = {row.name for row in ALWAYS if row.type == "gauge"}
    assert MetricsManager.get_excluded_metrics() == gauges


def test_no_help_text_has_the_misspelling(registry: Registry) -> None:
    metrics = MetricsManager(registry)
    assert "recieved" not in registry.render().decode().lower()
    for group in (metrics.METRICS, metrics.ZMQ_METRICS):
        assert not any("recieved" in declaration.description.lower() for declaration in group.values())


def test_buckets_of_1_2_5() -> None:
    assert build_1_2_5_buckets(33792) == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000]
    assert build_1_2_5_buckets(20) == [1, 2, 5, 10, 20]
    assert build_1_2_5_buckets(0) == []
    assert REQUEST_LATENCY_BUCKETS[:2] == [0.3, 0.5]
