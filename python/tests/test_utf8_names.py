# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Names of any UTF-8, which a program has to allow."""

from __future__ import annotations

import random
from typing import Any, Callable, Dict

import pytest
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

import fdmetrics
from fdmetrics import _library

from .support import run_program

parse_openmetrics: Callable[[str], Any] = openmetrics_parser.text_string_to_metric_families
parse_text: Callable[[str], Any] = text_string_to_metric_families

PROGRAM = """
import fdmetrics
{}
fdmetrics.Counter("http.requests", "Requests.").inc()
print(fdmetrics.generate_latest(escaping="allow-utf-8").decode())
"""


def test_they_are_refused_unless_allowed(registry: fdmetrics.Registry) -> None:
    for declare in (
        lambda: fdmetrics.Counter("a.b", "", registry=registry),
        lambda: fdmetrics.Counter("c", "", ["a.b"], registry=registry),
        lambda: fdmetrics.Info("i", "", registry=registry).info({"a.b": "c"}),
    ):
        with pytest.raises(fdmetrics.InvalidNameError, match=r"a\.b"):
            declare()
    with pytest.raises(fdmetrics.InvalidNameError, match=r"allow_utf8_names\(\), or FDMETRICS_UTF8_NAMES=1"):
        fdmetrics.Counter("a.b", "", registry=registry)


@pytest.mark.parametrize("name", ["", "a\0b", "a\ufffdb", "a\ud800"])
def test_some_are_never_right(registry: fdmetrics.Registry, utf8_names: None, name: str) -> None:
    with pytest.raises(fdmetrics.InvalidNameError):
        fdmetrics.Counter(name, "", registry=registry)
    with pytest.raises(fdmetrics.InvalidNameError):
        fdmetrics.Counter("c", "", [name], registry=registry)


def test_a_unit_is_a_word(registry: fdmetrics.Registry, utf8_names: None) -> None:
    with pytest.raises(fdmetrics.InvalidNameError, match="unit"):
        fdmetrics.Counter("a.b", "", unit="°C", registry=registry)
    fdmetrics.Counter("a.b", "", unit="seconds", registry=registry).inc()
    assert b"a_b_seconds_total 1.0" in registry.render()


def test_the_environment_or_a_call_allows_them() -> None:
    expected = '{"http.requests_total"} 1.0'
    assert expected in run_program(PROGRAM.format(""), FDMETRICS_UTF8_NAMES="1")
    assert expected in run_program(PROGRAM.format("fdmetrics.allow_utf8_names()"))
    # Also when the library is loaded already, and when the environment changes after the start.
    assert expected in run_program(
        PROGRAM.format("fdmetrics.generate_latest(); fdmetrics.allow_utf8_names()"), FDMETRICS_UTF8_NAMES="0"
    )
    assert expected in run_program(
        PROGRAM.format("import os; os.environ['FDMETRICS_UTF8_NAMES'] = '1'"), FDMETRICS_UTF8_NAMES="0"
    )


def test_labels_by_name_and_removal(registry: fdmetrics.Registry, utf8_names: None) -> None:
    for name in ("legacy", 'odd "name"\\\n'):
        metric = fdmetrics.Counter(name, "", ["http.method", 'quo"ted', "plain"], registry=registry)
        metric.labels("GET", "a", "b").inc()
        metric.labels(**{"http.method": 'PO"ST\\', 'quo"ted': "\n", "plain": "b"}).inc()
        assert len(samples(registry, f"{name}_total")) == 2
        metric.remove_by_labels({"http.method": 'PO"ST\\'})
        assert samples(registry, f"{name}_total") == [{"http.method": "GET", 'quo"ted': "a", "plain": "b"}]
        metric.clear()
        assert samples(registry, f"{name}_total") == []


def samples(registry: fdmetrics.Registry, name: str) -> Any:
    text = registry.render(format="openmetrics", escaping="allow-utf-8").decode()
    return [sample.labels for family in parse_openmetrics(text) for sample in family.samples if sample.name == name]


