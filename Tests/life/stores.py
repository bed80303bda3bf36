# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Stores that cannot be attached any more, what holds them, and the ways in which a program comes by its metrics."""

from __future__ import annotations

import os
import struct
import sys
import textwrap
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from programs import run

sys.path.append(str(Path(__file__).resolve().parents[1] / "format"))
from read_store import checksum

_COLLECTOR = """
def show():
    registry = p.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return p.generate_latest(registry).decode()
"""
#: What a program begins with: `p` has the names of prometheus_client, `show()` gives the totals.
NAMES = {
    "fdmetrics": "import fdmetrics as p\ndef show(): return p.generate_latest().decode()\n",
    "drop-in": "import fdmetrics.prometheus_client as p\nfrom fdmetrics.prometheus_client import multiprocess\n"
    + _COLLECTOR,
    "install": "import fdmetrics; fdmetrics.install()\nimport prometheus_client as p\n"
    "from prometheus_client import multiprocess\n" + _COLLECTOR,
}
COUNT = """
import fdmetrics
p.Counter("jobs", "Jobs").inc(10)
print(*(line for line in show().splitlines() if line.startswith("jobs_total")), fdmetrics.REGISTRY.path)
"""
#: What the line begins with by which a process says that it set a store aside.
SET_ASIDE = "fdmetrics: a new store takes the place of one that cannot be used any more: "


def counting(names: str = "fdmetrics") -> str:
    """A program that counts 10 jobs, and prints the total and the store's directory."""
    return NAMES[names] + COUNT


def own_directory(path: Path) -> Path:
    """A new directory of this user alone."""
    path.mkdir(mode=0o700)
    return path


def segment(directory: Path) -> Path:
    """A store's first file."""
    return directory / "fdmetrics-0.seg"


def make_store(directory: Path) -> Path:
    """A store with 7 jobs that no process holds; its first file."""
    run("import fdmetrics\nfdmetrics.Counter('jobs', 'Jobs').inc(7)", FDMETRICS_DIR=str(directory))
    return segment(directory)


def patch(path: Path, offset: int, data: bytes) -> None:
    """Replaces bytes of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def patch_header(path: Path, offset: int, data: bytes) -> None:
    """Replaces bytes of the constant part of a header, and puts its checksum right."""
    patch(path, offset, data)
    with path.open("rb") as file:
        constant = file.read(176)
    patch(path, 176, struct.pack("<Q", checksum(constant)))


def _cut(size: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, size)


#: What makes a store one that cannot be attached, and a part of the sentence that says so.
DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "boot": (lambda path: patch_header(path, 40, b"another boot's"), "before this host's last boot"),
    "earlier version": (lambda path: patch_header(path, 8, struct.pack("<I", 0)), "has layout version 0"),
    "later version": (lambda path: patch_header(path, 8, struct.pack("<I", 1 << 31)), "has layout version 2147483648"),
    "signature": (lambda path: patch_header(path, 16, b"other sz"), "has layout signature"),
    "checksum": (lambda path: patch(path, 30, b"?!?!"), "the checksum of its header does not match"),
    "truncated": (_cut(8192), "has 8192 bytes"),
    "empty": (_cut(0), "has 0 bytes"),
    "garbage": (lambda path: patch(path, 0, b"GARBAGE!" * 512), "is not a store"),
    "counters": (lambda path: patch(path, 256, struct.pack("<Q", 1 << 40)), "recordsNext"),
}


def kill_store(directory: Path, how: str) -> bytes:
    """Makes a store and damages it; the bytes that it then has."""
    path = make_store(directory)
    DAMAGE[how][0](path)
    return path.read_bytes()


#: The bytes of a segment that processes lock: the one of all that attached it, the lease of slot 0's first holder.
LOCKED_BYTES = {"presence": (1 << 60) - 1, "lease": (1 << 60) + 1}


def holding(path: Path, byte: int, alone: bool = False) -> str:
    """The beginning of a program that holds a lock on a byte of a file, as processes of any version do."""
    kind = "F_WRLCK" if alone or byte != LOCKED_BYTES["presence"] else "F_RDLCK"
    return textwrap.dedent(
        f"""
        import fcntl, struct
        held = open({str(path)!r}, "r+b")
        F_OFD_SETLK = 37
        fcntl.fcntl(held, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.{kind}, 0, {byte}, 1, 0))
        """
    )


def contents(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that is below a directory, with what a stranger to it must not change."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        data = path.readlink() if path.is_symlink() else sha256(path.read_bytes()).digest() if path.is_file() else None
        found[str(path.relative_to(folder))] = (info.st_mode, info.st_uid, info.st_ino, info.st_nlink, data)
    return found


#: Forks its workers before anything is imported; each counts, and prints what it sees while all are there.
FORK_SERVER = """
    import os

    def work(ready, steps):
        import fdmetrics
        jobs = fdmetrics.Counter("jobs", "Jobs")
        for _ in range(10):
            jobs.inc()
        fdmetrics.Gauge("workers", "Workers", multiprocess_mode="livesum").set(1)
        os.write(ready, b".")
        os.read(steps, 1)
        samples = [line for line in fdmetrics.generate_latest().decode().splitlines() if not line.startswith("#")]
        os.write(1, (" ".join([*samples, fdmetrics.REGISTRY.path]) + "\\n").encode())
        os.write(ready, b".")
        os.read(steps, 1)

    class Worker:
        def __init__(self):
            self.ready, ready = os.pipe()
            steps, self.steps = os.pipe()
            self.process = os.fork()
            if self.process == 0:
                work(ready, steps)
                raise SystemExit
            os.close(ready)
            os.close(steps)

    workers = [Worker() for _ in range(4)]
    for _ in range(2):
        assert all(os.read(worker.ready, 1) == b"." for worker in workers)
        for worker in workers:
            os.write(worker.steps, b".")
    assert all(os.waitpid(worker.process, 0)[1] == 0 for worker in workers)
    """
