# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Arguments that can never be right are errors where they are written, which name the thing and what is expected."""

from __future__ import annotations

from typing import Any, Callable, Dict

import prometheus_client
import pytest

import fdmetrics
import fdmetrics.asgi
import fdmetrics.django
import fdmetrics.prometheus_client
import fdmetrics.wsgi
from fdmetrics import Registry


def application(*_arguments: Any) -> Any:
    """Stands for an application that is never called."""


MIDDLEWARES: Dict[str, Callable[..., Any]] = {
    "asgi": lambda **options: fdmetrics.asgi.MetricsMiddleware(**{"app": application, **options}),
    "wsgi": lambda **options: fdmetrics.wsgi.MetricsMiddleware(**{"app": application, **options}),
}
OPTIONS: Dict[str, Any] = {
    "app": (None, "app is None: give an? (A|W)SGI application"),
    "path_of": (5, "path_of is 5: give a function"),
    "path_of, a text": ("/items", "path_of is '/items': give a function"),
    "prefix": (5, "prefix is 5: give a str"),
    "names": (["path"], r"names is \['path'\]: give a dict"),
    "names, one": ({"path": 5}, "names has 5 for path: give a str, or None"),
    "labels": ("zone", "labels is 'zone': give a dict"),
    "excluded": (5, "excluded is 5: give a list of paths, or a function"),
    "buckets": (5, "buckets is 5: give a list"),
    "size_buckets": ("5", "size_buckets is '5': give a list"),
}


@pytest.mark.parametrize("protocol", MIDDLEWARES)
@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_a_middleware(option: str, protocol: str, registry: Registry) -> None:
    value, expected = OPTIONS[option]
    with pytest.raises(TypeError, match=f"^{expected}"):
        MIDDLEWARES[protocol](**{"registry": registry, option.partition(",")[0]: value})
    assert not registry._declared


@pytest.mark.parametrize("protocol", MIDDLEWARES)
def test_none_stands_for_the_default_of_each_option(protocol: str, registry: Registry) -> None:
    options = dict.fromkeys(("excluded", "path_of", "prefix", "names", "labels", "buckets", "size_buckets"))
    MIDDLEWARES[protocol](registry=registry, **options)


ENDPOINTS: Dict[str, Callable[..., Any]] = {
    "make_asgi_app": fdmetrics.asgi.make_asgi_app,
    "make_wsgi_app": fdmetrics.wsgi.make_wsgi_app,
    "make_metrics_view": fdmetrics.django.make_metrics_view,
    "start_http_server": lambda registry, **options: fdmetrics.start_http_server(0, registry=registry, **options),
    "generate_latest": fdmetrics.generate_latest,
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_process_metrics(endpoint: str, registry: Registry) -> None:
    with pytest.raises(
        fdmetrics.InvalidArgumentError, match="process_metrics is 'foo': give True, False or \"worker\""
    ):
        ENDPOINTS[endpoint](registry, process_metrics="foo")


@pytest.mark.parametrize("value", [None, 5, "text"])
@pytest.mark.parametrize("package", [fdmetrics, fdmetrics.prometheus_client], ids=["native", "drop-in"])
def test_the_function_of_a_gauge(package: Any, value: Any, registry: Registry) -> None:
    made = registry if package is fdmetrics else fdmetrics.prometheus_client.CollectorRegistry()
    gauge = package.Gauge(f"arguments_of_{type(value).__name__}", "", registry=made)
    with pytest.raises(TypeError, match=f"set_function of gauge:{gauge._family.descriptor.name} was given {value!r}: "):
        gauge.set_function(value)
    gauge.set(3)
    assert f"{gauge._family.descriptor.name} 3.0".encode() in package.generate_latest(made)


DECLARATIONS: Dict[str, Any] = {
    "name": (TypeError, "The name of a metric is 5: a str is expected", lambda of: of.Counter(5, "d")),
    "namespace": (TypeError, "The namespace of a metric is 5: ", lambda of: of.Counter("c", "d", namespace=5)),
    "subsystem": (TypeError, "The subsystem of a metric is 5: ", lambda of: of.Gauge("c", "d", subsystem=5)),
    "unit": (TypeError, "The unit of a metric is 5: a str is", lambda of: of.Summary("c", "d", unit=5)),
    "label names": (TypeError, "Label names of c are 5: a list of strings", lambda of: of.Counter("c", "d", 5)),
    "buckets": (TypeError, "Buckets of c are 5: a list of numbers", lambda of: of.Histogram("c", "d", buckets=5)),
    "bucket": (ValueError, "Invalid bucket 'x' of histogram c: ", lambda of: of.Histogram("c", "d", buckets=["x"])),
    "no bucket": (TypeError, "Invalid bucket None of histogram c", lambda of: of.Histogram("c", "d", buckets=[None])),
    "states": (TypeError, "States of Enum metric c are 5: a list", lambda of: of.Enum("c", "d", states=5)),
    "no name": (ValueError, "Metric name should not be empty", lambda of: of.Counter("", "d")),
}


@pytest.mark.parametrize("what", DECLARATIONS)
def test_declarations(what: str) -> None:
    error, expected, declare = DECLARATIONS[what]
    with pytest.raises(error, match=expected):
        declare(fdmetrics)


# prometheus_client looks at the states later.
@pytest.mark.parametrize("what", sorted({*DECLARATIONS} - {"states"}))
def test_the_drop_in_raises_what_prometheus_client_raises(what: str) -> None:
    """By its class; the text is this package's."""
    error, _, declare = DECLARATIONS[what]
    with pytest.raises((TypeError, ValueError)) as real:
        declare(prometheus_client)
    with pytest.raises((TypeError, ValueError)) as ours:
        declare(fdmetrics.prometheus_client)
    assert isinstance(ours.value, ValueError) == isinstance(real.value, ValueError) == issubclass(error, ValueError)


@pytest.mark.parametrize("package", [fdmetrics, fdmetrics.prometheus_client], ids=["native", "drop-in"])
@pytest.mark.parametrize("value", ["x", None, ["a"], 5])
def test_the_text_of_an_info(package: Any, value: Any, registry: Registry) -> None:
    made = registry if package is fdmetrics else fdmetrics.prometheus_client.CollectorRegistry()
    info = package.Info(f"arguments_of_{type(value).__name__}_text", "", registry=made)
    with pytest.raises(TypeError, match=r"The text of Info metric \w+ is .*: a dict of strings is expected"):
        info.info(value)


@pytest.mark.parametrize("value", [5, None, (ValueError, 5), ["ValueError"]])
def test_what_exceptions_are_counted(value: Any, registry: Registry) -> None:
    """Else an exception of the program's would become another one on its way out."""
    counter = fdmetrics.Counter("c", "", registry=registry)
    with pytest.raises(TypeError, match=r"count_exceptions of counter:c was given .*: a type of exceptions"):
        counter.count_exceptions(value)


def test_the_mode_of_a_gauge(registry: Registry) -> None:
    mode: Any = []
    with pytest.raises(fdmetrics.InvalidArgumentError, match=r"Invalid multiprocess mode: \[\] of g; one of all, "):
        fdmetrics.Gauge("g", "", registry=registry, multiprocess_mode=mode)


def test_the_names_that_are_rendered(registry: Registry) -> None:
    names: Any = 5
    with pytest.raises(fdmetrics.InvalidArgumentError, match="names is 5: give a list of names"):
        fdmetrics.generate_latest(registry, names=names)
