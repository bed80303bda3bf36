# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A server under test, a process that records for it, and clients that behave well."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Not an expectation: what takes as long as this hangs.
HANG_SECONDS = 60.0


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    """Waits until something is so; fails when that hangs."""
    deadline = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without what names a store, and with these variables."""
    names = ("FDMETRICS_DIR", "FDMETRICS_AUTO_DIR", "PROMETHEUS_MULTIPROC_DIR")
    return {name: value for name, value in os.environ.items() if name not in names} | variables


@dataclass
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def value(self, sample: str) -> float:
        """The value of a sample, given as it is written."""
        for line in self.text.splitlines():
            if line.startswith(sample + " "):
                return float(line.split()[-1])
        raise AssertionError(f"no sample {sample} in:\n{self.text[:4000]}")


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=HANG_SECONDS)
        self.path = path

    def connect(self) -> None:
        """Connects to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(HANG_SECONDS)
        self.sock.connect(str(self.path))


def ask(
    connection: http.client.HTTPConnection,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """One request on a connection, which stays open."""
    connection.request(method, path, body=body, headers=dict(headers or {}))
    response = connection.getresponse()
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


class Server:
    """A process that serves. What it logs is kept."""

    def __init__(self, command: Sequence[str], port: int, **variables: str) -> None:
        self.port = port
        self.command = command
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment(**variables),
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def log(self) -> str:
        """What it has logged."""
        return "".join(self.lines)

    def is_serving(self) -> bool:
        """Whether it has said that it serves."""
        return any(": [FDMetricsHTTP] serving " in line for line in self.lines)

    def wait_until_ready(self) -> None:
        """Waits until it serves."""
        wait_for("serving", lambda: self.is_serving() or self.process.poll() is not None)
        assert self.process.poll() is None, f"{self.command} ended with {self.process.poll()}:\n{self.log}"

    def connection(self) -> http.client.HTTPConnection:
        """A client's connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_SECONDS)

    def get(self, path: str = "/metrics", method: str = "GET", **headers: str) -> Answer:
        """One request on a connection of its own. Headers are given as accept_encoding="gzip"."""
        connection = self.connection()
        try:
            return ask(connection, path, method, {k.replace("_", "-"): v for k, v in headers.items()})
        finally:
            connection.close()

    def socket(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=HANG_SECONDS)

    def slow_socket(self) -> socket.socket:
        """A bare connection that takes little before it is read from."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(HANG_SECONDS)
        client.connect(("127.0.0.1", self.port))
        return client

    def exchange(self, data: bytes) -> bytes:
        """Sends bytes, and reads until the server closes."""
        with self.socket() as client:
            client.sendall(data)
            return read_all(client)

    def memory(self, field: str) -> int:
        """A field of /proc/PID/status, such as VmHWM, in bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end; its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(HANG_SECONDS)
        self._reader.join(HANG_SECONDS)
        return status

    def kill(self) -> None:
        """Ends it at once, whether it runs or not."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(HANG_SECONDS)


def send_no_more(client: socket.socket) -> None:
    """Ends this side. Where the other side has reset the connection, the system says ENOTCONN, no `ConnectionError`."""
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_WR)


def read_all(client: socket.socket) -> bytes:
    """Everything until the other side closes, or resets."""
    data = bytearray()
    while True:
        try:
            part = client.recv(1 << 20)
        except ConnectionResetError:
            break
        if not part:
            break
        data += part
    return bytes(data)


class Recorder:
    """A process that records into a store; see recording.py."""

    def __init__(self, directory: Path, library: Path) -> None:
        self.directory = directory
        self.library = library
        self.process: subprocess.Popen[str] | None = None

    def start(self, *what: str) -> None:
        """Starts it, and waits until all is recorded."""
        program = Path(__file__).with_name("recording.py")
        self.process = subprocess.Popen(
            [sys.executable, str(program), *what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(
                FDMETRICS_DIR=str(self.directory),
                FDMETRICS_LIBRARY=str(self.library),
                PYTHONPATH=str(ROOT / "python"),
            ),
        )
        self.answer()

    def step(self) -> None:
        """Adds one to the counter "steps"."""
        assert self.process and self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.answer()

    def answer(self) -> None:
        """Waits for its word."""
        assert self.process and self.process.stdout
        assert self.process.stdout.readline() == "done\n", "the recorder has failed"

    def end(self) -> None:
        """Kills it."""
        if self.process:
            self.process.kill()
            self.process.communicate(timeout=HANG_SECONDS)
            self.process = None
