# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""start_http_server with TLS, fdmetrics' own and the drop-in's."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import subprocess
import urllib.error
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest

import fdmetrics.prometheus_client as dropin
from fdmetrics import Counter, Registry, start_http_server
from fdmetrics._http_tls import TLS
from fdmetrics.http_server import Limits
from fdmetrics.pushgateway import tls_auth_handler

from .http_support import PATIENCE, connected, get, responses, serving, until_the_end

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Authorities ca and other, and certificates by the former: NAME.pem, NAME.key, both of them in NAME.both."""
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    request = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ca", "other"):
        openssl(
            *request, "-x509", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"
        )
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name in ("server", "client"):
        openssl(*request, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ("x509", "-req", "-days", "2", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        openssl(*signed, "-in", f"{name}.csr", "-extfile", "names", "-out", f"{name}.pem")
        both = (folder / f"{name}.key").read_text() + (folder / f"{name}.pem").read_text()
        (folder / f"{name}.both").write_text(both)
    return folder


@pytest.fixture(params=["fdmetrics", "drop-in"])
def start(request: pytest.FixtureRequest, registry: Registry) -> Iterator[Start]:
    """start_http_server for the test's registry; its servers are closed in the end."""
    Counter("hits", "Hits.", registry=registry).inc(2)
    ours: Any = registry
    function: Any = start_http_server
    if request.param == "drop-in":
        ours, function = dropin.CollectorRegistry(store=registry), dropin.start_http_server
        dropin.Counter("hits", "Hits.", registry=ours)
    with contextlib.ExitStack() as stack:

        def started(**options: Any) -> Any:
            told = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
            server, thread = function(0, "127.0.0.1", ours, **told)
            assert thread.daemon
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return server

        yield started


def trusting(keys: Path, client: Optional[str] = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    if client is not None:
        context.load_cert_chain(str(keys / f"{client}.pem"), str(keys / f"{client}.key"))
    return context


def scraped(port: int, context: ssl.SSLContext) -> bytes:
    """What a scraper gets that keeps its connection."""
    connection = http.client.HTTPSConnection("localhost", port, timeout=PATIENCE, context=context)
    try:
        for _ in range(3):
            connection.request("GET", "/metrics")
            body = connection.getresponse().read()
        return body
    finally:
        connection.close()


def test_metrics_are_served_over_tls(start: Start, keys: Path) -> None:
    ways: List[Dict[str, Any]] = [
        {"certfile": keys / "server.pem", "keyfile": keys / "server.key"},
        {"certfile": keys / "server.both"},
        {"certfile": keys / "server.both", "protocol": ssl.PROTOCOL_TLS_SERVER},
    ]
    for options in ways:
        assert b"hits_total 2.0\n" in scraped(start(**options).server_port, trusting(keys))


def test_a_version_of_tls_may_be_asked_for(start: Start, keys: Path) -> None:
    server = start(certfile=keys / "server.both", tls_min_version=ssl.TLSVersion.TLSv1_3)
    context = trusting(keys)
    assert b"hits_total 2.0\n" in scraped(server.server_port, context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        scraped(server.server_port, context)


def test_clients_may_be_asked_for_a_certificate(start: Start, keys: Path) -> None:
    server = start(certfile=keys / "server.both", client_cafile=keys / "ca.pem", client_auth_required=True)
    assert b"hits_total 2.0\n" in scraped(server.server_port, trusting(keys, "client"))
    for client in (None, "other"):
        with pytest.raises(OSError):
            scraped(server.server_port, trusting(keys, client))
    # As in prometheus_client, an authority alone asks nobody.
    server = start(certfile=keys / "server.both", client_cafile=keys / "ca.pem")
    assert b"hits_total 2.0\n" in scraped(server.server_port, trusting(keys))


def test_authorities_may_be_in_a_directory(start: Start, keys: Path, tmp_path: Path) -> None:
    named = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(keys / "ca.pem")], check=True, capture_output=True, text=True
    )
    (tmp_path / f"{named.stdout.strip()}.0").symlink_to(keys / "ca.pem")
    server = start(certfile=keys / "server.both", client_capath=tmp_path, client_auth_required=True)
    assert b"hits_total 2.0\n" in scraped(server.server_port, trusting(keys, "client"))
    with pytest.raises(OSError):
        scraped(server.server_port, trusting(keys))


def test_what_would_serve_without_tls_by_mistake_is_an_error(start: Start, keys: Path) -> None:
    ways: List[Dict[str, Any]] = [
        {"keyfile": keys / "server.key"},
        {"client_cafile": keys / "ca.pem"},
        {"client_auth_required": True},
    ]
    for options in ways:
        with pytest.raises(ValueError, match="is given without certfile"):
            start(**options)


