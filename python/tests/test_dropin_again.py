# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a second declaration of a metric does in the drop-in: it is an error, unless its module is loaded again."""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Iterator

import prometheus_client
import pytest

from fdmetrics.prometheus_client import Counter, Histogram

from .dropin_support import Shown, shown

__all__ = ["shown"]


def expected(client: Any, registry: Any) -> str:
    client.Counter("hits", "", ["code"], registry=registry)
    with pytest.raises(ValueError) as raised:
        client.Counter("hits", "", ["code"], registry=registry)
    return str(sorted(str(raised.value).split("{", 1)[1].strip("}").split(", ")))


def test_a_second_declaration_is_refused_as_there(shown: Shown) -> None:
    import fdmetrics.prometheus_client as dropin

    assert expected(dropin, shown.registry) == expected(prometheus_client, prometheus_client.CollectorRegistry())


def test_what_was_refused_leaves_no_trace(shown: Shown) -> None:
    def instrument() -> Counter:
        return Counter("requests", "", registry=shown.registry)

    counter = instrument()
    for _ in range(2):
        # An application that is instrumented twice notices it.
        with pytest.raises(ValueError, match="Duplicated timeseries"):
            instrument()
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        shown.registry.register(counter)
    counter.inc()
    assert shown.value("requests_total") == 1
    shown.registry.unregister(counter)
    assert shown.text == ""
    shown.registry.register(counter)
    assert shown.value("requests_total") == 1


@pytest.fixture
def module(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module of a service, with metrics of its own in the test's registry."""
    (tmp_path / "service_metrics.py").write_text(
        "import fdmetrics.prometheus_client as client\n"
        "from registry_of_the_test import REGISTRY\n"
        "HITS = client.Counter('hits', 'Hits.', ['code'], registry=REGISTRY)\n"
        "LISTED = [client.Counter(name, '', registry=REGISTRY) for name in ('a', 'b')]\n"
        "NAMED = {name: client.Gauge(name, '', registry=REGISTRY) for name in ('c', 'd')}\n"
        "TUPLE = tuple(client.Gauge(name, '', registry=REGISTRY) for row in [['e'], ['f']] for name in row)\n"
        "class Metrics:\n"
        "    SECONDS = client.Histogram('seconds', 'Seconds.', registry=REGISTRY)\n"
    )
    registry = ModuleType("registry_of_the_test")
    vars(registry)["REGISTRY"] = shown.registry
    monkeypatch.setitem(sys.modules, "registry_of_the_test", registry)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("service_metrics")
    sys.modules.pop("service_metrics", None)


def test_a_module_that_is_loaded_again_has_the_same_metrics(shown: Shown, module: Any) -> None:
    first = module.HITS
    first.labels(200).inc()
    module.Metrics.SECONDS.observe(1)
    for again in range(1, 3):
        importlib.reload(module)
        assert module.HITS is not first
        module.HITS.labels(200).inc()
        module.Metrics.SECONDS.observe(1)
        module.LISTED[1].inc()
        module.NAMED["d"].set(again)
        module.TUPLE[0].set(again)
        assert (shown.value("b_total"), shown.value("d"), shown.value("e")) == (again, again, again)
        assert shown.value("hits_total", code="200") == again + 1
        assert shown.value("seconds_count") == again + 1
    del sys.modules["service_metrics"]
    second: Any = importlib.import_module("service_metrics")
    second.HITS.labels(200).inc()
    assert shown.value("hits_total", code="200") == 4
    shown.registry.unregister(second.HITS)
    assert shown.value("hits_total", code="200") is None


def test_a_module_that_says_otherwise_when_it_is_loaded_again_is_refused(shown: Shown, module: Any) -> None:
    path = Path(module.__file__)
    path.write_text(path.read_text().replace("['code']", "['path', 'code']"))
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        importlib.reload(module)
    module.HITS.labels(200).inc()
    assert shown.value("hits_total", code="200") == 1


def test_a_file_that_runs_by_a_relative_name_is_the_same_module(
    shown: Shown, module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module.HITS.labels(200).inc()
    runpy.run_path("service_metrics.py")["HITS"].labels(200).inc()
    assert shown.value("hits_total", code="200") == 2


@pytest.mark.parametrize(
    "loop",
    [
        "for _ in range(2):\n    Histogram('seconds', '', registry=REGISTRY)\n",
        "[Histogram('seconds', '', registry=REGISTRY) for _ in range(2)]\n",
        "list(Histogram('seconds', '', registry=REGISTRY) for _ in range(2))\n",
    ],
)
def test_a_loop_in_a_module_is_no_loading_of_it(shown: Shown, tmp_path: Path, loop: str) -> None:
    path = tmp_path / "loop.py"
    path.write_text(loop)
    names = {"Histogram": Histogram, "REGISTRY": shown.registry, "__name__": "loop"}
    body = compile(path.read_text(), str(path), "exec")
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        exec(body, names)
