# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What scrapers ask for, through every way of serving the metrics."""

from __future__ import annotations

import gzip
import http.client
from typing import Any, Callable, Dict, Iterator, List, Tuple
from urllib.parse import quote

import pytest
from prometheus_client.openmetrics import parser as openmetrics_parser

import fdmetrics
from fdmetrics import asgi, wsgi
from fdmetrics._asked import ESCAPINGS, FORMATS, negotiate
from fdmetrics.django import make_metrics_view

from .frameworks_support import Connection

parse_openmetrics: Callable[[str], Any] = openmetrics_parser.text_string_to_metric_families

# Of Prometheus 3 with and without native histograms, 2.45, curl, and Firefox.
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7," + PROMETHEUS_3
)
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

CASES = [
    ("", "text", "underscores", TEXT),
    ("*/*", "text", "underscores", TEXT),
    (FIREFOX, "text", "underscores", TEXT),
    ("application/json", "text", "underscores", TEXT),
    (PROMETHEUS_2, "openmetrics", "underscores", f"{OPENMETRICS}; escaping=underscores"),
    (PROMETHEUS_3, "openmetrics", "allow-utf-8", f"{OPENMETRICS}; escaping=allow-utf-8"),
    (PROMETHEUS_3.replace("allow-utf-8", "dots"), "openmetrics", "dots", f"{OPENMETRICS}; escaping=dots"),
    (PROMETHEUS_3_PROTOBUF, "protobuf", "underscores", f"{PROTOBUF}; escaping=underscores"),
    ("nön sense\0, ;;", "text", "underscores", TEXT),
]

Headers = Dict[str, str]
Ask = Callable[..., Tuple[int, Headers, bytes]]


@pytest.fixture
def filled(registry: fdmetrics.Registry, utf8_names: None) -> fdmetrics.Registry:
    """A store with a legacy family and another one."""
    fdmetrics.Counter("hits", "Hits.", registry=registry).inc(2)
    fdmetrics.Gauge("dotted.name", "Dots.", ["la.bel"], registry=registry, multiprocess_mode="sum").labels("x").set(1)
    return registry


@pytest.fixture(params=["http", "asgi", "wsgi", "django"])
def ask(request: pytest.FixtureRequest, filled: fdmetrics.Registry) -> Iterator[Ask]:
    """Asks a server of the store: headers in, status, headers (in lower case) and body out."""
    if request.param == "http":
        server, _ = fdmetrics.start_http_server(0, registry=filled)
        yield lambda method="GET", query="", **headers: _over_http(server.server_port, method, query, headers)
        server.shutdown()
        server.server_close()
    else:
        yield {"asgi": _of_asgi, "wsgi": _of_wsgi, "django": _of_django}[request.param](filled)


def _over_http(port: int, method: str, query: str, headers: Headers) -> Tuple[int, Headers, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, f"/metrics?{query}", skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value.encode("utf-8"))
        connection.endheaders()
        response = connection.getresponse()
        return response.status, _lower(response.getheaders()), response.read()
    finally:
        connection.close()


def _of_asgi(registry: fdmetrics.Registry) -> Ask:
    app = asgi.make_asgi_app(registry)

    def ask(method: str = "GET", query: str = "", **headers: str) -> Tuple[int, Headers, bytes]:
        sent = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
        connection = Connection("/metrics", method, headers=sent)
        connection.scope["query_string"] = query.encode()
        start, body = connection.run(app)
        return start["status"], _lower([(a.decode(), b.decode()) for a, b in start["headers"]]), body["body"]

    return ask


def _environ(method: str, query: str, headers: Headers) -> Dict[str, Any]:
    # WSGI's texts are bytes taken for Latin-1.
    sent = {f"HTTP_{name.upper()}": value.encode().decode("latin-1") for name, value in headers.items()}
    return {"REQUEST_METHOD": method, "PATH_INFO": "/metrics", "QUERY_STRING": query, **sent}


def _of_wsgi(registry: fdmetrics.Registry) -> Ask:
    app = wsgi.make_wsgi_app(registry)

    def ask(method: str = "GET", query: str = "", **headers: str) -> Tuple[int, Headers, bytes]:
        started: List[Any] = []
        start: Any = lambda *arguments: started.extend(arguments)  # noqa: E731
        body = b"".join(app(_environ(method, query, headers), start))
        return int(started[0][:3]), _lower(started[1]), body

    return ask


