# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What is sent to a Pushgateway, compared with what prometheus_client sends. Tests/push has a real one."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import inspect
import itertools
import socket
import threading
import urllib.error
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

import prometheus_client
import prometheus_client.exposition
import pytest
import snappy  # type: ignore[import-untyped]

import fdmetrics
from fdmetrics import pushgateway

from .support import run_program


class Request(NamedTuple):
    method: str
    path: str
    headers: Dict[str, str]
    body: bytes


class Receiver:
    """Answers with the statuses of its script, then with 200, and keeps what comes."""

    def __init__(self) -> None:
        self.requests: List[Request] = []
        self.script: List[Tuple[int, Dict[str, str], bytes]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.requests.append(Request(self.command, self.path, dict(self.headers.items()), body))
                status, headers, text = receiver.script.pop(0) if receiver.script else (200, {}, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_PUT = do_POST = do_DELETE = do_GET = answer

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def jobs(registry: fdmetrics.Registry) -> fdmetrics.Registry:
    fdmetrics.Counter("jobs", "Jobs.", registry=registry).inc()
    return registry


def test_the_functions_take_prometheus_client_s_arguments() -> None:
    for name in ("push_to_gateway", "pushadd_to_gateway", "delete_from_gateway", "instance_ip_grouping_key"):
        ours, theirs = getattr(fdmetrics, name), getattr(prometheus_client, name)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    for name in ("default_handler", "passthrough_redirect_handler", "basic_auth_handler", "tls_auth_handler"):
        ours, theirs = getattr(pushgateway, name), getattr(prometheus_client.exposition, name)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    written = list(inspect.signature(fdmetrics.write_to_textfile).parameters)
    assert written == list(inspect.signature(prometheus_client.write_to_textfile).parameters)
    assert fdmetrics.instance_ip_grouping_key() == prometheus_client.instance_ip_grouping_key()


@pytest.mark.parametrize("form", ["{}", "http://{}", "http://{}/", "http://{}/behind/a/proxy"])
def test_methods_and_addresses(receiver: Receiver, jobs: fdmetrics.Registry, form: str) -> None:
    gateway = form.format(receiver.address)
    fdmetrics.push_to_gateway(gateway, "nightly", jobs)
    fdmetrics.pushadd_to_gateway(gateway, "nightly", jobs, {"zone": "b", "a": 1})
    fdmetrics.delete_from_gateway(gateway, "nightly", {"zone": "b"})
    prefix = "/behind/a/proxy" if "proxy" in form else ""
    assert [(one.method, one.path) for one in receiver.requests] == [
        ("PUT", f"{prefix}/metrics/job/nightly"),
        ("POST", f"{prefix}/metrics/job/nightly/a/1/zone/b"),
        ("DELETE", f"{prefix}/metrics/job/nightly/zone/b"),
    ]
    assert [one.body for one in receiver.requests] == [jobs.render(), jobs.render(), b""]
    assert {one.headers["Content-Type"] for one in receiver.requests} == {fdmetrics.CONTENT_TYPE_LATEST}


@pytest.mark.parametrize("value", ["", "a/b", "z ü%", "a+b", "x=y?z#", "\N{SNOWMAN}", "a", "."])
def test_labels_are_written_so_that_the_gateway_reads_them(
    receiver: Receiver, jobs: fdmetrics.Registry, value: str
) -> None:
    fdmetrics.push_to_gateway(receiver.address, value, jobs)
    theirs = prometheus_client.CollectorRegistry()
    prometheus_client.push_to_gateway(receiver.address, value, theirs)
    ours, reference = (one.path for one in receiver.requests)
    # Two spellings of one path: a space, which theirs puts into base64, and what may stand in a path as it is.
    assert ours == reference or value in ("z ü%", ".")
    assert ours == reference or ours in ("/metrics/job/z%20%C3%BC%25", "/metrics/job@base64/Lg==")


@pytest.mark.parametrize("compression", ["gzip", "snappy", "GZIP"])
def test_compression(receiver: Receiver, jobs: fdmetrics.Registry, compression: Any) -> None:
    fdmetrics.push_to_gateway(receiver.address, "j", jobs, compression=compression)
    (request,) = receiver.requests
    assert request.headers["Content-Encoding"] == compression.lower()
    unpacked = (
        snappy.StreamDecompressor().decompress(request.body)
        if compression == "snappy"
        else gzip.decompress(request.body)
    )
    assert unpacked == jobs.render()
    with pytest.raises(ValueError, match="compression is 'zip': give"):
        fdmetrics.push_to_gateway(receiver.address, "j", jobs, compression="zip")  # type: ignore[arg-type]


def test_a_gateway_that_refuses(receiver: Receiver, jobs: fdmetrics.Registry) -> None:
    receiver.script = [(400, {}, b"pushed metrics are invalid\n"), (500, {}, b"")]
    with pytest.raises(urllib.error.HTTPError, match=r"400: .*: pushed metrics are invalid$") as caught:
        fdmetrics.push_to_gateway(receiver.address, "j", jobs)
    assert (caught.value.code, caught.value.read()) == (400, b"pushed metrics are invalid\n")
    with pytest.raises(OSError, match="500"):
        fdmetrics.delete_from_gateway(receiver.address, "j")


class Speaker:
    """Takes one connection, and says pieces to it, each after a request's head or a pause; it then may hold on."""

    def __init__(self, *pieces: bytes, pause: float = 0.0, holds: bool = True) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._over = threading.Event()
        self._arguments = (pieces, pause, holds)
        self._thread = threading.Thread(target=self._speak)

    def _speak(self) -> None:
        pieces, pause, holds = self._arguments
        connection, _ = self._socket.accept()
        with connection, contextlib.suppress(ConnectionError):
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)
                if self._over.wait(pause):
                    return
            if holds:
                self._over.wait()

    def __enter__(self) -> str:
        self._thread.start()
        return self.address

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()


REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize("head", [REFUSAL, REFUSAL.replace(b"Content-Length: 1000", b"X: y")])
def test_a_refusal_that_does_not_come_whole(jobs: fdmetrics.Registry, head: bytes) -> None:
    for pieces in ((head, b"be", b"cause"), (head + b"because",)):
        with Speaker(*pieces) as address, pytest.raises(urllib.error.HTTPError, match=r"400: .*: because$") as caught:
            fdmetrics.push_to_gateway(address, "j", jobs, timeout=1)
        assert caught.value.read() == b"because"
    with Speaker(head) as address, pytest.raises(urllib.error.HTTPError, match=r"400: Bad Request$"):
        fdmetrics.push_to_gateway(address, "j", jobs, timeout=0.5)
    with Speaker(head + b"bec", holds=False) as address, pytest.raises(urllib.error.HTTPError, match=r"400: .*: bec$"):
        fdmetrics.push_to_gateway(address, "j", jobs, timeout=None)


def test_a_refusal_that_is_there_when_time_is_over(jobs: fdmetrics.Registry) -> None:
    """Its head has taken all of the time, one line after the other."""
    pieces = (b"HTTP/1.1 400 Bad Request\r\n", b"A: b\r\n", b"C: d\r\n", b"\r\nbecause")
    refused = pytest.raises(urllib.error.HTTPError, match=r"400: Bad Request: because$")
    with Speaker(*pieces, pause=0.5) as address, refused:
        fdmetrics.push_to_gateway(address, "j", jobs, timeout=1.2)


def test_a_refusal_that_drips_is_not_waited_for(jobs: fdmetrics.Registry) -> None:
    """It would never end: each piece comes within the timeout."""
    endless = itertools.chain([REFUSAL.replace(b"1000", b"100000")], itertools.repeat(b"x"))
    with Speaker(*itertools.islice(endless, 10_000), pause=0.1) as address:
        with pytest.raises(urllib.error.HTTPError, match=r"400: Bad Request: x+$") as caught:
            fdmetrics.push_to_gateway(address, "j", jobs, timeout=1)
        assert 1 <= len(caught.value.read()) < 1000


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200]
)
def test_a_gateway_that_speaks_no_http(jobs: fdmetrics.Registry, answer: bytes) -> None:
    with Speaker(answer) as address, pytest.raises(urllib.error.URLError, match="the gateway's answer is no HTTP: "):
        fdmetrics.push_to_gateway(address, "j", jobs, timeout=60)
    with Speaker(holds=False) as address, pytest.raises(ConnectionError):
        fdmetrics.push_to_gateway(address, "j", jobs, timeout=60)