def test_files_that_cannot_be_used_are_named(start: Start, keys: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    for certificate in (tmp_path / "none.pem", broken):
        with pytest.raises(OSError, match=f"certfile=.*{certificate.name}"):
            start(certfile=certificate)
        with pytest.raises(OSError, match=f"client_cafile=.*{certificate.name}"):
            start(certfile=keys / "server.both", client_cafile=certificate)


def test_a_key_of_another_certificate_is_said_to_be_one(start: Start, keys: Path, tmp_path: Path) -> None:
    rsa = tmp_path / "rsa.key"
    subprocess.run(["openssl", "genrsa", "-out", str(rsa), "2048"], check=True, capture_output=True)
    for key in (keys / "other.key", rsa):
        expected = rf"keyfile=.*{key.name} does not belong to the certificate in certfile=.*server\.pem"
        with pytest.raises(ssl.SSLError, match=expected):
            start(certfile=keys / "server.pem", keyfile=key)
    mixed = tmp_path / "mixed.both"
    mixed.write_text((keys / "other.key").read_text() + (keys / "server.pem").read_text())
    with pytest.raises(ssl.SSLError, match=r"mixed\.both does not belong to the certificate in certfile=.*mixed\.both"):
        start(certfile=mixed)


def test_clients_that_do_not_greet_keep_nobody_out(start: Start, keys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server = start(certfile=keys / "server.both")
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(connected(server.server_port))
        assert b"hits_total 2.0\n" in scraped(server.server_port, trusting(keys))
        plain = stack.enter_context(connected(server.server_port))
        plain.sendall(get())
        assert not until_the_end(plain).startswith(b"HTTP")
    assert capfd.readouterr() == ("", "")


def test_a_handshake_that_does_not_come_ends(registry: Registry, keys: Path) -> None:
    context = TLS(str(keys / "server.both")).context()
    with serving(registry, Limits(request=0.3), context=context) as port, connected(port) as silent:
        assert until_the_end(silent) == b""


def test_requests_over_tls_end_and_are_refused_as_others(registry: Registry, keys: Path) -> None:
    context = TLS(str(keys / "server.both")).context()
    with serving(registry, Limits(request=0.3), context=context) as port:
        for sent, status in ((get("Content-Length: +4"), 400), (get()[:-2], 408), (get("Connection: close"), 200)):
            with connected(port) as plain, trusting(keys).wrap_socket(plain, server_hostname="localhost") as connection:
                connection.sendall(sent)
                (only,) = responses(until_the_end(connection))
                assert (only.status, only.headers["Connection"]) == (status, "close")


def test_the_drop_in_keeps_to_loopback_names_and_answers_at_every_path(registry: Registry) -> None:
    ours: Any = dropin.CollectorRegistry(store=registry)
    dropin.Counter("hits", "Hits.", registry=ours).inc()
    serve: Any = dropin.start_http_server
    server, thread = serve(0, "127.0.0.1", ours, allowed_hosts=["metrics.example"])
    try:
        with connected(server.server_port) as connection:
            for line in ("GET / HTTP/1.1", "GET /any/path HTTP/1.1", "GET /metrics?name[]=none HTTP/1.1"):
                connection.sendall(get(line=line))
            connection.sendall(get(host="Host: metrics.example") + get(host="Host: attacker.example"))
            connection.sendall(get(line="GET /favicon.ico HTTP/1.1") + get("Connection: close", line="POST / HTTP/1.1"))
            received = responses(until_the_end(connection))
        assert [response.status for response in received] == [200, 200, 200, 200, 421, 200, 405]
        counted = [b"hits_total 1.0" in response.body for response in received]
        assert counted == [True, True, False, True, False, False, False]
        registry.close()
        with connected(server.server_port) as connection:
            connection.sendall(get("Connection: close"))
            (failed,) = responses(until_the_end(connection))
        assert (failed.status, b"StoreClosedError" in failed.body) == (500, True)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENCE)


def test_a_gateway_may_ask_for_a_certificate(registry: Registry, keys: Path) -> None:
    # The server of the metrics is no gateway: whom it lets in, it tells so.
    context = TLS(str(keys / "server.both"), client_cafile=str(keys / "ca.pem"), client_auth_required=True).context()
    certificate = (str(keys / "client.pem"), str(keys / "client.key"))
    with serving(registry, context=context) as port:
        url = f"https://localhost:{port}/metrics"
        trusted = tls_auth_handler(url, "PUT", PATIENCE, [], b"", *certificate, cafile=str(keys / "ca.pem"))
        any_one = tls_auth_handler(url, "PUT", PATIENCE, [], b"", *certificate, insecure_skip_verify=True)
        for send in (trusted, any_one):
            with pytest.raises(urllib.error.HTTPError, match=r"405: .*: GET and HEAD are expected"):
                send()
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            tls_auth_handler(url, "PUT", PATIENCE, [], b"", *certificate, cafile=str(keys / "other.pem"))()
