# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Recording raises nothing and imports nothing, whatever has run out: each case is a program of its own."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from fdmetrics import Counter, Registry

from .failure_support import Clock
from .support import NO_STORE, run_program

# Everything that records; `updates` is how many updates that is.
EVERYTHING = """
import fdmetrics, os, sys, time
from fdmetrics import registry as registries

plain = fdmetrics.Counter("plain", "")
labelled = fdmetrics.Counter("labelled", "", ["a"])
gauge = fdmetrics.Gauge("gauge", "", multiprocess_mode="sum")
summary = fdmetrics.Summary("summary", "")
histogram = fdmetrics.Histogram("histogram", "", ["a"])
info = fdmetrics.Info("info", "")
enum = fdmetrics.Enum("enum", "", states=["off", "on"])

@summary.time()
def timed():
    pass

def record():
    plain.inc()
    labelled.labels("x").inc()
    labelled.labels(a="x").inc()
    gauge.inc()
    gauge.dec()
    gauge.set(1)
    gauge.set_to_current_time()
    with gauge.track_inprogress():
        pass
    with gauge.time():
        pass
    timed()
    histogram.labels("x").observe(1)
    with histogram.labels("x").time():
        pass
    try:
        with plain.count_exceptions():
            raise ValueError
    except ValueError:
        pass
    info.info({"a": "b"})
    enum.state("on")
updates = 16
"""

EXHAUST = """
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
assert "logging" not in sys.modules, "the case is that nobody has imported it"
"""

RECOVER = """
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
time.sleep(registries.RETRY_SECONDS)
lost = fdmetrics.REGISTRY.lost_updates
record()
assert fdmetrics.REGISTRY.lost_updates == lost
text = fdmetrics.generate_latest().decode()
for line in ("plain_total 2.0", 'labelled_total{a="x"} 2.0', 'histogram_count{a="x"} 2.0', "summary_count 1.0",
             'info_info{a="b"} 1.0', 'enum{enum="on"} 1.0'):
    assert line in text, text
"""


@pytest.mark.parametrize("python_metrics", [False, True])
@pytest.mark.parametrize("loaded", [False, True], ids=["before the library is loaded", "after"])
def test_descriptors_that_have_run_out(loaded: bool, python_metrics: bool, tmp_path: Path) -> None:
    program = [EVERYTHING, "fdmetrics._library.load()" if loaded else ""]
    if python_metrics:
        program.append("from fdmetrics import python_metrics; python_metrics.install()")
    program += [EXHAUST, "record()", "for _ in range(99): plain.inc(); labelled.labels('x').inc()"]
    program += ["assert fdmetrics.REGISTRY.lost_updates == updates + 198, fdmetrics.REGISTRY.lost_updates"]
    program += ["assert sum(fdmetrics.REGISTRY.failures.values()) == 1, fdmetrics.REGISTRY.failures", RECOVER]
    program += ["assert 'python_info{' in text" if python_metrics else ""]
    run_program("\n".join(program), FDMETRICS_DIR=tmp_path / "store")


@pytest.mark.parametrize("case", ["a store", "no store", "no library"])
def test_recording_imports_nothing(case: str, tmp_path: Path) -> None:
    program = """
    from fdmetrics import python_metrics
    python_metrics.install()
    asked = []
    class Refusing:
        def find_spec(self, name, path=None, target=None):
            asked.append(name)
            raise OSError(24, "Too many open files")
    sys.meta_path.insert(0, Refusing())
    record()
    labelled.labels("y").inc()
    labelled.labels(5).inc()
    print(asked, fdmetrics.REGISTRY.lost_updates)
    """
    variables = {"FDMETRICS_DIR": tmp_path / "store"}
    if case == "no library":
        variables["FDMETRICS_LIBRARY"] = tmp_path / "absent.so"
    indented = EVERYTHING.replace("\n", "\n    ")
    text = textwrap.dedent(f"{indented}\n{program}")
    asked, lost = run_program((NO_STORE if case == "no store" else "") + text, **variables).split("] ")
    assert asked == "["
    assert int(lost) == (0 if case == "a store" else 18)


