# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The same calls to prometheus_client and to the drop-in: the same samples, results and exceptions."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Tuple

import prometheus_client
import pytest

import fdmetrics
import fdmetrics.prometheus_client as dropin

Scenario = Callable[[Any, Any], None]
SCENARIOS: List[Scenario] = []
Samples = Dict[Tuple[str, Tuple[Tuple[str, str], ...]], float]


def scenario(function: Scenario) -> Scenario:
    SCENARIOS.append(function)
    return function


@scenario
def counters(client: Any, registry: Any) -> None:
    plain = client.Counter("requests_total", "Requests.", registry=registry)
    plain.inc()
    plain.inc(2.5)
    labelled = client.Counter(
        "answers", 'Answers "quoted" \\ and\nmore.', ["code", "by"], "ns", "sub", registry=registry
    )
    labelled.labels("200", "a").inc()
    labelled.labels(by="b", code=404).inc(3)
    labelled.labels("200", 'quote " back \\ line \n and \u4500').inc()
    client.Counter("bytes", "With a unit.", unit="bytes", registry=registry).inc(1e10)
    with pytest.raises(ValueError), plain.count_exceptions(ValueError):
        raise ValueError


@scenario
def gauges(client: Any, registry: Any) -> None:
    gauge = client.Gauge("depth", "Depth.", registry=registry, multiprocess_mode="livesum")
    gauge.inc()
    gauge.dec(3)
    labelled = client.Gauge("memory", "Memory.", ("kind",), registry=registry, multiprocess_mode="max", unit="bytes")
    labelled.labels("cpu").set(float("inf"))
    labelled.labels("gpu").set(float("nan"))
    latest = client.Gauge("latest", "Latest.", registry=registry, multiprocess_mode="mostrecent")
    latest.set(1)
    latest.set(-7)
    client.Gauge("called", "Called.", registry=registry, multiprocess_mode="livesum").set_function(lambda: 42)
    with gauge.track_inprogress():
        pass


@scenario
def histograms(client: Any, registry: Any) -> None:
    histogram = client.Histogram("seconds", "Seconds.", registry=registry)
    for value in (0, 0.005, 0.0051, 3, 1e9):
        histogram.observe(value)
    labelled = client.Histogram("sizes", "Sizes.", ["kind"], buckets=(1, "10", 1e7), registry=registry)
    labelled.labels("a").observe(10)
    labelled.labels("b")


@scenario
def summaries(client: Any, registry: Any) -> None:
    client.Summary("plain", "Plain.", registry=registry).observe(-2.5)
    client.Summary("labelled", "Labelled.", ["a"], registry=registry).labels(a=1).observe(1e-9)


@scenario
def texts(client: Any, registry: Any) -> None:
    client.Info("build", "Build.", registry=registry).info({"version": "1.0", "host": "a\\b"})
    labelled = client.Info("part", "Part.", ["name"], registry=registry)
    labelled.labels("x").info({"version": "1"})
    labelled.labels("x").info({"size": "2"})
    client.Enum("phase", "Phase.", states=["starting", "running"], registry=registry)
    states = client.Enum("task", "Task.", ["name"], states=["idle", "busy"], registry=registry)
    states.labels("x").state("busy")


@scenario
def removals(client: Any, registry: Any) -> None:
    counter = client.Counter("hits", "Hits.", ["path", "code"], registry=registry)
    for path in ("/a", "/b", "/c"):
        for code in (200, 500):
            counter.labels(path, code).inc()
    counter.remove("/a", 200)
    counter.remove("/none", 200)
    counter.remove_by_labels({"path": "/b"})
    counter.labels("/b", 500).inc(5)
    cleared = client.Gauge("cleared", "Cleared.", ["a"], registry=registry, multiprocess_mode="sum")
    cleared.labels("x").set(1)
    cleared.clear()
    cleared.labels("y").set(2)


@scenario
def collectors(client: Any, registry: Any) -> None:
    class Custom:
        def collect(self) -> Any:
            yield client.metrics_core.GaugeMetricFamily("custom", "Custom.", value=7)
            family = client.metrics_core.CounterMetricFamily("custom_events", "Events.", labels=["kind"])
            family.add_metric(["a"], 3)
            yield family

    registry.register(Custom())
    registry.set_target_info({"env": "test"})
    client.Counter("beside", "Beside.", registry=registry).inc()


def samples(registry: Any) -> Tuple[Samples, Dict[str, Tuple[str, str, str]]]:
    """The samples without those of _created, and name, type, help and unit of each family."""
    found: Samples = {}
    families = {}
    for family in registry.collect():
        assert family.name not in families
        families[family.name] = (family.type, family.documentation, family.unit)
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                key = (sample.name, tuple(sorted(sample.labels.items())))
                assert key not in found
                found[key] = float(sample.value)
    return found, families


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario.__name__))
def test_the_same_samples(scenario: Scenario, registry: fdmetrics.Registry) -> None:
    model = prometheus_client.CollectorRegistry()
    scenario(prometheus_client, model)
    ours = dropin.CollectorRegistry(store=registry)
    scenario(dropin, ours)
    expected, expected_families = samples(model)
    given, given_families = samples(ours)
    assert {key: str(value) for key, value in given.items()} == {key: str(value) for key, value in expected.items()}
    assert given_families == expected_families


