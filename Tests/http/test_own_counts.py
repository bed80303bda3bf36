# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the server counts of its own requests."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from pathlib import Path

from authority import Authority
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from serving import Recorder, Server, UnixConnection, ask, read_all, wait_for

NAMES = ["fdmetrics_http_request_failures", "fdmetrics_http_requests", "fdmetrics_http_response_bytes"]
REASONS = {
    "busy", "client_gone", "connection_limit", "render", "render_timeout", "request_timeout", "slow_client",
    "tls_handshake",
}  # fmt: skip
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"


def requests(server: Server, code: int) -> float:
    """How many requests had an answer of this status, before this one."""
    return server.get().value(f'fdmetrics_http_requests_total{{code="{code}"}}')


def failures(server: Server, reason: str) -> float:
    """How many failed for this reason."""
    return server.get().value(f'fdmetrics_http_request_failures_total{{reason="{reason}"}}')


def test_requests_and_bytes(server: Server) -> None:
    first = server.get()
    assert first.value('fdmetrics_http_requests_total{code="200"}') == 0
    assert first.value("fdmetrics_http_response_bytes_total") == 0
    second = server.get()
    assert second.value('fdmetrics_http_requests_total{code="200"}') == 1
    assert second.value("fdmetrics_http_response_bytes_total") == len(first.body)
    packed = server.get(accept_encoding="gzip")
    assert server.get().value("fdmetrics_http_response_bytes_total") == sum(
        len(answer.body) for answer in (first, second, packed)
    )
    assert server.get("/nothing").status == 404
    assert server.get(method="POST").status == 405
    assert server.get("/healthz", "OPTIONS").status == 204
    assert server.get(host="evil.example").status == 421
    assert server.exchange(b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    for code in (404, 405, 204, 421, 400):
        assert requests(server, code) == 1, code
    assert requests(server, 200) == 9
    # None of it is the server's fault.
    assert not any(failures(server, reason) for reason in REASONS)


def delimited_names(body: bytes) -> list[str]:
    """The names of the families of the protobuf format: field 1 of each message, after the message's length."""

    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = body[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return value, at

    names, at = [], 0
    while at < len(body):
        length, at = varint(at)
        assert body[at] == 0x0A
        size, start = varint(at + 1)
        names.append(body[start : start + size].decode())
        at += length
    assert at == len(body)
    return names


def test_all_formats(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("few")
    server = serve("--process-metrics", "none")
    text = {family.name: family for family in text_string_to_metric_families(server.get().text)}
    open_text = server.get(accept="application/openmetrics-text").text
    assert open_text.endswith("# EOF\n")
    open_families = {family.name: family for family in openmetrics_families(open_text)}
    for families in (text, open_families):
        assert list(families) == sorted(families)
        assert [name for name in families if "_http_" in name] == NAMES
        assert all(families[name].type == "counter" and families[name].documentation for name in NAMES)
        assert {sample.labels["reason"] for sample in families[NAMES[0]].samples} == REASONS
        assert [sample.labels for sample in families[NAMES[1]].samples] == [{"code": "200"}]
        assert [sample.labels for sample in families[NAMES[2]].samples] == [{}]
    names = delimited_names(server.get(accept=PROTOBUF).body)
    assert names == sorted(names)
    assert [name for name in names if "_http_" in name] == [f"{name}_total" for name in NAMES]


def test_names_choose(server: Server) -> None:
    assert server.get("/metrics?name[]=steps").text.count("# TYPE ") == 1
    for name in ("fdmetrics_http_requests", "fdmetrics_http_requests_total"):
        chosen = server.get(f"/metrics?name[]={name}").text
        assert chosen.count("# TYPE ") == 1
        assert 'fdmetrics_http_requests_total{code="200"}' in chosen


def test_not_without_self_metrics(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("few")
    server = serve("--no-self-metrics", "--process-metrics", "none")
    tag = server.get().headers["etag"]
    assert server.get(if_none_match=tag).status == 304
    for accept in ("", "application/openmetrics-text", PROTOBUF):
        assert b"fdmetrics_" not in server.get(accept=accept).body


# MARK: failures


def test_requests_that_do_not_come(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("few")
    server = serve("--request-timeout", "1")
    # Half a head; a head without its body; and nothing at all, which is no request.
    server.exchange(b"GET /metrics HTTP/1.1\r\nHo")
    server.exchange(b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
    server.exchange(b"")
    assert failures(server, "request_timeout") == 2
    assert requests(server, 408) == 1


def test_clients_that_take_nothing_or_go(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("many", "100000")
    server = serve("--write-timeout", "1")
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.slow_socket() as slow:
        slow.sendall(request)
        wait_for("slow_client", lambda: failures(server, "slow_client") == 1)
    with server.slow_socket() as gone:
        gone.sendall(request)
        gone.recv(100)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for("client_gone", lambda: failures(server, "client_gone") == 1)
    assert failures(server, "slow_client") == 1


def test_connections_past_the_limit(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("few")
    server = serve("--max-connections", "2")
    clients = [server.socket() for _ in range(5)]
    assert server.get().status == 200
    assert failures(server, "connection_limit") >= 3
    for client in clients:
        client.close()


def test_handshakes_that_fail(serve: Callable[..., Server], recorder: Recorder, folder: Path, tmp_path: Path) -> None:
    recorder.start("few")
    pair = Authority(tmp_path, "authority").sign("server")
    server = serve(
        *("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key), "--unix", str(folder / "socket")),
    )
    for _ in range(3):
        with server.socket() as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            read_all(client)
    local = UnixConnection(folder / "socket")
    assert ask(local, "/metrics").value('fdmetrics_http_request_failures_total{reason="tls_handshake"}') == 3
    local.close()


def test_store_that_cannot_be_rendered(serve: Callable[..., Server], recorder: Recorder, folder: Path) -> None:
    (folder / "store").mkdir()
    segment = folder / "store" / "fdmetrics-0.seg"
    segment.write_bytes(b"no store" * 10_000)
    server = serve()
    assert server.get().status == 500
    segment.unlink()
    recorder.start("few")
    assert failures(server, "render") == 1
    assert requests(server, 500) == 1
