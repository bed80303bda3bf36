# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""start_http_server."""

from __future__ import annotations

import errno
import gzip
import http.client
import socket
from typing import Iterator, Tuple

import pytest

from fdmetrics import CONTENT_TYPE_LATEST, Counter, Registry, start_http_server

from .support import Samples


@pytest.fixture
def port(registry: Registry) -> Iterator[int]:
    """The port of a server for the test's registry."""
    server, thread = start_http_server(0, registry=registry)
    assert thread.daemon
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def request(port: int, method: str, path: str) -> Tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/metrics", "/", "/metrics?name=x"])
def test_the_metrics_are_served(registry: Registry, port: int, path: str) -> None:
    Counter("hits", "Hits.", registry=registry).inc(2)
    response, body = request(port, "GET", path)
    assert response.status == 200
    assert response.getheader("Content-Type") == CONTENT_TYPE_LATEST
    assert response.getheader("Content-Length") == str(len(body))
    assert Samples(body).get("hits_total") == 2


def test_head_has_the_headers_alone(registry: Registry, port: int) -> None:
    Counter("hits", "Hits.", registry=registry).inc(2)
    response, body = request(port, "HEAD", "/metrics")
    assert (response.status, body) == (200, b"")
    assert response.getheader("Content-Length") == str(len(registry.render()))


def test_other_paths_are_not_found(port: int) -> None:
    for path in ("/metricsx", "/metrics/", "/favicon.ico"):
        assert request(port, "GET", path)[0].status == 404


def test_nothing_is_logged(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    request(port, "GET", "/metrics")
    request(port, "GET", "/nothing")
    assert capfd.readouterr() == ("", "")


def test_a_failure_is_told(registry: Registry, port: int) -> None:
    registry.close()
    response, body = request(port, "GET", "/metrics")
    assert response.status == 500
    assert b"StoreClosedError" in body
    assert str(registry._directory).encode() in body


def test_an_address_that_cannot_be_had_is_named(registry: Registry, port: int) -> None:
    with pytest.raises(socket.gaierror, match=r"addr='300\.1\.1\.1' port=8000: ") as unknown:
        start_http_server(8000, addr="300.1.1.1", registry=registry)
    assert unknown.value.errno in (socket.EAI_NONAME, socket.EAI_AGAIN)
    with pytest.raises(OSError, match=rf"addr='127\.0\.0\.1' port={port}: .*in use") as taken:
        start_http_server(port, addr="127.0.0.1", registry=registry)
    assert taken.value.errno == errno.EADDRINUSE


def test_ipv6_is_served(registry: Registry) -> None:
    try:
        server, thread = start_http_server(0, addr="::1", registry=registry)
    except OSError as error:
        assert error.errno is not None  # A machine without IPv6 says so, as for any server.
        return
    server.shutdown()
    server.server_close()
    thread.join()
    assert server.address_family == socket.AF_INET6


def test_the_text_is_compressed_on_request_and_options_reach_it(registry: Registry) -> None:
    Counter("c", "C.", registry=registry).inc()
    server, _ = start_http_server(0, registry=registry, process_metrics=True, self_metrics=True)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        response = connection.getresponse()
        assert response.getheader("Content-Encoding") == "gzip"
        text = gzip.decompress(response.read()).decode()
        connection.close()
    finally:
        server.shutdown()
        server.server_close()
    assert {"c_total 1.0", "fdmetrics_live_processes 1.0", "process_threads"} <= {
        line if not line.startswith("process_threads ") else "process_threads" for line in text.splitlines()
    }