@pytest.mark.parametrize("job", [None, 5, b"j"])
def test_a_job_that_is_no_text(receiver: Receiver, jobs: fdmetrics.Registry, job: Any) -> None:
    """As prometheus_client, which does not say what is wrong."""
    for push in (fdmetrics.push_to_gateway, fdmetrics.pushadd_to_gateway, prometheus_client.push_to_gateway):
        registry: Any = jobs if push is not prometheus_client.push_to_gateway else prometheus_client.CollectorRegistry()
        with pytest.raises(TypeError, match=r"job is .*: give a text|is not iterable|bytes-like"):
            push(receiver.address, job, registry)
    with pytest.raises(TypeError, match=r"job is .*: give a text"):
        fdmetrics.delete_from_gateway(receiver.address, job)
    assert receiver.requests == []


def test_a_gateway_that_is_no_address(jobs: fdmetrics.Registry) -> None:
    with pytest.raises(ValueError, match="gateway is no address: nonnumeric port: 'x'"):
        fdmetrics.push_to_gateway("localhost:x", "j", jobs)


def test_a_gateway_that_is_not_there(jobs: fdmetrics.Registry) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match="refused"):
            fdmetrics.push_to_gateway(address, "j", jobs)
        taken.listen(1)
        # It takes the connection and says nothing.
        with pytest.raises(OSError, match="timed out"):
            fdmetrics.push_to_gateway(address, "j", jobs, timeout=0.1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects(receiver: Receiver, jobs: fdmetrics.Registry, status: int) -> None:
    there = (status, {"Location": f"http://{receiver.address}/there"}, b"")
    receiver.script = [there]
    with pytest.raises(urllib.error.HTTPError, match=str(status)):
        fdmetrics.pushadd_to_gateway(receiver.address, "j", jobs)
    assert len(receiver.requests) == 1
    receiver.script = [there]
    fdmetrics.pushadd_to_gateway(receiver.address, "j", jobs, handler=pushgateway.passthrough_redirect_handler)
    _, before, after = receiver.requests
    assert after == before._replace(path="/there")


def test_handlers(receiver: Receiver, jobs: fdmetrics.Registry) -> None:
    def handler(url: str, method: str, timeout: Any, headers: Any, data: bytes) -> Any:
        assert timeout == 7
        return pushgateway.basic_auth_handler(url, method, timeout, headers, data, "name", "w\u00f6rd")

    fdmetrics.push_to_gateway(receiver.address, "j", jobs, None, 7, handler)
    fdmetrics.delete_from_gateway(receiver.address, "j", timeout=7, handler=handler)
    pushgateway.basic_auth_handler(f"http://{receiver.address}/", "PUT", 7, [], b"")()
    words = [one.headers.get("Authorization") for one in receiver.requests]
    assert words == ["Basic bmFtZTp3w7ZyZA==", "Basic bmFtZTp3w7ZyZA==", None]


def test_all_processes_of_the_service_are_sent(receiver: Receiver, directory: Path) -> None:
    program = """
        import os, sys, fdmetrics
        done = fdmetrics.Counter("done", "Done.")
        if os.fork() == 0:
            done.inc(2)
            os._exit(0)
        os.wait()
        done.inc()
        fdmetrics.push_to_gateway(sys.argv[1], job="nightly")
    """
    run_program(program, receiver.address, FDMETRICS_DIR=directory)
    assert b"\ndone_total 3.0\n" in receiver.requests[0].body


def test_a_file_for_the_node_exporter(jobs: fdmetrics.Registry, tmp_path: Path) -> None:
    target = tmp_path / "jobs.prom"
    target.write_text("old")
    other = tmp_path / "other"
    other.mkdir()
    fdmetrics.write_to_textfile(str(target), jobs)
    assert target.read_bytes() == jobs.render()
    fdmetrics.Counter("more", "More.", registry=jobs)
    fdmetrics.write_to_textfile(target, jobs, tmpdir=other)
    assert target.read_bytes() == jobs.render(escaping="allow-utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"jobs.prom", "other", "store"}
    assert not list(other.iterdir())


def test_a_file_that_cannot_be_written_is_as_it_was(jobs: fdmetrics.Registry, tmp_path: Path) -> None:
    target = tmp_path / "folder.prom"
    target.mkdir()
    with pytest.raises(OSError, match="folder"):
        fdmetrics.write_to_textfile(target, jobs)
    with pytest.raises(OSError, match="none"):
        fdmetrics.write_to_textfile(tmp_path / "jobs.prom", jobs, tmpdir=tmp_path / "none")
    fdmetrics.Gauge("broken", "", registry=jobs).set_function(lambda: 1 / 0)
    (tmp_path / "kept.prom").write_text("old")
    with pytest.raises(ZeroDivisionError):
        fdmetrics.write_to_textfile(tmp_path / "kept.prom", jobs)
    assert (tmp_path / "kept.prom").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} <= {"folder.prom", "kept.prom", "store"}
