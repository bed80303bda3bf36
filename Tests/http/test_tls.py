# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""TLS: what is served over it, who is let in, and clients that do not get that far."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from authority import Authority, Pair, connection, get

from serving import HANG_SECONDS, Recorder, Server, UnixConnection, ask, read_all, send_no_more, wait_for

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the certificates that are trusted."""
    return Authority(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    """The server's certificate."""
    return authority.sign("server")


@pytest.fixture
def options(pair: Pair) -> tuple[str, ...]:
    """What makes a server encrypt."""
    return ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))


@pytest.fixture
def encrypted(serve: Callable[..., Server], recorder: Recorder, options: tuple[str, ...]) -> Server:
    """A server of a few metrics with TLS."""
    recorder.start("few")
    return serve(*options)


@contextlib.contextmanager
def tls_socket(server: Server, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """A bare connection in TLS."""
    with server.socket() as client, context.wrap_socket(client, server_hostname="localhost") as wrapped:
        yield wrapped


def test_all_paths(encrypted: Server, authority: Authority) -> None:
    context = authority.client()
    assert get(encrypted, context).value("steps_total") == 0
    assert get(encrypted, context, "/healthz").text == "ok\n"
    assert get(encrypted, context, "/").status == 200
    assert get(encrypted, context, "/api/store").status == 200
    assert get(encrypted, context, headers={"Host": "evil.example"}).status == 421
    assert f"serving https://127.0.0.1:{encrypted.port}/metrics" in encrypted.log


def test_connection_that_stays(encrypted: Server, authority: Authority) -> None:
    client = connection(encrypted, authority.client())
    for _ in range(20):
        assert ask(client, "/metrics").status == 200
    client.close()


def test_client_that_trusts_others(encrypted: Server, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        get(encrypted, Authority(tmp_path, "other").client())


@pytest.mark.parametrize(("version", "works"), [("TLSv1_3", True), ("TLSv1_2", True), ("TLSv1_1", False)])
def test_versions(encrypted: Server, authority: Authority, version: str, works: bool) -> None:
    context = authority.client()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.maximum_version = ssl.TLSVersion[version]
    if works:
        assert get(encrypted, context).status == 200
    else:
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol|version"):
            get(encrypted, context)


def test_client_certificates(
    serve: Callable[..., Server], recorder: Recorder, options: tuple[str, ...], authority: Authority, tmp_path: Path
) -> None:
    recorder.start("few")
    own, other = Authority(tmp_path, "clients"), Authority(tmp_path, "others")
    server = serve(*options, "--client-ca", str(own.certificate))
    assert get(server, authority.client(own.sign("prometheus"))).value("steps_total") == 0
    for stranger in (None, other.sign("prometheus"), authority.sign("prometheus")):
        for path in ("/metrics", "/healthz", "/"):
            # TLS 1.3 has the client know it when it reads.
            with pytest.raises((ssl.SSLError, ConnectionError)):
                get(server, authority.client(stranger), path)
    assert get(server, authority.client(own.sign("another"))).status == 200


def test_unix_socket_is_not_encrypted(
    serve: Callable[..., Server], recorder: Recorder, options: tuple[str, ...], authority: Authority, folder: Path
) -> None:
    recorder.start("few")
    server = serve(*options, "--unix", str(folder / "socket"))
    wait_for("two listen", lambda: server.log.count(" serving ") == 2)
    client = UnixConnection(folder / "socket")
    assert ask(client, "/metrics").status == 200
    client.close()
    assert get(server, authority.client()).status == 200


# MARK: answers and ends


def test_large_answer_to_a_slow_client(
    serve: Callable[..., Server], recorder: Recorder, options: tuple[str, ...], authority: Authority
) -> None:
    recorder.start("many", "50000")
    server = serve(*options)
    context = authority.client()
    whole = get(server, context).body
    before = server.memory("VmHWM")
    assert len(whole) > 3_000_000
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(context.wrap_socket(server.slow_socket(), server_hostname="localhost"))
            for _ in range(20)
        ]
        for client in clients:
            client.sendall(
                b"GET /metrics?name[]=many_requests HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
        begun = [client.recv(100) for client in clients]
        assert all(part.startswith(b"HTTP/1.1 200 ") for part in begun)
        # They share the answer. Encrypted it would be there 20 times, were it not in pieces.
        assert server.memory("VmHWM") < before + 10 * len(whole)
        head, body = (begun[0] + read_all(clients[0])).split(b"\r\n\r\n", 1)
        assert f"Content-Length: {len(body)}\r\n" in head.decode() + "\r\n"
        assert body.count(b"many_requests_total{") == 50_000
    assert get(server, context).status == 200


def test_client_that_sends_no_more_still_gets_its_answer(encrypted: Server, authority: Authority) -> None:
    with tls_socket(encrypted, authority.client()) as client:
        client.sendall(REQUEST)
        # Of TCP alone: nothing within TLS says so.
        socket.socket.shutdown(client, socket.SHUT_WR)
        assert b"steps_total 0.0" in read_all(client)


def test_refusal_is_read_to_the_end(encrypted: Server, authority: Authority) -> None:
    with tls_socket(encrypted, authority.client()) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5_000 + b"\r\n")
        assert read_all(client).startswith(b"HTTP/1.1 431 ")


def test_answer_that_ends_the_connection(encrypted: Server, authority: Authority) -> None:
    with tls_socket(encrypted, authority.client()) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        raw = read_all(client)
        assert raw.startswith(b"HTTP/1.1 200 ")
        assert raw.endswith(b"ok\n")


def test_signal_ends_it(encrypted: Server, authority: Authority) -> None:
    client = connection(encrypted, authority.client())
    assert ask(client, "/metrics").status == 200
    assert encrypted.stop() == 0
    client.close()


# MARK: clients that do not get that far


def test_plain_request_is_ended(encrypted: Server, authority: Authority) -> None:
    for data in (REQUEST, b"\x00" * 1000, b"\x16\x03\x01\xff\xff" + b"\x00" * 100_000, b"x"):
        with encrypted.socket() as client, contextlib.suppress(ConnectionError):
            client.sendall(data)
            send_no_more(client)
            assert b"HTTP/1.1 200" not in read_all(client)
    assert get(encrypted, authority.client()).status == 200


def client_hello(context: ssl.SSLContext) -> bytes:
    """What a client begins with."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_handshake_that_does_not_end_is_cut_off(
    serve: Callable[..., Server], recorder: Recorder, options: tuple[str, ...], authority: Authority
) -> None:
    recorder.start("few")
    server = serve(*options, "--request-timeout", "1")
    context = authority.client()
    hello = client_hello(context)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.socket()) for _ in range(4)]
        for client, data in zip(clients[1:], (hello[:1], hello[:-1], hello), strict=True):
            client.sendall(data)
        # Ends, whatever came of it; who trickles gains nothing.
        for client in clients[:-1]:
            read_all(client)
        trickling = clients[-1]
        with contextlib.suppress(ConnectionError):
            for _ in range(int(HANG_SECONDS / 0.05)):
                trickling.sendall(b"\x14")
                threading.Event().wait(0.05)
            pytest.fail("it is not cut off")
    assert get(server, context).status == 200


def test_crowd_that_is_silent(
    serve: Callable[..., Server], recorder: Recorder, options: tuple[str, ...], authority: Authority
) -> None:
    """Their places are taken at once, not when they agree to that."""
    recorder.start("few")
    server = serve(*options, "--max-connections", "8")
    context = authority.client()
    with contextlib.ExitStack() as stack:
        for number in range(200):
            client = stack.enter_context(server.socket())
            if number % 2:
                client = stack.enter_context(context.wrap_socket(client, server_hostname="localhost"))
        assert get(server, context).status == 200
        assert len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) < 60