def declared_twice(client: Any, registry: Any) -> None:
    client.Counter("again", "", registry=registry)
    client.Gauge("again", "", registry=registry)


def clash_of_suffixes(client: Any, registry: Any) -> None:
    client.Summary("again", "", registry=registry)
    client.Gauge("again_count", "", registry=registry)


def target_twice(client: Any, registry: Any) -> None:
    registry.set_target_info({"a": "b"})
    client.Info("target", "", registry=registry)


MISTAKES: Dict[str, Callable[[Any, Any], object]] = {
    "no name": lambda client, registry: client.Counter("", "", registry=registry),
    "reserved label": lambda client, registry: client.Counter("a", "", ["__a"], registry=registry),
    "le": lambda client, registry: client.Histogram("a", "", ["le"], registry=registry),
    "quantile": lambda client, registry: client.Summary("a", "", ["quantile"], registry=registry),
    "no such mode": lambda client, registry: client.Gauge("a", "", registry=registry, multiprocess_mode="none"),
    "no buckets": lambda client, registry: client.Histogram("a", "", registry=registry, buckets=[]),
    "one bucket": lambda client, registry: client.Histogram("a", "", registry=registry, buckets=[float("inf")]),
    "unsorted buckets": lambda client, registry: client.Histogram("a", "", registry=registry, buckets=[2, 1]),
    "no states": lambda client, registry: client.Enum("a", "", registry=registry),
    "state as label": lambda client, registry: client.Enum("a", "", ["a"], registry=registry, states=["b"]),
    "unit of an info": lambda client, registry: client.Info("a", "", unit="bytes", registry=registry),
    "unit of an enum": lambda client, registry: client.Enum("a", "", unit="b", states=["c"], registry=registry),
    "another type": declared_twice,
    "clash": clash_of_suffixes,
    "target": target_twice,
    "negative": lambda client, registry: client.Counter("a", "", registry=registry).inc(-1),
    "inc without labels": lambda client, registry: client.Counter("a", "", ["b"], registry=registry).inc(),
    "set without labels": lambda client, registry: client.Gauge("a", "", ["b"], registry=registry).set(1),
    "observe without labels": lambda client, registry: client.Summary("a", "", ["b"], registry=registry).observe(1),
    "info without labels": lambda client, registry: client.Info("a", "", ["b"], registry=registry).labels(),
    "state without labels": lambda client, registry: client.Enum("a", "", ["b"], states="c", registry=registry).state(
        "c"
    ),
    "function without labels": lambda client, registry: client.Gauge("a", "", ["b"], registry=registry).set_function(
        int
    ),
    "no such state": lambda client, registry: client.Enum("a", "", states=["b"], registry=registry).state("c"),
    "label of info": lambda client, registry: (
        client.Info("a", "", ["b"], registry=registry).labels("c").info({"b": "d"})
    ),
    "None in info": lambda client, registry: client.Info("a", "", registry=registry).info({"b": None}),
    "mostrecent inc": lambda client, registry: client.Gauge(
        "a", "", registry=registry, multiprocess_mode="mostrecent"
    ).inc(),
    "not labelled": lambda client, registry: client.Counter("a", "", registry=registry).labels("b"),
    "labels twice": lambda client, registry: client.Counter("a", "", ["b"], registry=registry).labels("c").labels("d"),
    "too many labels": lambda client, registry: client.Counter("a", "", ["b"], registry=registry).labels("c", "d"),
    "other labels": lambda client, registry: client.Counter("a", "", ["b"], registry=registry).labels(c="d"),
    "both kinds": lambda client, registry: client.Counter("a", "", ["b", "c"], registry=registry).labels("d", c="e"),
    "remove not labelled": lambda client, registry: client.Counter("a", "", registry=registry).remove("b"),
    "remove too many": lambda client, registry: client.Counter("a", "", ["b"], registry=registry).remove("c", "d"),
    "remove no dict": lambda client, registry: client.Counter("a", "", ["b"], registry=registry).remove_by_labels("c"),
    "remove other": lambda client, registry: client.Counter("a", "", ["b"], registry=registry).remove_by_labels(
        {"c": "d"}
    ),
    "text to inc": lambda client, registry: client.Counter("a", "", registry=registry).inc("1"),
    "None to observe": lambda client, registry: client.Summary("a", "", registry=registry).observe(None),
    "unregister twice": lambda client, registry: registry.unregister(client.Counter("a", "", registry=None)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_same_exceptions(mistake: str, registry: fdmetrics.Registry) -> None:
    raised = []
    for client, where in (
        (prometheus_client, prometheus_client.CollectorRegistry()),
        (dropin, dropin.CollectorRegistry(store=registry)),
    ):
        with pytest.raises(Exception) as caught:
            MISTAKES[mistake](client, where)
        raised.append(caught.type)
    expected, given = raised
    assert issubclass(given, expected)