def test_a_prototype_that_cannot_be_imported_is_imported_later(tmp_path: Path) -> None:
    program = """
    import fdmetrics, sys, time
    from fdmetrics import registry as registries
    class Refusing:
        def find_spec(self, name, path=None, target=None):
            if name == "fdmetrics._rare_prototypes":
                raise OSError(24, "Too many open files")
    refusing = Refusing()
    sys.meta_path.insert(0, refusing)
    info = fdmetrics.Info("info", "")
    info.info({"a": "b"})
    info.info({"a": "b"})
    assert fdmetrics.REGISTRY.failures == {"LibraryError": 1}, fdmetrics.REGISTRY.failures
    assert fdmetrics.REGISTRY.lost_updates == 2
    sys.meta_path.remove(refusing)
    time.sleep(registries.RETRY_SECONDS)
    info.info({"a": "b"})
    print('info_info{a="b"} 1.0' in fdmetrics.generate_latest().decode())
    """
    assert run_program(program, FDMETRICS_DIR=tmp_path / "store") == "True\n"


@pytest.mark.parametrize("function", ["fdm_register", "fdm_labels"])
def test_memory_that_has_run_out(function: str, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_arguments: object) -> int:
        raise MemoryError

    clock = Clock(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(registry._attach().library, function, no_memory)
        plain = Counter("c", "", registry=registry)
        labelled = Counter("l", "", ["a"], registry=registry)
        for _ in range(10):
            plain.inc()
            labelled.labels("x").inc()
    assert registry.lost_updates == 20
    assert registry.failures == {"MemoryError": 2}
    clock.now += 1
    plain.inc()
    labelled.labels("x").inc()
    assert registry.lost_updates == 20


def test_what_a_signal_handler_raises_amid_an_update_is_the_program_s(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alarm(*_arguments: object) -> int:
        raise TimeoutError("the program's own")

    monkeypatch.setattr(registry._attach().library, "fdm_labels", alarm)
    with pytest.raises(TimeoutError, match="own"):
        Counter("c", "", registry=registry).inc()


SIGNALS = """
import fdmetrics, os, signal, sys, threading, time
from fdmetrics import registry as registries
if sys.argv[1] == "logging":
    import logging
    logging.basicConfig()
    class Recording(logging.Handler):
        def emit(self, record):
            lines.labels(record.levelname).inc()
    logging.getLogger("fdmetrics").addHandler(Recording())

registries.RETRY_SECONDS = 0
fdmetrics._log.INTERVAL = 0
lines = fdmetrics.Counter("lines", "", ["level"])
counter = fdmetrics.Counter("c", "")
labelled = fdmetrics.Counter("l", "", ["a"])
handled = depth = 0

def handler(number, frame):
    global handled, depth
    # On a slow machine each one is interrupted by the next, until there is no stack left.
    if depth == 10:
        return
    depth += 1
    handled += 1
    counter.inc()
    labelled.labels(str(handled % 50)).inc()
    depth -= 1

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
made = 0
while handled < 300:
    made += 1
    counter.inc()
    labelled.labels(str(made % 50)).inc()
signal.setitimer(signal.ITIMER_REAL, 0)
print(fdmetrics.REGISTRY.lost_updates - 2 * (made + handled), bool(fdmetrics.REGISTRY.failures))
if fdmetrics.REGISTRY.attached:
    text = fdmetrics.generate_latest().decode()
    print(f"c_total {made + handled}.0" in text)
    print(made + handled == sum(float(line.split()[1]) for line in text.splitlines() if line.startswith("l_total")))
"""


def test_a_signal_handler_records_amid_an_update(tmp_path: Path) -> None:
    """The first one comes while the store is attached or series are made, where the timing is so."""
    printed = run_program(SIGNALS, "standard error", FDMETRICS_DIR=tmp_path / "store").split()
    assert int(printed[0]) < 0, "nothing is lost"
    assert printed[1:] == ["False", "True", "True"]


@pytest.mark.parametrize("way", ["logging", "standard error"])
def test_a_signal_handler_records_amid_a_refused_update(way: str, tmp_path: Path) -> None:
    """Each update is refused, logged and interrupted; with logging, a handler of the log records too."""
    more, failed = run_program(NO_STORE + SIGNALS, way, FDMETRICS_DIR=tmp_path / "store").split()
    assert failed == "True"
    if way == "logging":
        assert int(more) > 0
    elif sys.version_info >= (3, 10):
        # Before, a signal handler may come between the reading and the writing of the number.
        assert int(more) == 0
