# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""start_http_server: where a request ends, which host it is for, and when a connection stays (RFC 9112)."""

from __future__ import annotations

import http.client
import socket
import time
from typing import Any, Iterator

import pytest

from fdmetrics import Counter, Registry, start_http_server

from .http_support import PATIENCE, answers, connected, get, responses, serving, statuses, until_the_end

ENDING = get("Connection: close")
CHUNKED = get("Transfer-Encoding: chunked")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server, one for all tests: none of them may do it harm."""
    registry = Registry(tmp_path_factory.mktemp("framing") / "store")
    Counter("hits", "Hits.", registry=registry).inc(2)
    with serving(registry) as port:
        yield port
    registry.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        get("Content-Length: 4", "Content-Length: 4"),
        get("Content-Length: 4", "Content-Length: 5"),
        get("Content-Length: 4, 4"),
        get("Content-Length: +4"),
        get("Content-Length: -4"),
        get("Content-Length: 4_0"),
        get("Content-Length: 0x4"),
        get("Content-Length: 4 4"),
        get("Content-Length:"),
        get("Content-Length: 4", "Transfer-Encoding: chunked"),
        get("Transfer-Encoding: chunked", "Content-Length: 4"),
        get("Transfer-Encoding: chunked, chunked"),
        get("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        get("Transfer-Encoding: xchunked"),
        get("Transfer-Encoding:"),
        get("Transfer-Encoding: chunked", line="GET /metrics HTTP/1.0"),
        get("Content-Length : 4"),
        get("Content-Length\t: 4"),
        get(" Content-Length: 4"),
        get("Accept: text/plain", " , text/html"),
        get("Accept: text/plain", "\t, text/html"),
        get("Accept: a\rContent-Length: 4"),
        get("Accept: a\r"),
        get("Accept: a\0b"),
        get("Accept: a\x7f"),
        get("Accept"),
        get(": nothing"),
        get("Acc ept: a"),
        get("A\xe4: a"),
        get().replace(b"\r\n", b"\n"),
        get("Accept: a\nContent-Length: 4"),
        b"\r\n\r\n" + get(),
        get(line="GET  /metrics HTTP/1.1"),
        get(line="GET /metrics  HTTP/1.1"),
        get(line=" GET /metrics HTTP/1.1"),
        get(line="GET /metrics HTTP/1.1 "),
        get(line="GET\t/metrics HTTP/1.1"),
        get(line="GET /met rics HTTP/1.1"),
        get(line="GET /met\xe4rics HTTP/1.1"),
        get(line="GET /metrics http/1.1"),
        get(line="GET /metrics HTTP/1.10"),
        get(line="GET /metrics HTTP/+1.1"),
        get(line="GET /metrics\rHTTP/1.1"),
        get(line="GET /metrics"),
        get(line="G(T /metrics HTTP/1.1"),
        get(host=""),
        get("Host: localhost"),
        get("Host: localhost", line="GET /metrics HTTP/1.0"),
        get(host="Host: local host"),
        get(host="Host: localhost/x"),
        get(host="Host: user@localhost"),
        get(host="Host: localhost:http"),
        get(line="GET http://user@localhost/metrics HTTP/1.1"),
    ],
)
def test_what_could_be_understood_in_two_ways_is_refused_and_ends_the_connection(
    port: int, request_bytes: bytes
) -> None:
    (only,) = answers(port, request_bytes, get())
    assert only.status == 400, only
    assert only.headers["Connection"] == "close"
    assert only.body.startswith(b"Bad request: ")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get("Transfer-Encoding: gzip, chunked"), 501),
        (get("Content-Length: 65537"), 413),
        (get("Content-Length: 999999999999999999"), 413),
        (CHUNKED + b"10001\r\n", 413),
        (CHUNKED + b"ffffffffffffffff\r\n", 413),
        (CHUNKED + b"1\r\nx\r\n" * 11000, 413),
        (CHUNKED + b"1;" + b"x" * 70000, 413),
        (CHUNKED + b"0\r\n" + b"A: x\r\n" * 12000, 413),
        (get(line="GET /metrics HTTP/2.0"), 505),
        (get(line="GET /metrics HTTP/0.9"), 505),
        (get(line="GET /" + "x" * 8192 + " HTTP/1.1"), 414),
        (b"x" * 20000, 414),
        (get("A: " + "x" * 16384), 431),
        (get(*["A: x"] * 3000), 431),
    ],
)
def test_other_refusals_end_the_connection_too(port: int, request_bytes: bytes, status: int) -> None:
    (only,) = answers(port, request_bytes, get())
    assert (only.status, only.headers["Connection"]) == (status, "close")


def test_a_request_line_and_headers_just_within_their_bounds_are_taken(port: int) -> None:
    line = "GET /metrics?" + "x" * (8192 - len("GET /metrics? HTTP/1.1")) + " HTTP/1.1"
    assert statuses(port, get(line=line), ENDING) == (200, 200)
    # The bound is of the lines with their ends, without the empty one.
    rest = 16384 - len("Host: localhost\r\n") - len("A: \r\n")
    assert statuses(port, get("A: " + "x" * rest), ENDING) == (200, 200)
    assert statuses(port, get("A: " + "x" * (rest + 1)), ENDING) == (431,)


@pytest.mark.parametrize(
    "request_bytes",
    [
        get(),
        b"\r\n" + get(),
        get("Accept:text/plain"),
        get("Accept: \t text/plain \t"),
        get("Accept:"),
        get("User-Agent: \xe4"),
        get("Content-Length: 0"),
        get("Content-Length: 5") + b"GET /",
        get("Connection: keep-alive", line="GET /metrics HTTP/1.0"),
        get("Connection: Keep-Alive", line="GET /metrics HTTP/1.0", host=""),
        get(line="GET http://localhost/metrics HTTP/1.1"),
        get(line="GET HTTP://127.0.0.1:80/metrics?name[]=hits HTTP/1.1"),
        get(line="GET http://localhost HTTP/1.1"),
        get(line="GET /metrics HTTP/1.2"),
    ],
)
def test_connections_stay_for_further_requests(port: int, request_bytes: bytes) -> None:
    received = answers(port, request_bytes, request_bytes, ENDING)
    assert [response.status for response in received] == [200, 200, 200]
    assert all(b"hits_total 2.0" in response.body for response in received)


def test_requests_may_come_byte_by_byte_and_many_at_once(port: int) -> None:
    with connected(port) as connection:
        for byte in get():
            connection.sendall(bytes([byte]))
        connection.sendall(get() * 20 + ENDING)
        assert [response.status for response in responses(until_the_end(connection))] == [200] * 22


@pytest.mark.parametrize(
    "request_bytes",
    [
        ENDING,
        get("Connection: x, Close"),
        get(line="GET /metrics HTTP/1.0", host=""),
        CHUNKED + b"0\r\n\r\n",
        CHUNKED + b"3\r\nabc\r\n00A;name=value\r\n0123456789\r\n000 ;x\r\n\r\n",
        CHUNKED + b"1\r\n\n\r\n0\r\nName: value\r\nOther: x\r\n\r\n",
        CHUNKED + b"fff0\r\n" + b"x" * 0xFFF0 + b"\r\n0\r\n\r\n",
        CHUNKED + b"1\r\nx\r\n" * 10000 + b"0\r\n\r\n",
        get("Transfer-Encoding: chunked", "Expect: 100-continue"),
        get("Expect: 100-continue", "Content-Length: 4"),
    ],
)
def test_connections_end_where_the_client_ends_them_or_the_next_request_is_not_to_be_told(
    port: int, request_bytes: bytes
) -> None:
    (only,) = answers(port, request_bytes, get())
    assert (only.status, only.headers["Connection"]) == (200, "close")


@pytest.mark.parametrize(
    "body",
    [
        *(
            size + b"\r\nabc\r\n0\r\n\r\n"
            for size in (b"+3", b"-3", b"0x3", b"f" * 20, b"3_0", b"", b";x", b" 3", b"3 ", b"3 3", b"3;\0")
        ),
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabc\r\n0x0\r\n\r\n",
        b"0\r\nName : value\r\n\r\n",
        b"0\r\nName: value\n\r\n",
    ],
)
@pytest.mark.parametrize("head", [CHUNKED, get("Transfer-Encoding: chunked", "Connection: close")])
def test_chunks_that_could_be_understood_in_two_ways_are_refused(port: int, head: bytes, body: bytes) -> None:
    (only,) = answers(port, head + body, get())
    assert (only.status, only.headers["Connection"]) == (400, "close")
    assert only.body.startswith(b"Bad request: ")


def test_chunks_may_come_byte_by_byte(port: int) -> None:
    with connected(port) as connection:
        for byte in CHUNKED + b"3;x\r\nabc\r\n0\r\nA: b\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert [response.status for response in responses(until_the_end(connection))] == [200]


@pytest.mark.parametrize("body", [b"", b"3", b"3\r\nab", b"3\r\nabc\r", b"0\r\n", b"0\r\nA: b\r\n"])
def test_chunks_that_do_not_come_to_their_end_are_not_answered(port: int, body: bytes) -> None:
    assert answers(port, CHUNKED + body) == []


def test_a_body_that_does_not_come_to_its_end_is_not_answered(port: int) -> None:
    assert answers(port, get("Content-Length: 5") + b"1234") == []


def test_other_methods_are_told_which_there_are(port: int) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "NEW"):
        request = get("Content-Length: 3", line=f"{method} /metrics HTTP/1.1") + b"abc"
        refused, taken = answers(port, request, ENDING)
        assert (refused.status, refused.headers["Allow"], taken.status) == (405, "GET, HEAD", 200)


def test_head_leaves_the_connection_in_step(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    for method in ("HEAD", "GET", "HEAD", "GET"):
        connection.request(method, "/metrics")
        response = connection.getresponse()
        assert (b"hits_total 2.0" in response.read()) == (method == "GET")
        assert int(response.getheader("Content-Length", "")) > 0
        kept = connection.sock
        assert kept is not None
    connection.close()


def test_answers_have_a_date_and_say_nothing_of_the_program(port: int) -> None:
    (only,) = answers(port, ENDING)
    assert time.strptime(only.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")
    assert "Server" not in only.headers


# Hosts ----------------------------------------------------------------------------------------------------------------

LOCAL = ["localhost", "LOCALHOST:80", "localhost.", "127.0.0.1", "127.0.0.1:9", "127.1.2.3", "[::1]", "[::1]:80"]
FOREIGN = ["attacker.example", "localhost.attacker.example", "10.0.0.1", "127.0.0.1.nip.io", "[::2]", "0.0.0.0", ""]


def hosts_taken(port: int, host: str) -> int:
    (only,) = answers(port, get("Connection: close", host=f"Host: {host}"))
    return only.status


def test_a_loopback_server_is_for_loopback_names(port: int) -> None:
    assert [hosts_taken(port, host) for host in [*LOCAL, "[::ffff:127.0.0.1]"]] == [200] * (len(LOCAL) + 1)
    assert [hosts_taken(port, host) for host in FOREIGN] == [421] * len(FOREIGN)
    # The target's own host is the one that counts.
    assert statuses(port, get("Connection: close", line="GET http://attacker.example/metrics HTTP/1.1")) == (421,)
    # A refusal tells nothing, and the next request is taken.
    refused, taken = answers(port, get(host="Host: attacker.example"), ENDING)
    assert (b"hits" in refused.body, taken.status) == (False, 200)


def test_a_client_of_http_1_0_need_not_say_a_host(port: int) -> None:
    assert statuses(port, get(line="GET /metrics HTTP/1.0", host="")) == (200,)
    assert statuses(port, get(line="GET /metrics HTTP/1.0", host="Host: attacker.example")) == (421,)


def test_further_hosts_may_be_allowed(registry: Registry) -> None:
    with serving(registry, allowed_hosts=["Metrics.Example"]) as port:
        assert [hosts_taken(port, host) for host in ("metrics.example:80", "localhost", "other.example")] == [
            200,
            200,
            421,
        ]
    with pytest.raises(ValueError, match="give a list of names"):
        start_http_server(0, registry=registry, allowed_hosts="metrics.example")


@pytest.mark.parametrize("hosts", [[5], ["metrics.example", b"other.example"], [None], 5, None])
def test_hosts_that_are_no_names_are_an_error_that_says_so(registry: Registry, hosts: Any) -> None:
    with pytest.raises(TypeError, match=r"allowed_hosts (is|has) .*: give .*names, each a str"):
        start_http_server(0, registry=registry, allowed_hosts=hosts)


def test_a_server_for_other_hosts_takes_any_name_unless_it_is_told_some(registry: Registry) -> None:
    for options, expected in (({}, [200, 200]), ({"allowed_hosts": ("metrics.example",)}, [200, 421])):
        server, _ = start_http_server(0, "0.0.0.0", registry, **options)  # type: ignore[arg-type]
        try:
            port = server.server_port
            assert [hosts_taken(port, host) for host in ("metrics.example", "attacker.example")] == expected
        finally:
            server.shutdown()
            server.server_close()


def test_an_end_of_the_client_ends_the_connection(port: int) -> None:
    for sent in (b"", b"GET", get()[:-2]):
        with connected(port) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert until_the_end(connection) == b""