def _of_django(registry: fdmetrics.Registry) -> Ask:
    settings = pytest.importorskip("django.conf").settings
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"])
    view = make_metrics_view(registry)

    class Request:
        def __init__(self, environ: Dict[str, Any]) -> None:
            self.META = environ
            self.method = environ["REQUEST_METHOD"]

    def ask(method: str = "GET", query: str = "", **headers: str) -> Tuple[int, Headers, bytes]:
        response = view(Request(_environ(method, query, headers)))
        return response.status_code, _lower(response.items()), response.content

    return ask


def _lower(headers: Any) -> Headers:
    return {name.lower(): value for name, value in headers}


@pytest.mark.parametrize(("accept", "format", "escaping", "content_type"), CASES)
def test_the_library_chooses(accept: str, format: str, escaping: str, content_type: str) -> None:
    assert negotiate(accept, "") == (format, escaping, content_type, False)
    assert negotiate(accept, "br, gzip").is_gzipped


def test_the_format_is_the_one_that_is_asked_for(ask: Ask, filled: fdmetrics.Registry) -> None:
    for accept, format, escaping, content_type in CASES:
        if "\0" in accept:
            continue  # No header has one.
        expected = filled.render(format=format, escaping=escaping)
        assert ask(Accept=accept)[1]["content-type"] == content_type
        status, headers, body = ask(Accept=accept, Accept_Encoding="gzip")
        assert (status, headers["content-encoding"], gzip.decompress(body)) == (200, "gzip", expected)
        assert headers["vary"] == "Accept, Accept-Encoding"
    families = {family.name: family for family in parse_openmetrics(ask(Accept=PROMETHEUS_3)[2].decode())}
    assert families["dotted.name"].samples[0].labels == {"la.bel": "x"}
    assert b'"dotted.name"' not in ask()[2]


def test_names_choose_families(ask: Ask) -> None:
    def types(query: str, accept: str = "") -> List[str]:
        body = ask(query=query, Accept=accept)[2].decode()
        return [line.split()[2] for line in body.splitlines() if line.startswith("# TYPE")]

    everything = ["dotted_name", "hits_total"]
    assert types("") == types("a=b") == types("name=hits_total") == everything
    assert types("name[]=hits_total") == types("name[]=hits") == types("name%5B%5D=hits&x=1") == ["hits_total"]
    assert types(f"name[]={quote('dotted.name')}", PROMETHEUS_3) == ['"dotted.name"']
    assert types("name[]=hits&name[]=dotted.name") == everything
    assert types("name[]=nothing") == types("name[]=hits%00") == types("name[]=%FF") == []
    assert types("name[]=") == everything


def test_nothing_is_sent_twice(ask: Ask, filled: fdmetrics.Registry) -> None:
    status, headers, body = ask()
    tag = headers["etag"]
    assert status == 200 and body
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        status, headers, body = ask(If_None_Match=known)
        assert (status, headers["etag"], body) == (304, tag, b"")
    # Another format, another encoding, and another text have other tags.
    assert ask(If_None_Match=tag, Accept=PROMETHEUS_2)[0] == 200
    assert ask(If_None_Match=tag, Accept_Encoding="gzip")[0] == 200
    assert ask("HEAD", If_None_Match=tag)[0] == 304
    fdmetrics.Counter("hits", "Hits.", registry=filled).inc()
    assert ask(If_None_Match=tag)[0] == 200


def test_a_wrong_choice_is_told(filled: fdmetrics.Registry) -> None:
    for wrong in ({"format": "json"}, {"escaping": "allow-utf8"}, {"names": "hits"}):
        with pytest.raises(fdmetrics.InvalidArgumentError, match=next(iter(wrong))):
            filled.render(**wrong)  # type: ignore[arg-type]
    assert list(FORMATS) == ["text", "openmetrics", "protobuf"]
    assert list(ESCAPINGS) == ["underscores", "dots", "values", "allow-utf-8"]
    path = filled.path
    assert fdmetrics.render_directory(path, format="openmetrics") == filled.render(format="openmetrics")
    assert fdmetrics.render_directory(path, names=["hits"]) == fdmetrics.generate_latest(filled, names={"hits_total"})
