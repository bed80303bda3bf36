# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Who gets an answer: by which names a server may be called, and who has its token."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from pathlib import Path

import pytest

from serving import HANG_SECONDS, Recorder, Server, UnixConnection, ask, wait_for

PATHS = ["/metrics", "/", "/api/store", "/healthz", "/nothing"]


# MARK: names


def status_for(server: Server, host: str, path: str = "/metrics") -> int:
    """The status of a request for a host."""
    return server.get(path, host=host).status


def test_loopback_address_answers_to_no_name_of_others(server: Server) -> None:
    for host in ("localhost", f"localhost:{server.port}", "127.0.0.1", "127.3.2.1:1", "[::1]:9919", "LocalHost."):
        assert status_for(server, host) == 200, host
    for path in PATHS:
        # As a browser asks that was led here by a page of that name.
        answer = server.get(path, host=f"evil.example:{server.port}", origin="http://evil.example")
        assert answer.status == 421
        assert "evil.example" in answer.text
        assert "--allowed-host" in answer.text
        assert "steps" not in answer.text
    for host in ("", "10.0.0.1", "localhost.evil.example", "evil.example@localhost:1", "[::2]"):
        assert status_for(server, host) == 421, host
    # The connection stays: nothing is wrong with it.
    client = server.connection()
    assert ask(client, "/metrics", headers={"Host": "evil.example"}).status == 421
    assert ask(client, "/metrics").status == 200
    client.close()


def test_what_old_clients_and_proxies_send(server: Server) -> None:
    assert server.exchange(b"GET /metrics HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")
    assert server.exchange(b"GET /metrics HTTP/1.0\r\nHost: evil.example\r\n\r\n").startswith(b"HTTP/1.0 421 ")
    form = b"GET http://%s/metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
    assert server.exchange(form % (b"evil.example", b"localhost")).startswith(b"HTTP/1.1 421 ")
    assert server.exchange(form % (b"localhost:1", b"evil.example")).startswith(b"HTTP/1.1 200 ")


def test_names_that_are_given(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("few")
    server = serve("--allowed-host", "metrics.example", "--allowed-host", "Other.Example")
    for host in ("metrics.example", "METRICS.example:443", "other.example.", "localhost"):
        assert status_for(server, host) == 200, host
    assert status_for(server, "evil.example") == 421


def test_other_addresses_answer_to_any_name_unless_some_are_given(
    serve: Callable[..., Server], recorder: Recorder
) -> None:
    recorder.start("few")
    for arguments, status in (((), 200), (("--allowed-host", "metrics.example"), 421)):
        server = serve("--listen", "0.0.0.0:0", *arguments)
        wait_for("two listen", lambda server=server: server.log.count(" serving ") == 2)  # type: ignore[misc]
        line = next(line for line in server.lines if "0.0.0.0" in line)
        client = http.client.HTTPConnection("127.0.0.1", int(line.split(":")[-1].split("/")[0]), timeout=HANG_SECONDS)
        assert ask(client, "/metrics", headers={"Host": "any.example"}).status == status
        assert ask(client, "/metrics", headers={"Host": "metrics.example"}).status == 200
        assert ask(client, "/metrics").status == 200
        client.close()


def test_unix_socket_answers_to_any_name(serve: Callable[..., Server], recorder: Recorder, folder: Path) -> None:
    recorder.start("few")
    server = serve("--unix", str(folder / "socket"), "--allowed-host", "metrics.example", listens=False)
    client = UnixConnection(folder / "socket")
    assert ask(client, "/metrics", headers={"Host": "any.example"}).status == 200
    client.close()
    assert server.process.poll() is None


# MARK: a token


@pytest.fixture
def guarded(serve: Callable[..., Server], recorder: Recorder, folder: Path) -> Server:
    """A server that asks for a token."""
    recorder.start("few")
    (folder / "token").write_text("s3cret-word\n")
    return serve("--bearer-token-file", str(folder / "token"), "--unix", str(folder / "socket"))


def test_token(guarded: Server) -> None:
    for path in PATHS:
        expected = {"/healthz": 200, "/nothing": 404}.get(path, 200)
        assert guarded.get(path, authorization="Bearer s3cret-word").status == expected
        assert guarded.get(path, authorization="bearer s3cret-word").status == expected
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            refused = guarded.get(path, method)
            if path == "/healthz":
                assert refused.status != 401
                continue
            assert refused.status == 401
            assert refused.headers["www-authenticate"] == "Bearer"
            assert b"steps" not in refused.body
    for header in ("Bearer wrong", "Bearer s3cret-wor", "Bearer s3cret-word2", "Bearer s3cret-wordx"):
        answer = guarded.get(authorization=header)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    for header in ("s3cret-word", "Basic s3cret-word", "Bearer", ""):
        answer = guarded.get(authorization=header)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert guarded.get("/healthz").text == "ok\n"
    assert "s3cret" not in guarded.log


def test_token_over_a_unix_socket(guarded: Server, folder: Path) -> None:
    wait_for("two listen", lambda: guarded.log.count(" serving ") == 2)
    client = UnixConnection(folder / "socket")
    assert ask(client, "/metrics").status == 401
    assert ask(client, "/metrics", headers={"Authorization": "Bearer s3cret-word"}).status == 200
    client.close()


def test_each_request_needs_it(guarded: Server) -> None:
    with_token = {"authorization": "Bearer s3cret-word"}
    assert guarded.get().status == 401
    assert guarded.get(**with_token).value('fdmetrics_http_requests_total{code="401"}') == 1
    # Also the second of a connection.
    client = guarded.connection()
    assert ask(client, "/metrics", headers={"Authorization": "Bearer s3cret-word"}).status == 200
    assert ask(client, "/metrics").status == 401
    client.close()
