# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the log is told: one line a cause and minute, and what the library itself has to say."""

from __future__ import annotations

import ctypes
import logging
import textwrap
import threading
from pathlib import Path
from typing import Any, Iterator, List

import pytest

import fdmetrics
from fdmetrics import Counter, Registry, _library, _log
from fdmetrics import registry as registries

from .failure_support import Clock, FullStore
from .support import NO_STORE, run_program


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Takes up what is logged."""
    with caplog.at_level(logging.WARNING, logger="fdmetrics"):
        yield caplog


def messages(lines: pytest.LogCaptureFixture, level: int = logging.ERROR) -> List[str]:
    return [record.getMessage() for record in lines.records if record.levelno == level]


def test_many_metrics_on_a_full_disk_give_one_line_a_minute(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    clock = Clock(monkeypatch)
    FullStore(monkeypatch, registry._attach().library, "fdm_register")
    counters = [Counter(f"c{number}", "", registry=registry) for number in range(200)]
    for _ in range(3):
        for counter in counters:
            counter.inc()
        clock.now += registries.RETRY_SECONDS
    assert len(messages(lines)) == 1
    assert messages(lines)[0].startswith("fdmetrics: nothing is recorded into metric c0: ")
    assert registry.failures == {"NoSpaceError": 600}
    clock.now += _log.INTERVAL
    counters[7].inc()
    counters[8].inc()
    (_, second) = messages(lines)
    assert second.startswith("fdmetrics: nothing is recorded into metric c7: ")
    assert second.endswith(" (and 599 more refusals by NoSpaceError since the last line)")
    clock.now += _log.INTERVAL
    counters[7].inc()
    assert messages(lines)[2].endswith(" (and 1 more refusals by NoSpaceError since the last line)")
    clock.now += _log.INTERVAL
    counters[7].inc()
    assert "more refusals" not in messages(lines)[3]


def test_each_cause_has_its_own_line(
    registry: Registry, directory: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    other = Registry(directory)
    for name in "xy":
        Counter(name, "", registry=other).inc()
    for name in "xy":
        fdmetrics.Gauge(name, "", registry=registry).set(1)
    FullStore(monkeypatch, registry._attach().library)
    for name in "zw":
        Counter(name, "", registry=registry).inc()
    told = [message[len("fdmetrics: nothing is recorded into ") :].partition(":")[0] for message in messages(lines)]
    assert told == ["metric x", "metric z"]
    assert registry.failures == {"ConflictError": 2, "NoSpaceError": 2}
    other.close()


def test_threads_that_are_refused_at_once_write_one_line(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    clock = Clock(monkeypatch)
    FullStore(monkeypatch, registry._attach().library)
    for minute in range(1, 4):
        barrier = threading.Barrier(8)

        def work(names: List[str], barrier: threading.Barrier = barrier) -> None:
            counters = [Counter(name, "", registry=registry) for name in names]
            barrier.wait()
            for counter in counters:
                counter.inc()

        threads = [
            threading.Thread(target=work, args=([f"c{minute}_{thread}_{number}" for number in range(20)],))
            for thread in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(messages(lines)) == minute
        clock.now += _log.INTERVAL


WITHOUT_LOGGING = """
import os, sys, fdmetrics
fdmetrics.Counter("first", "").inc()
fdmetrics.Counter("second", "").inc()
assert "logging" not in sys.modules
import logging
logging.basicConfig(stream=sys.stdout, format="logged %(levelname)s %(message)s")
fdmetrics._log.INTERVAL = 0
other = fdmetrics.Registry(os.environ["FDMETRICS_DIR"])
fdmetrics.Counter("third", "", registry=other).inc()
os.dup2(1, 2)
"""


def test_a_program_that_does_not_log_reads_standard_error(tmp_path: Path) -> None:
    program = NO_STORE + "import os; os.dup2(1, 2)\n" + WITHOUT_LOGGING
    first, second = run_program(program, FDMETRICS_DIR=tmp_path / "store").splitlines()
    assert first.startswith("fdmetrics: nothing is recorded into the store: ")
    assert second.startswith("logged ERROR fdmetrics: nothing is recorded into the store: ")


def test_a_program_without_standard_error_records_on(tmp_path: Path) -> None:
    program = "import os, sys; os.close(2); sys.stderr = None\n" + WITHOUT_LOGGING.replace("os.dup2(1, 2)", "")
    run_program(NO_STORE + program, FDMETRICS_DIR=tmp_path / "store")


def test_a_log_that_fails_fails_no_update(tmp_path: Path) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            emitted.append(record.getMessage())
            raise RuntimeError

    emitted: List[str] = []
    (tmp_path / "file").write_text("")
    registry = Registry(tmp_path / "file" / "store")
    handler = Failing()
    logging.getLogger("fdmetrics").addHandler(handler)
    try:
        Counter("c", "", registry=registry).inc()
    finally:
        logging.getLogger("fdmetrics").removeHandler(handler)
    assert len(emitted) == registry.lost_updates == 1


class Notices:
    """Stands in for fdm_take_notice: gives the lines that a test puts into `lines`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: List[str] = []
        self.asked = 0
        monkeypatch.setattr(_library.load(), "fdm_take_notice", self)

    def __call__(self, text: Any, size: int) -> int:
        self.asked += 1
        if not self.lines:
            return 0
        line = self.lines.pop(0).encode()[: size - 1]
        ctypes.memmove(text, line + b"\0", len(line) + 1)
        return len(line)


