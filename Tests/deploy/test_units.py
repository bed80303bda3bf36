# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The units of systemd: what they start serves a store of processes that it does not know."""

from __future__ import annotations

import configparser
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promql import samples_in
from running import PATIENCE_SECONDS, Serving, environment, free_port

RECORD = """
import sys, fdmetrics
fdmetrics.Counter("jobs", "").inc()
fdmetrics.Gauge("busy", "", multiprocess_mode="livesum").set(1)
print("recorded", flush=True)
sys.stdin.read()
"""


class Recording:
    """A process of the service. A context manager, which kills it."""

    def __init__(self, store: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RECORD],
            env=environment(FDMETRICS_DIR=str(store)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout and self.process.stdout.readline() == "recorded\n"

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_SECONDS)


def unit(deploy: Path, name: str) -> dict[str, str]:
    """The settings of a unit's section Service, each of which is there once."""
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(deploy / "systemd" / name)
    return dict(parser["Service"])


@pytest.fixture
def server(deploy: Path, fdmctl: str, memory: Path) -> Iterator[Serving]:
    """What the unit of systemd starts, for a store that is not there yet; it answers at a port besides."""
    settings = unit(deploy, "fdmetrics@.service")
    record = unit(deploy, "my-service.service.d/fdmetrics.conf")
    program, *words = [word.replace("%i", "my-service") for word in settings["ExecStart"].split()]
    directory = record["Environment"].removeprefix("FDMETRICS_DIR=")
    assert program == "/usr/local/bin/fdmctl" and words[:2] == ["serve", directory]
    # The directory of the socket is made for the unit, that of the store for the service, of one user.
    assert settings["RuntimeDirectory"] == "fdmetrics/%i" and "--unix=/run/fdmetrics/my-service/metrics.sock" in words
    assert record["User"] == settings["User"].replace("%i", "my-service") == record["RuntimeDirectory"]
    assert Path(directory).parent == Path("/run") / record["RuntimeDirectory"]
    for folder in (memory / "my-service", memory / "fdmetrics/my-service"):
        folder.mkdir(parents=True)
    port = free_port()
    command = [fdmctl, *(word.replace("/run/", f"{memory}/") for word in words), f"--listen=127.0.0.1:{port}"]
    with Serving(command, port, memory / "log", environment()) as server:
        yield server


def value(text: str, name: str) -> float:
    """The value of the sample of a name and its labels."""
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))


def test_it_serves_what_others_record(server: Serving, memory: Path) -> None:
    assert server.get("/healthz").status == 200
    assert "jobs_total" not in samples_in(server.metrics())
    store = memory / "my-service/fdmetrics"
    with Recording(store) as first, Recording(store):
        text = server.metrics()
        assert (value(text, "jobs_total"), value(text, "busy")) == (2, 2)
        # It is none of the service's processes itself.
        assert value(text, "fdmetrics_live_processes") == 2
        assert text.count("process_open_fds{") == 2
        first.process.kill()
        first.process.wait(PATIENCE_SECONDS)
        text = server.metrics()
        assert (value(text, "jobs_total"), value(text, "busy")) == (2, 1)
    text = server.metrics()
    assert (value(text, "jobs_total"), value(text, "fdmetrics_live_processes")) == (2, 0)
    with Recording(store):
        assert value(server.metrics(), "jobs_total") == 3


def test_the_socket_is_for_user_and_group(server: Serving, memory: Path) -> None:
    assert server.get("/healthz").status == 200
    path = memory / "fdmetrics/my-service/metrics.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert client.makefile("rb").readline().split()[1] == b"200"


def test_other_paths_are_not_found(server: Serving) -> None:
    assert server.get("/metrics/store").status == 404


def test_it_ends_when_it_is_told(server: Serving, memory: Path) -> None:
    server.get("/healthz")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE_SECONDS) == 0
    assert list((memory / "fdmetrics/my-service").iterdir()) == []


def test_both_units_confine_what_they_start(deploy: Path) -> None:
    serve, push = (unit(deploy, f"{name}@.service") for name in ("fdmetrics", "fdmetrics-push"))
    confined = {name: text for name, text in serve.items() if name.startswith(("Protect", "Restrict", "SystemCall"))}
    assert len(confined) > 8 and confined.items() <= push.items()
    assert {serve["Restart"], push["Restart"]} == {"always"}


def test_the_unit_that_pushes_is_understood(deploy: Path, fdmctl: str, memory: Path) -> None:
    program, *words = unit(deploy, "fdmetrics-push@.service")["ExecStart"].split()
    assert program == "/usr/local/bin/fdmctl"
    for written, wanted in {
        "/run/%i": str(memory),
        "%i": "my-service",
        "%H": "host",
        # Nobody listens there.
        "${FDMETRICS_REMOTE_WRITE}": f"http://127.0.0.1:{free_port()}/api/v1/write",
    }.items():
        words = [word.replace(written, wanted) for word in words]
    assert not any(mark in word for word in words for mark in "%$")
    # There is no store, which `--once` says with 2; a wrong command line would be 64.
    done = subprocess.run([fdmctl, *words, "--once"], env=environment(), capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
