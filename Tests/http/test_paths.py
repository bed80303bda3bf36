# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Every path, method and status."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from serving import Server, ask, read_all, send_no_more

ALLOWED = {"GET", "HEAD", "OPTIONS"}


def test_metrics(server: Server) -> None:
    answer = server.get()
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.value("steps_total") == 0
    assert answer.value('delay_seconds_bucket{le="1.0"}') == 1
    assert answer.value("level") == 3


def test_healthz(server: Server) -> None:
    answer = server.get("/healthz")
    assert (answer.status, answer.text) == (200, "ok\n")


def test_page_has_what_keeps_a_browser_safe(server: Server) -> None:
    answer = server.get("/")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/"])
def test_head_is_get_without_a_body(server: Server, path: str) -> None:
    connection = server.connection()
    head = ask(connection, path, "HEAD")
    # The same connection goes on: no byte of a body came.
    get = ask(connection, path)
    assert head.status == get.status == 200
    assert head.body == b""
    assert head.headers["content-type"] == get.headers["content-type"]
    assert int(head.headers["content-length"]) > 0
    connection.close()


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/", "/api/store"])
def test_options(server: Server, path: str) -> None:
    answer = server.get(path, "OPTIONS")
    assert (answer.status, answer.body) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == ALLOWED


@pytest.mark.parametrize("target", ["/metrics", "/nothing"])
def test_a_client_that_asks_before_it_sends_a_body(server: Server, target: str) -> None:
    with server.socket() as client:
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n"
        client.sendall(f"{head}Connection: close\r\n\r\n".encode())
        said = b""
        while b"\r\n\r\n" not in said:
            said += client.recv(1)
        assert said == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert read_all(client).startswith(b"HTTP/1.1 200 OK\r\n" if target == "/metrics" else b"HTTP/1.1 404 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/"])
def test_other_methods(server: Server, method: str, path: str) -> None:
    answer = server.get(path, method)
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == ALLOWED
    assert answer.text.endswith("\n")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/metrics/",
        "/metricsx",
        "/metrics/../../etc/passwd",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/....//....//etc/passwd",
        "/api/../../etc/passwd",
        "/static/%00",
        "//etc/passwd",
    ],
)
def test_no_such_path(server: Server, path: str) -> None:
    for method in ("GET", "HEAD"):
        answer = server.get(path, method)
        assert answer.status == 404, path
        assert b"root:" not in answer.body
    assert server.get(path).text.startswith("not found")
    assert server.get().status == 200


def test_absolute_form(serve: Callable[..., Server]) -> None:
    server = serve("--allowed-host", "metrics.example")
    raw = server.exchange(
        b"GET http://metrics.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert raw.startswith(b"HTTP/1.1 200 ")
    assert raw.endswith(b"\r\n\r\nok\n")


def test_http_1_0(server: Server) -> None:
    raw = server.exchange(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert raw.startswith(b"HTTP/1.0 200 ")
    assert raw.endswith(b"ok\n")


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    request = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    raw = server.exchange(request % b"metrics" + request % b"healthz" + request % b"nothing" + last)
    statuses = [part.split(b" ", 1)[0] for part in raw.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"200", b"404", b"200"]
    assert raw.index(b"steps_total") < raw.index(b"ok\n") < raw.index(b"not found")


def test_client_that_sends_no_more_still_gets_its_answer(server: Server) -> None:
    with server.socket() as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        send_no_more(client)
        assert b"steps_total 0.0" in read_all(client)
