# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What an application sees of prometheus-fastapi-instrumentator, whose own tests are not on PyPI."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Tuple

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY, CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families
from prometheus_fastapi_instrumentator import Instrumentator, metrics


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/items/{item}")
    def read(item: int) -> Dict[str, int]:
        if item == 0:
            raise HTTPException(status_code=404)
        return {"item": item}

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError

    return app


def scraped(client: Any, **headers: str) -> Dict[Tuple[str, frozenset[Tuple[str, str]]], float]:
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(response.text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def key(name: str, **labels: str) -> Tuple[str, frozenset[Tuple[str, str]]]:
    return name, frozenset(labels.items())


def ask(client: Any) -> None:
    for item in (1, 2, 0):
        client.get(f"/items/{item}")
    with pytest.raises(RuntimeError):
        client.get("/broken")
    client.get("/nowhere")


@pytest.mark.parametrize("own_registry", [False, True])
def test_requests_are_counted_by_handler(own_registry: bool) -> None:
    app = application()
    registry = CollectorRegistry() if own_registry else REGISTRY
    Instrumentator(registry=registry).instrument(app).expose(app)
    client = TestClient(app)
    ask(client)
    shown = scraped(client)
    assert shown[key("http_requests_total", handler="/items/{item}", method="GET", status="2xx")] == 2
    assert shown[key("http_requests_total", handler="/items/{item}", method="GET", status="4xx")] == 1
    assert shown[key("http_requests_total", handler="/broken", method="GET", status="5xx")] == 1
    assert shown[key("http_requests_total", handler="none", method="GET", status="4xx")] == 1
    assert shown[key("http_request_duration_seconds_count", handler="/items/{item}", method="GET")] == 3
    assert shown[key("http_request_duration_highr_seconds_count")] == 5
    assert shown[key("http_request_size_bytes_count", handler="/broken")] == 1
    sample = {"handler": "/items/{item}", "method": "GET", "status": "2xx"}
    assert registry.get_sample_value("http_requests_total", sample) == 2


def test_options() -> None:
    app = application()
    instrumentator = Instrumentator(
        should_group_status_codes=False,
        should_ignore_untemplated=True,
        should_instrument_requests_inprogress=True,
        inprogress_name="in_progress",
        inprogress_labels=True,
        excluded_handlers=["/broken"],
    )
    instrumentator.add(metrics.latency(metric_name="latency_seconds", buckets=(0.1, 1)))
    instrumentator.add(metrics.requests(metric_namespace="a", metric_subsystem="b"))
    instrumentator.instrument(app).expose(app, should_gzip=True)
    client = TestClient(app)
    ask(client)
    shown = scraped(client, **{"accept-encoding": "gzip"})
    labels = {"handler": "/items/{item}", "method": "GET"}
    assert shown[key("latency_seconds_count", status="200", **labels)] == 2
    assert shown[key("latency_seconds_bucket", le="+Inf", status="404", **labels)] == 1
    assert shown[key("a_b_http_requests_total", status="200", **labels)] == 2
    assert shown[key("in_progress", **labels)] == 0
    assert not [name for name, found in shown if ("handler", "/broken") in found and name != "in_progress"]


def test_an_application_that_is_instrumented_twice_counts_once() -> None:
    # The package sees that its metrics are there by the error that a second declaration is.
    first, second = application(), application()
    for app in (first, second):
        Instrumentator().instrument(app).expose(app)
    client = TestClient(second)
    client.get("/items/1")
    shown = scraped(client)
    requests = key("http_requests_total", handler="/items/{item}", method="GET", status="2xx")
    again = scraped(TestClient(first))
    assert shown.get(requests) == again.get(requests)


def test_in_multi_process_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="not a directory"):
        Instrumentator()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    app = application()
    Instrumentator().instrument(app).expose(app)
    response = TestClient(app).get("/metrics")
    assert response.status_code == 200


def test_a_metric_of_the_application_stands_beside_them() -> None:
    app = application()
    depth = Gauge("queue_depth", "Jobs.", ["queue"])
    Instrumentator().instrument(app).expose(app)
    client = TestClient(app)
    depth.labels("mail").set(3)
    assert scraped(client)[key("queue_depth", queue="mail")] == 3
