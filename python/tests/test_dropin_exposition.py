# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Whole expositions of the drop-in, compared and parsed back, and through each server and pusher."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import threading
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple
from wsgiref.util import setup_testing_defaults

import prometheus_client
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import fdmetrics.prometheus_client as dropin
from fdmetrics.prometheus_client import openmetrics
from fdmetrics.prometheus_client.bridge.graphite import GraphiteBridge
from fdmetrics.prometheus_client.openmetrics import exposition as _openmetrics_exposition

from .dropin_support import Shown, shown

__all__ = ["shown"]

generate_openmetrics: Callable[..., bytes] = _openmetrics_exposition.generate_latest
model_of_openmetrics: Callable[..., bytes] = prometheus_client.openmetrics.exposition.generate_latest
read_openmetrics: Callable[[str], Any] = parse_openmetrics

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
TEXT = """\
# HELP build_info Build "x" of \\\\y\\n.
# TYPE build_info gauge
build_info{version="1"} 1.0
# HELP depth_bytes Depth.
# TYPE depth_bytes gauge
depth_bytes 3.0
# HELP hits_total Hits.
# TYPE hits_total counter
hits_total{path="/a"} 1.0
hits_total{path="\\"/\\\\\\n"} 2.5
# HELP phase Phase.
# TYPE phase gauge
phase{phase="a"} 0.0
phase{phase="b"} 1.0
# HELP seconds Seconds.
# TYPE seconds histogram
seconds_bucket{le="0.5"} 0.0
seconds_bucket{le="1.0"} 1.0
seconds_bucket{le="+Inf"} 2.0
seconds_count 2.0
seconds_sum 101.0
# HELP size Size.
# TYPE size summary
size_count 1.0
size_sum 1e-09
# HELP custom Custom.
# TYPE custom gauge
custom 7.0
"""


class Custom:
    """A collector of the program's own."""

    def collect(self) -> Any:
        return [prometheus_client.metrics_core.GaugeMetricFamily("custom", "Custom.", value=7)]


@pytest.fixture
def filled(shown: Shown) -> Shown:
    """A registry with a metric of each kind."""
    registry = shown.registry
    dropin.Info("build", 'Build "x" of \\y\n.', registry=registry).info({"version": "1"})
    dropin.Gauge("depth", "Depth.", unit="bytes", registry=registry).set(3)
    hits = dropin.Counter("hits", "Hits.", ["path"], registry=registry)
    hits.labels("/a").inc()
    hits.labels('"/\\\n').inc(2.5)
    dropin.Enum("phase", "Phase.", states=["a", "b"], registry=registry).state("b")
    seconds = dropin.Histogram("seconds", "Seconds.", buckets=(0.5, 1), registry=registry)
    seconds.observe(1)
    seconds.observe(100)
    dropin.Summary("size", "Size.", registry=registry).observe(1e-9)
    registry.register(Custom())
    return shown


def collected(registry: Any) -> Dict[str, Tuple[str, str, str, List[Any]]]:
    return {
        family.name: (family.type, family.documentation, family.unit, [tuple(sample[:3]) for sample in family.samples])
        for family in registry.collect()
    }


class Parsed:
    def __init__(self, families: Any) -> None:
        self._families = list(families)

    def collect(self) -> Any:
        return self._families


def test_the_text(filled: Shown) -> None:
    assert filled.text == TEXT
    types = {family.name: family.type for family in parse_text(filled.text)}
    assert types["hits"] == "counter"


def test_what_is_collected_is_what_the_text_says(filled: Shown) -> None:
    ours = prometheus_client.generate_latest(filled.registry)  # By way of collect().
    assert Parsed(parse_text(ours.decode())).collect() == Parsed(parse_text(filled.text)).collect()


def test_openmetrics(filled: Shown) -> None:
    text = generate_openmetrics(filled.registry).decode()
    assert text.endswith("\n# EOF\n")
    # The strict parser reads back what is collected, and when each series was made.
    read = collected(Parsed(read_openmetrics(text)))
    made = {
        name: [sample for sample in samples if sample[0] == f"{name}_created"]
        for name, (_, _, _, samples) in read.items()
    }
    assert {name for name, samples in made.items() if samples} == {"hits", "seconds", "size"}
    rest = {name: (*family[:3], [one for one in family[3] if one not in made[name]]) for name, family in read.items()}
    assert rest == collected(filled.registry)
    assert collected(filled.registry)["build"][0] == "info"
    assert collected(filled.registry)["phase"][0] == "stateset"
    assert collected(filled.registry)["depth_bytes"][2] == "bytes"
    assert openmetrics.exposition is _openmetrics_exposition