def test_parsers_read_back_what_was_registered(registry: fdmetrics.Registry, utf8_names: None) -> None:
    seed = random.randrange(1 << 31)
    print(f"seed {seed}")
    chance = random.Random(seed)
    alphabet = "ab_:.0 -/{}=,#'\"\\\né花😱́"
    expected: Dict[str, Dict[str, str]] = {}

    def word() -> str:
        # The parser takes spaces at either end away, and a backslash before an n for a line feed.
        text = "".join(chance.choice(alphabet) for _ in range(chance.randrange(1, 9)))
        return "x" + text.replace("\\n", "") + "y"

    for number in range(60):
        name, labels = f"{word()}{number}", {word(): word() for _ in range(chance.randrange(3))}
        gauge = fdmetrics.Gauge(name, "", list(labels), registry=registry, multiprocess_mode="sum")
        (gauge.labels(*labels.values()) if labels else gauge).set(1)
        expected[name] = labels
    openmetrics = registry.render(format="openmetrics", escaping="allow-utf-8").decode()
    shown = {s.name: s.labels for f in parse_openmetrics(openmetrics) for s in f.samples}
    assert shown == expected
    text = registry.render(escaping="allow-utf-8").decode()
    assert {s.name: s.labels for f in parse_text(text) for s in f.samples} == expected
    # Escaped, each family is still there once, with a name that every parser takes.
    for escaping in ("underscores", "dots", "values"):
        text = registry.render(format="openmetrics", escaping=escaping).decode()
        families = list(parse_openmetrics(text))
        assert len({family.name for family in families}) == len(expected)
        assert all(
            len(family.samples) == 1 and family.name.isidentifier() for family in families if ":" not in family.name
        )


def test_the_setting_is_of_the_process(utf8_names: None) -> None:
    assert _library.utf8_names_are_allowed()
    fdmetrics.allow_utf8_names(False)
    assert not _library.utf8_names_are_allowed()


NAMES = """
    import os
    {client}
    counter = client.Counter("dotted.name", "Dotted.", ["a.b", "plain"])
    client.Gauge("ä", "", multiprocess_mode="sum").set(2)
    client.Gauge("unset.name", "")
    client.Histogram("h.seconds", "", buckets=(1,)).observe(0.5)
    if os.fork() == 0:
        counter.labels("x", "y").inc(2)
        os._exit(0)
    os.wait()
    counter.labels("x", "y").inc()
    labels = {{"a.b": "x", "plain": "y"}}
    assert client.REGISTRY.get_sample_value("dotted.name_total", labels) == 3
    shown = client.generate_latest().decode()
    assert 'dotted_name_total{{a_b="x",plain="y"}} 3.0' in shown and "\\n_ 2.0" in shown, shown
    shown = client.generate_latest(client.REGISTRY, "allow-utf-8").decode()
    assert '# TYPE "dotted.name_total" counter' in shown and '{{"dotted.name_total","a.b"="x",plain="y"}} 3.0' in shown
    assert '{{"h.seconds_bucket",le="1.0"}} 1.0' in shown, shown
    assert '\\n{{"unset.name"}} 0.0' in shown, shown
    shown = openmetrics.generate_latest(client.REGISTRY, "allow-utf-8").decode()
    assert '# TYPE "dotted.name" counter' in shown and '{{"dotted.name_created","a.b"="x",plain="y"}} ' in shown, shown
    shown = openmetrics.generate_latest(client.REGISTRY).decode()
    assert 'dotted_name_total{{a_b="x",plain="y"}} 3.0' in shown, shown
    assert len(shown.split("# TYPE dotted_name")) == 2
    client.REGISTRY.unregister(counter)
    assert "dotted" not in client.generate_latest().decode()
    assert "dotted" not in client.generate_latest(client.REGISTRY, "allow-utf-8").decode()
    counter.remove("x", "y")
    try:
        fdmetrics.Counter("other.name", "")
    except fdmetrics.InvalidNameError:
        pass
    else:
        raise AssertionError("fdmetrics' own metrics have rules of their own")
"""
INSTALLED = """import fdmetrics; fdmetrics.install()
    import prometheus_client as client; from prometheus_client.openmetrics import exposition as openmetrics"""
DROPIN = """import fdmetrics, fdmetrics.prometheus_client as client
    from fdmetrics.prometheus_client.openmetrics import exposition as openmetrics"""


@pytest.mark.parametrize("client", [INSTALLED, DROPIN])
def test_prometheus_client_s_metrics_have_the_names_that_it_takes(client: str) -> None:
    run_program(NAMES.format(client=client))


def test_the_dropin_keeps_to_classic_names_where_prometheus_client_does() -> None:
    run_program(
        """
        import fdmetrics.prometheus_client as client
        for name, labels in (("a.b", []), ("a", ["b.c"])):
            try:
                client.Counter(name, "", labels)
            except ValueError as error:
                # What would not help is not advised.
                assert "PROMETHEUS_LEGACY_NAME_VALIDATION" in str(error) and "FDMETRICS" not in str(error), error
                continue
            raise AssertionError(name)
        """,
        PROMETHEUS_LEGACY_NAME_VALIDATION="true",
    )
