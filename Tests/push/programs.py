# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that the tests start: the service, fdmctl push, and receivers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

HERE = Path(__file__).parent
PYTHON_PACKAGE = HERE.parents[1] / "python"
#: How long anything may take before the test gives up; nothing is measured with it.
PATIENCE_SECONDS = 60.0
Value = TypeVar("Value")


def free_port() -> int:
    """A port of this host that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(what: str, value: Callable[[], Value | None]) -> Value:
    """What a function returns, once that is something true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (result := value()):
        assert time.monotonic() < deadline, f"in vain waited for {what}; it is {result!r}"
        time.sleep(0.05)
    return result


def environment(**own: str) -> dict[str, str]:
    """This process's, without what names a store."""
    names = ("FDMETRICS_DIR", "FDMETRICS_AUTO", "PROMETHEUS_MULTIPROC_DIR")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    path = os.pathsep.join(filter(None, [str(PYTHON_PACKAGE), inherited.get("PYTHONPATH", "")]))
    return {**inherited, "PYTHONPATH": path, **own}


class Service:
    """recorder.py in a process of its own. A context manager, which ends it."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "recorder.py")],
            env=environment(FDMETRICS_DIR=str(store)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask("record")

    def ask(self, command: str) -> str:
        """Makes it do something, and returns what it says."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the service ended while it should {command}"
        return answer.strip()

    def end(self) -> None:
        """Kills it; the store stays."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Push:
    """fdmctl push. A context manager, which ends it."""

    tool: ClassVar[Path]

    def __init__(self, store: Path, *options: str, log: Path | None = None) -> None:
        self._log = (log or store.parent / "push.log").open("w+")
        self.process = subprocess.Popen(
            [str(self.tool), "push", str(store), *options], env=environment(), stdout=self._log, stderr=self._log
        )

    @classmethod
    def once(cls, store: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Runs it with --once."""
        command = [str(cls.tool), "push", str(store), "--once", *options]
        return subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )

    @property
    def log(self) -> str:
        """What it said."""
        self._log.flush()
        return Path(self._log.name).read_text()

    def stop(self) -> int:
        """Asks it to end, and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def __enter__(self) -> Push:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()


class Server:
    """A receiver, which may be killed and started again at the same port. A context manager, which ends it."""

    def __init__(self, command: Sequence[str], port: int, health: str, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command = command
        self._health = self.url + health
        self._log = log
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(self._command, stdout=output, stderr=output)
        eventually(f"{self._command[0]} to answer", self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"it ended:\n{self._log.read_text()[-4000:]}"
        with contextlib.suppress(OSError):
            self.get_text(self._health)
            return True
        return False

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it."""
        self.process.send_signal(how)
        self.process.wait(PATIENCE_SECONDS)

    def get_text(self, url: str, method: str = "GET") -> str:
        """What it answers."""
        request = urllib.request.Request(url, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            return str(response.read().decode())

    def query(self, expression: str, **parameters: str) -> list[Any]:
        """The result of a PromQL query."""
        arguments = urllib.parse.urlencode({"query": expression, **parameters})
        answer = json.loads(self.get_text(f"{self.url}/api/v1/query?{arguments}"))
        assert answer["status"] == "success", answer
        return list(answer["data"]["result"])

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