def test_openmetrics_of_prometheus_client_says_the_same(filled: Shown) -> None:
    theirs = model_of_openmetrics(filled.registry).decode()
    ours = [line for line in generate_openmetrics(filled.registry).decode().splitlines() if "_created" not in line]
    assert sorted(ours) == sorted(theirs.splitlines())


def test_nothing_to_show(shown: Shown) -> None:
    assert shown.text == ""
    assert generate_openmetrics(shown.registry) == b"# EOF\n"


def test_dots_are_escaped_in_all_names(shown: Shown) -> None:
    dropin.Counter("a_b", "", registry=shown.registry).inc()
    assert "a__b__total 1.0" in dropin.generate_latest(shown.registry, escaping="dots").decode()
    assert "a__b__total 1.0" in generate_openmetrics(shown.registry, escaping="dots").decode()
    assert dropin.generate_latest(shown.registry, escaping="allow-utf-8").decode() == shown.text


def test_the_wsgi_application(filled: Shown) -> None:
    def get(accept: str = "", encoding: str = "", query: str = "") -> Tuple[str, Dict[str, str], bytes]:
        environ: Dict[str, Any] = {}
        setup_testing_defaults(environ)
        environ.update(HTTP_ACCEPT=accept, HTTP_ACCEPT_ENCODING=encoding, QUERY_STRING=query)
        answer: List[Any] = []
        body = dropin.make_wsgi_app(filled.registry)(environ, lambda *head: answer.extend(head))
        return answer[0], dict(answer[1]), b"".join(body)

    status, headers, body = get()
    assert (status, body.decode()) == ("200 OK", TEXT)
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    _, headers, body = get(OPENMETRICS)
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert body == generate_openmetrics(filled.registry)
    _, headers, body = get(encoding="gzip")
    assert (headers["Content-Encoding"], gzip.decompress(body).decode()) == ("gzip", TEXT)
    _, _, body = get(query="name[]=hits_total&name[]=seconds_sum")
    assert {family.name for family in parse_text(body.decode())} == {"hits", "seconds"}


def test_the_asgi_application(filled: Shown) -> None:
    sent: List[Dict[str, Any]] = []

    async def receive() -> Dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [], "query_string": b""}
    asyncio.run(dropin.make_asgi_app(filled.registry)(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (sent[0]["status"], sent[1]["body"].decode()) == (200, TEXT)


def test_the_http_server(filled: Shown) -> None:
    server, thread = dropin.start_http_server(0, "127.0.0.1", filled.registry)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=30) as answer:
            assert answer.read().decode() == TEXT
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_text_file(filled: Shown, tmp_path: Path) -> None:
    dropin.write_to_textfile(str(tmp_path / "metrics.prom"), filled.registry)
    assert (tmp_path / "metrics.prom").read_text() == TEXT


def test_the_push_gateway(filled: Shown) -> None:
    received: List[Tuple[str, str, bytes]] = []

    class Gateway(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.command, self.path, body))
            self.send_response(200)
            self.end_headers()

        do_POST = do_PUT

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            gateway = f"127.0.0.1:{server.server_port}"
            dropin.push_to_gateway(gateway, "job", filled.registry)
            dropin.pushadd_to_gateway(gateway, "job", filled.registry, {"instance": "a"})
        finally:
            server.shutdown()
            thread.join()
    assert received == [
        ("PUT", "/metrics/job/job", TEXT.encode()),
        ("POST", "/metrics/job/job/instance/a", TEXT.encode()),
    ]


def test_the_graphite_bridge(filled: Shown) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        GraphiteBridge(server.getsockname(), filled.registry, _timer=lambda: 1434898897.5).push("service")
        connection, _ = server.accept()
        with connection, connection.makefile("r") as lines:
            text = lines.read()
    assert "service.hits_total.path._a 1.0 1434898897\n" in text
    assert len(text.splitlines()) == len([line for line in TEXT.splitlines() if not line.startswith("#")])
