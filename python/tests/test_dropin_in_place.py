# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""sys.modules["prometheus_client"] = fdmetrics.prometheus_client, in programs of their own."""

from __future__ import annotations

import pkgutil

import prometheus_client
import pytest

from .support import run_program

MODULES = [found.name for found in pkgutil.walk_packages(prometheus_client.__path__, "prometheus_client.")]

# Whatever of prometheus_client has been imported before.
BEFORE = {
    "nothing": "",
    "the package": "import prometheus_client",
    "more of it": "import prometheus_client.parser, prometheus_client.openmetrics.parser, prometheus_client.bridge",
}
IN_PLACE = """
import sys
{before}
import fdmetrics.prometheus_client
sys.modules["prometheus_client"] = fdmetrics.prometheus_client
"""


@pytest.mark.parametrize("before", list(BEFORE))
def test_all_modules_are_the_drop_ins(before: str) -> None:
    run_program(
        IN_PLACE.format(before=BEFORE[before])
        + f"""
import importlib
for name in {MODULES!r}:
    try:
        ours = importlib.import_module("fdmetrics." + name)
    except ModuleNotFoundError as error:
        assert error.name in ("twisted", "aiohttp", "django"), error
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as same:
            assert same.name == error.name
            continue
        raise AssertionError(name)
    spec = ours.__spec__
    assert importlib.import_module(name) is ours, name
    assert ours.__spec__ is spec and not getattr(spec, "_initializing", False)
import prometheus_client
import prometheus_client.registry
import prometheus_client.openmetrics.exposition
from prometheus_client.core import REGISTRY, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry
assert REGISTRY is fdmetrics.prometheus_client.REGISTRY and CollectorRegistry is type(REGISTRY).__mro__[1]
assert MultiProcessCollector is fdmetrics.prometheus_client.multiprocess.MultiProcessCollector
prometheus_client.Counter("hits", "").inc(3)
assert b"hits_total 3.0" in fdmetrics.generate_latest()
shown = {{family.name for family in text_string_to_metric_families(prometheus_client.generate_latest().decode())}}
assert "hits" in shown
"""
    )


def test_private_names_are_there_and_a_missing_one_is_no_recursion() -> None:
    run_program(
        IN_PLACE.format(before="")
        + """
import prometheus_client
from prometheus_client import exposition, metrics, multiprocess, openmetrics, registry, utils, values
from prometheus_client.exposition import _bake_output
from prometheus_client.metrics import _build_full_name
from prometheus_client.openmetrics.exposition import _escape
from prometheus_client.registry import _EmptyCollector
modules = (prometheus_client, exposition, metrics, multiprocess, openmetrics, registry, utils, values)
for module in modules:
    for name in ("missing", "_missing", "__missing__"):
        assert not hasattr(module, name), name
        try:
            getattr(module, name)
        except AttributeError as error:
            assert name in str(error)
try:
    import prometheus_client.missing
except ModuleNotFoundError as error:
    assert error.name == "prometheus_client.missing", error.name
else:
    raise AssertionError("no error")
"""
    )


def test_prometheus_client_stays_itself_beside_the_drop_in() -> None:
    run_program(
        """
import sys
import prometheus_client, prometheus_client.registry
real = sys.modules["prometheus_client.registry"]
import fdmetrics.prometheus_client as dropin
import prometheus_client.registry, prometheus_client.parser
from prometheus_client.registry import CollectorRegistry
assert sys.modules["prometheus_client.registry"] is real and CollectorRegistry is not dropin.CollectorRegistry
assert prometheus_client.parser is dropin.parser
prometheus_client.Counter("hits", "").inc()
assert not prometheus_client.REGISTRY is dropin.REGISTRY
assert dropin.REGISTRY.get_sample_value("hits_total") is None
import pickle
sample = pickle.loads(pickle.dumps(prometheus_client.metrics_core.Metric("a", "b", "gauge")))
assert sample.name == "a"
"""
    )
