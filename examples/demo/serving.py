# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The processes that serve, and what they answer.

Several processes wait for one port: `demo-engine serve`, which only reads the store, and the engine, which mounts the
same server. Whichever has the port gives the totals of all; when it dies, another takes it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Optional

import formats

from peer import PATIENCE, DemoError

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Server:
    """A process that serves the store and records nothing."""

    def __init__(self, name: str, program: str, store: str, port: int) -> None:
        """Starts it. Errors: DemoError."""
        self.name = name
        #: "live", "ended" or "killed".
        self.state = "live"
        command = [program, "serve", store, str(port)]
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError as error:
            raise DemoError(f"{name}: {program} cannot be started: {error}") from None

    def check(self) -> None:
        """Errors: DemoError, if it has ended by itself."""
        if self.state == "live" and self.process.poll() is not None:
            raise DemoError(f"{self.name} ended by itself with status {self.process.returncode}")

    def kill(self) -> None:
        """Kills it with SIGKILL, whatever it does."""
        self.process.kill()
        self.process.wait()
        self.state = "killed"

    def end(self) -> None:
        """Lets it end normally. Errors: DemoError."""
        self.process.terminate()
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise DemoError(f"{self.name} did not end within {PATIENCE:g} s") from None
        self.state = "ended"
        if status != 0:
            raise DemoError(f"{self.name} ended with status {status}, 0 was expected")


class Endpoint:
    """The port, whoever serves there."""

    def __init__(self, port: int) -> None:
        self.port = port or free_port()
        self.page = f"http://{HOST}:{self.port}/"

    def get(self, accept: str, path: str = "metrics") -> bytes:
        """The answer in a format; of the next process, where one has just died. Errors: DemoError."""
        request = urllib.request.Request(self.page + path, headers={"Accept": accept})
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                    content_type, body = response.headers["Content-Type"], response.read()
                break
            except urllib.error.HTTPError as error:
                raise DemoError(f"{request.full_url} answers {error.code}: {error.read()[:200]!r}") from None
            except (OSError, http.client.HTTPException) as error:
                if time.monotonic() > deadline:
                    raise DemoError(f"nobody answers at {request.full_url}: {error}") from None
                time.sleep(0.02)
        if content_type.partition(";")[0] != accept.partition(";")[0]:
            raise DemoError(f"{request.full_url} answers with {content_type} where {accept} was asked for")
        return body

    def wait_for(self, pid: int, name: str) -> None:
        """Waits until a process listens at the port. Errors: DemoError."""
        deadline = time.monotonic() + PATIENCE
        while self.listener([pid]) is None:
            if time.monotonic() > deadline:
                raise DemoError(f"{name} did not take port {self.port} within {PATIENCE:g} s")
            time.sleep(0.02)

    def listener(self, pids: Iterable[int]) -> Optional[int]:
        """Which of these processes listens at the port."""
        wanted = set(_listening_sockets(self.port))
        return next((pid for pid in pids if wanted.intersection(_open_files(pid))), None)

    def differences(self, text: formats.Samples) -> Dict[str, List[str]]:
        """What the other formats show otherwise than the text did, by format. For a store that does not change.

        A scrape's own cost, and that of the processes, is never twice the same; each scrape counts as a request.
        """

        def steady(samples: formats.Samples) -> formats.Samples:
            changing = ("process_", "fdmetrics_http_", "fdmetrics_scrape_")
            return {key: value for key, value in samples.items() if not key.startswith(changing)}

        wanted = steady(text)
        found = {}
        for each in formats.OTHERS:
            samples = steady(each.samples(self.get(each.accept)))
            keys = sorted(wanted.keys() | samples.keys())
            found[each.name] = [
                f"{key} is {samples.get(key)}, not {wanted.get(key)}"
                for key in keys
                if samples.get(key) != wanted.get(key)
            ]
        return found


def _listening_sockets(port: int) -> Iterator[str]:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        # The state of a socket that listens is 0A.
        if words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:
            yield f"socket:[{words[9]}]"


def _open_files(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                yield os.readlink(f"{folder}/{name}")
