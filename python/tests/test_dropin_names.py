# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmetrics.prometheus_client has every name of the installed prometheus_client, and its own where it must."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any, List, Tuple

import prometheus_client
import pytest

import fdmetrics
import fdmetrics.prometheus_client as dropin

REAL = "prometheus_client"
DROPIN = "fdmetrics.prometheus_client"
MODULES = [REAL, *(found.name for found in pkgutil.walk_packages(prometheus_client.__path__, f"{REAL}."))]


def imported(name: str) -> Tuple[Any, str]:
    """A module, and the name of what it needs and is not installed here."""
    try:
        return importlib.import_module(name), ""
    except ModuleNotFoundError as error:
        return None, str(error.name)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_the_names_of_its_model(name: str) -> None:
    real, missing = imported(name)
    ours, missing_to_us = imported(DROPIN + name[len(REAL) :])
    assert missing_to_us == missing
    names = [] if real is None else [attribute for attribute in vars(real) if not attribute.startswith("_")]
    assert [attribute for attribute in names if not hasattr(ours, attribute)] == []


def test_the_star_gives_the_same_names() -> None:
    real: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    exec(f"from {REAL} import *", real)
    exec(f"from {DROPIN} import *", ours)
    assert ours.keys() == real.keys()


@pytest.mark.parametrize("name", ["Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"])
def test_metrics_are_of_both_kinds(name: str) -> None:
    kind = getattr(dropin, name)
    assert kind is getattr(importlib.import_module(f"{DROPIN}.core"), name)
    assert kind is getattr(importlib.import_module(f"{DROPIN}.metrics"), name)
    assert issubclass(kind, getattr(prometheus_client, name))
    assert issubclass(kind, getattr(fdmetrics, name))


@pytest.mark.parametrize("name", ["Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"])
def test_constructors_have_the_same_arguments(name: str) -> None:
    def arguments(module: Any) -> List[Tuple[str, Any, Any]]:
        parameters = list(inspect.signature(getattr(module, name).__init__).parameters.values())
        assert any(parameter.default is module.REGISTRY for parameter in parameters)
        return [
            (parameter.name, parameter.kind, parameter.default)
            for parameter in parameters
            if parameter.default is not module.REGISTRY
        ]

    assert arguments(dropin) == arguments(prometheus_client)


@pytest.mark.parametrize(
    "function",
    [
        dropin.generate_latest,
        dropin.make_wsgi_app,
        dropin.make_asgi_app,
        dropin.start_http_server,
        importlib.import_module(f"{DROPIN}.bridge.graphite").GraphiteBridge,
    ],
)
def test_what_reads_a_registry_reads_ours_by_default(function: Any) -> None:
    assert inspect.signature(function).parameters["registry"].default is dropin.REGISTRY


def test_registries_are_one() -> None:
    for name in ("core", "registry", "metrics", "exposition", "process_collector"):
        module = importlib.import_module(f"{DROPIN}.{name}")
        assert module.REGISTRY is dropin.REGISTRY
        assert module.CollectorRegistry is dropin.CollectorRegistry
    assert dropin.MetricsHandler.registry is dropin.REGISTRY
    assert isinstance(dropin.REGISTRY, prometheus_client.CollectorRegistry)


@pytest.mark.parametrize("name", ["parser", "samples", "metrics_core", "utils", "validation", "openmetrics.parser"])
def test_what_serves_as_it_is_is_the_same_module(name: str) -> None:
    assert importlib.import_module(f"{DROPIN}.{name}") is importlib.import_module(f"{REAL}.{name}")


def test_a_name_that_is_nowhere() -> None:
    for module in (dropin, dropin.metrics):
        with pytest.raises(AttributeError, match="no_such_name"):
            module.no_such_name  # noqa: B018