def test_the_library_s_lines_are_warnings(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    clock = Clock(monkeypatch)
    notices = Notices(monkeypatch)
    counter = Counter("c", "", ["a"], registry=registry)
    notices.lines = ["of attaching", "another one"]
    registry.attach()
    assert messages(lines, logging.WARNING) == ["fdmetrics: of attaching", "fdmetrics: another one"]
    notices.lines = ["of a new series"]
    counter.labels("x").inc()
    assert notices.lines, "it is asked once a second here"
    clock.now += _log.LISTENING_INTERVAL
    counter.labels("y").inc()
    assert notices.lines == []
    for line, render in (
        ("of rendering", registry.render),
        ("of another format", lambda: registry.render(format="openmetrics")),
        ("of a reader", lambda: fdmetrics.render_directory(registry.path)),
    ):
        notices.lines = [line]
        render()
        assert notices.lines == []
    notices.lines = ["of a refusal"]
    FullStore(monkeypatch, registry._attach().library)
    counter.labels("z").inc()
    assert messages(lines, logging.WARNING)[2:] == [
        "fdmetrics: of a new series",
        "fdmetrics: of rendering",
        "fdmetrics: of another format",
        "fdmetrics: of a reader",
        "fdmetrics: of a refusal",
    ]


def test_an_update_does_not_ask_the_library(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    counter = Counter("c", "", ["a"], registry=registry)
    kept = counter.labels("x")
    notices = Notices(monkeypatch)
    for _ in range(5):
        clock.now += _log.LISTENING_INTERVAL
        counter.labels("x").inc()
        kept.inc()
    assert notices.asked == 0


def test_the_library_keeps_its_lines_for_the_log(tmp_path: Path) -> None:
    """A line that the library would have written to standard error is in the log when the process ends."""
    program = """
    import sys, logging
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
    import fdmetrics
    library = fdmetrics._library.load()
    import ctypes
    taken = []
    def take(text, size):
        if taken:
            return 0
        taken.append(1)
        ctypes.memmove(text, b"the last line\\0", 14)
        return 13
    library.fdm_take_notice = take
    """
    assert run_program(program, FDMETRICS_DIR=tmp_path / "store") == "WARNING fdmetrics: the last line\n"


def test_a_fork_child_has_lines_of_its_own(tmp_path: Path) -> None:
    program = """
    import os, sys
    os.dup2(1, 2)
    import fdmetrics
    fdmetrics._log.INTERVAL = fdmetrics.registry.RETRY_SECONDS = 0
    counter = fdmetrics.Counter("c", "")
    counter.inc()
    for _ in range(2):
        if os.fork() == 0:
            counter.inc()
            os._exit(0)
        assert os.wait()[1] == 0
    """
    printed = run_program(NO_STORE + textwrap.dedent(program), FDMETRICS_DIR=tmp_path / "store").splitlines()
    assert len(printed) == 3
    assert all(line.startswith("fdmetrics: nothing is recorded into the store: ") for line in printed)


CONFLICT = """
import logging, os, subprocess, sys
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
subprocess.run([sys.executable, "-c", "import fdmetrics; fdmetrics.Gauge('w', '').set(1)"], check=True)
import fdmetrics
if sys.argv[1] == "install":
    fdmetrics.install()
    from prometheus_client import Counter
elif sys.argv[1] == "drop-in":
    from fdmetrics.prometheus_client import Counter
else:
    from fdmetrics import Counter
counter = Counter("w", "")
for _ in range(3):
    counter.inc()
fdmetrics.generate_latest()
assert fdmetrics.REGISTRY.failures == {"ConflictError": 1} and fdmetrics.REGISTRY.lost_updates >= 3
"""


@pytest.mark.parametrize("way", ["native", "drop-in", "install"])
def test_a_refusal_is_said_once(way: str, tmp_path: Path) -> None:
    """Not once more by the library, whose own line about it names no metric that is not recorded."""
    (line,) = run_program(CONFLICT, way, FDMETRICS_DIR=tmp_path / "store").splitlines()
    assert line.startswith("ERROR fdmetrics: nothing is recorded into metric w: w is registered already, ")


def test_the_library_s_line_about_a_refusal_is_left_out_for_a_minute(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    clock = Clock(monkeypatch)
    notices = Notices(monkeypatch)
    # What was refused before has another clock.
    monkeypatch.setattr(_log, "_refused", {})
    store = FullStore(monkeypatch, registry._attach().library)
    counter = Counter("c", "", registry=registry)
    (first,) = messages(lines)
    refused = first.partition("metric c: ")[2]
    counts = f"{refused} (and 7 times before this)"
    notices.lines = [refused, counts, "of something else"]
    clock.now += registries.RETRY_SECONDS
    counter.inc()
    assert registry.failures == {"NoSpaceError": 2}
    clock.now += _log.INTERVAL
    # Of somebody else in this process: Python was refused nothing like it for a minute.
    store.full = False
    notices.lines = [refused]
    registry.render()
    assert messages(lines, logging.WARNING) == ["fdmetrics: of something else", f"fdmetrics: {refused}"]


@pytest.mark.parametrize("kind", ["full", "limit"])
def test_a_family_that_has_series_is_said_to_get_no_new_ones(
    kind: str, directory: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    registry = Registry(directory)
    store = fdmetrics.Store(directory, series_limit=3)
    counter = Counter("c", "", ["a"], registry=registry)
    for number in range(3):
        counter.labels(number).inc()
    if kind == "full":
        FullStore(monkeypatch, registry._attach().library)
    for number in range(3, 6):
        counter.labels(number).inc()
    (line,) = [record.getMessage() for record in lines.records]
    assert line.startswith("fdmetrics: no new series of metric c is recorded: ")
    assert registry.lost_updates == sum(registry.failures.values()) == 3
    registry.close()
    store.close()
