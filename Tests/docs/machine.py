# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A machine that nothing has been done on yet, so that the pages' ports, paths and host names are free.

It has network, processes, /run, /dev/shm and a home directory of its own. All that was started there is gone with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from built import PACKAGE, fdmctl, library

#: How long anything may take before the test gives up; nothing is measured with it.
PATIENCE_SECONDS = 60.0
#: The address by which other machines would reach this one.
ADDRESS = "10.99.0.1"
#: Machines that the pages name; all of them are this one.
NAMES = ("tsdb", "victoria-metrics", "prometheus", "collector", "pushgateway")
_START = f"""
mount -t tmpfs none /run
mount -t tmpfs none /dev/shm
mount --bind "$1/hosts" /etc/hosts
ip link set lo up
ip address add {ADDRESS}/24 dev lo
echo ready
exec sleep infinity
"""
#: What would name a store, or a library, that is not the page's; and the way out of a network that this is not in.
_OURS = ("FDM", "PROMETHEUS_", "ZMQ_", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    body: str


class Machine:
    """Made by `machine`."""

    def __init__(self, home: Path, first_process: int) -> None:
        self.home = home
        self._enter = ["nsenter", f"--target={first_process}", "--net", "--mount", "--pid", f"--wd={home}", "--"]
        ours = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        path = os.pathsep.join([str(Path(sys.executable).parent), str(fdmctl().parent), ours["PATH"]])
        self.environment = {
            **ours,
            "HOME": str(home),
            "PATH": path,
            "PYTHONPATH": os.pathsep.join([str(PACKAGE), str(home)]),
            "FDMETRICS_LIBRARY": str(library()),
        }
        self._programs: list[Program] = []

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end."""
        return subprocess.run(
            [*self._enter, *words],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    def succeed(self, *words: str, **environment: str) -> str:
        """What a program prints that must end well."""
        done = self.run(*words, **environment)
        assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    @contextmanager
    def running(self, *words: str, ends_well: bool = True, **environment: str) -> Iterator[Program]:
        """A program that is running meanwhile. SIGTERM ends it, with status 0; or SIGKILL, unless it is to end well."""
        log = self.home / f"log-{time.monotonic_ns()}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self._enter, *words],
                env={**self.environment, **environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        program = Program(words, process, log)
        self._programs.append(program)
        try:
            yield program
            program.check()
        finally:
            self._programs.remove(program)
            with_children(process, signal.SIGTERM if ends_well else signal.SIGKILL)
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                with_children(process, signal.SIGKILL)
                process.wait()
        if ends_well:
            assert process.returncode == 0, f"{' '.join(words)} ended with {process.returncode}:\n{program.said}"

    def get(self, url: str, *options: str) -> Answer | None:
        """The answer at an address; None where nobody answers."""
        done = self.run("curl", "--silent", "--write-out", "\n%{http_code}", *options, url)
        body, _, status = done.stdout.rpartition("\n")
        return None if done.returncode else Answer(int(status), body)

    def answer(self, url: str, *options: str) -> Answer:
        """The answer at an address, once there is one."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := self.get(url, *options)) is None:
            for program in self._programs:
                program.check()
            said = "\n".join(program.said for program in self._programs)
            assert time.monotonic() < deadline, f"nobody answers at {url}:\n{said}"
            time.sleep(0.05)
        return found


class Program(NamedTuple):
    """A program that is running."""

    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Errors: AssertionError where it has ended."""
        assert self.process.poll() is None, f"{' '.join(self.words)} ended by itself:\n{self.said}"

    @property
    def said(self) -> str:
        """The end of what it printed."""
        return self.log.read_text(errors="replace")[-3000:]


def with_children(process: subprocess.Popen[bytes], number: int) -> None:
    """Sends a signal to the programs that nsenter, or a shell in it, has started; to that where there is none."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        started = [int(each) for each in children.read_text().split()]
    except OSError:
        return
    for each in started or [process.pid]:
        os.kill(each, number)


@contextmanager
def machine(home: Path) -> Iterator[Machine]:
    """A fresh machine."""
    (home / "hosts").write_text(f"127.0.0.1 localhost {' '.join(NAMES)}\n")
    unshare = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc"]
    # The kernel ends it when this process is gone, however that ended.
    command: Sequence[str] = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        *unshare,
        "--kill-child",
        "sh",
        "-euc",
        _START,
        "sh",
        str(home),
    ]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None and first.stderr is not None
        if first.stdout.readline() != "ready\n":
            raise AssertionError(
                f"no machine can be made here: {first.stderr.read()}; run the tests as root, in a container with "
                "CAP_SYS_ADMIN"
            )
        (inside,) = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
        yield Machine(home, int(inside))
    finally:
        first.kill()
        first.communicate()
