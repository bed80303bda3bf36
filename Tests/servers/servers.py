# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A server with its worker processes, as somebody starts it who has done nothing for its metrics."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from clients import HANG_SECONDS, Client
from witness import ROWS_FILE

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FOLDERS = (HERE, HERE / "services", ROOT / "examples" / "servers")

#: Nothing of these may be needed; so nothing of the tests' own environment gets through either.
SETTINGS = ("FDMETRICS_DIR", "FDMETRICS_AUTO_DIR", "FDMETRICS_AUTO_PID", "PROMETHEUS_MULTIPROC_DIR")


def environment_of(folders: Sequence[Path]) -> dict[str, str]:
    """The environment without any setting of fdmetrics, and with these folders to import from."""
    inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    paths = [*(str(each) for each in folders), *filter(None, [inherited.get("PYTHONPATH")])]
    return {**inherited, "PYTHONPATH": os.pathsep.join(paths)}


def is_alive(process: int, wait_seconds: float = 0) -> bool:
    """Whether a process runs, with any of its threads; one that has ended and was not waited for does not.

    Not by its state in /proc: that is the first thread's, which may have ended before the others.
    """
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return False
    try:
        return not select.select([descriptor], [], [], wait_seconds)[0]
    finally:
        os.close(descriptor)


def _stat(process: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the command: state, parent and so on; empty where there is no process."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


class Server:
    """A running server. A context manager, which ends it."""

    def __init__(
        self, command: Sequence[str], folder: Path, service: str, environment: Mapping[str, str] | None = None
    ) -> None:
        """Starts it and waits until it answers. The word SOCKET in the command becomes the socket's path."""
        self.path = folder / "socket"
        self._log = folder / "log"
        own = {
            "PYTHONUNBUFFERED": "1",
            "WITNESSED_SERVICE": service,
            ROWS_FILE: str(folder / "rows"),
            **(environment or {}),
        }
        own = {name: value.replace("SOCKET", str(self.path)) for name, value in own.items()}
        words = [word.replace("SOCKET", str(self.path)) for word in command]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                words, cwd=folder, env={**environment_of(FOLDERS), **own}, stdout=log, stderr=log
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self._kill_all()
            raise

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + HANG_SECONDS
        client = Client(self.path)
        while client.get("/metrics") is None:
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < deadline, f"the server does not answer:\n{self.log}"
            time.sleep(0.02)
        client.close()

    @property
    def log(self) -> str:
        """The end of what it printed."""
        return self._log.read_text(errors="replace")[-8000:]

    def descendants(self) -> list[int]:
        """Its processes, but the first."""
        parents: dict[int, list[int]] = {}
        for entry in os.listdir("/proc"):
            fields = _stat(int(entry)) if entry.isdigit() else []
            if fields and fields[0] not in ("Z", "X"):
                parents.setdefault(int(fields[1]), []).append(int(entry))
        found: list[int] = []
        waiting = [self.process.pid]
        while waiting:
            children = parents.get(waiting.pop(), [])
            found += children
            waiting += children
        return found

    def store(self) -> str:
        """The directory of the one store that its processes have mapped."""
        found: set[str] = set()
        for process in [self.process.pid, *self.descendants()]:
            try:
                maps = Path(f"/proc/{process}/maps").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            found.update(re.findall(r"(/\S*fdmetrics-[0-9a-f-]+)/", maps))
        assert len(found) == 1, f"the processes of one server have mapped {found or 'no store'}"
        return found.pop()

    def kill(self, worker: int) -> None:
        """Kills a worker with SIGKILL, and waits until it has ended."""
        assert worker in self.descendants(), f"{worker} is no process of the server:\n{self.log}"
        os.kill(worker, signal.SIGKILL)
        assert not is_alive(worker, HANG_SECONDS), f"{worker} was killed and lives"

    def reload(self) -> None:
        """Asks it to replace its workers."""
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Asks it to end, and waits until it has."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(HANG_SECONDS)
        assert status in (0, -signal.SIGTERM), f"the server ended with {status}:\n{self.log}"

    def _kill_all(self) -> None:
        # The first process before its workers, which it would start again.
        workers = self.descendants()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for worker in workers:
            try:
                os.kill(worker, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            print(self.log)
        self._kill_all()
