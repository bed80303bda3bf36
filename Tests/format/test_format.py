# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""docs/file-format.md suffices: a reader that was written from it finds what the library renders.

The library writes a store of every type through its C functions, read_store.py reads the files, and both are compared
with each other and with what was recorded. FDMETRICS_LIBRARY is the library under test (build/lib/libfdmetrics.so).
"""

from __future__ import annotations

import ctypes
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import read_store as reader

ROOT = Path(__file__).resolve().parents[2]
MODES = ["", "all", "liveall", "min", "livemin", "max", "livemax", "sum", "livesum", "mostrecent", "livemostrecent"]


class Options(ctypes.Structure):
    """fdm_options."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("directory", ctypes.c_char_p),
        ("lanes", ctypes.c_uint32),
        ("series_limit", ctypes.c_uint32),
    ]


class Descriptor(ctypes.Structure):
    """fdm_descriptor."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("type", ctypes.c_uint32),
        ("gauge_mode", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        ("help", ctypes.c_char_p),
        ("unit", ctypes.c_char_p),
        ("label_names", ctypes.POINTER(ctypes.c_char_p)),
        ("label_count", ctypes.c_size_t),
        ("bounds", ctypes.POINTER(ctypes.c_double)),
        ("bound_count", ctypes.c_size_t),
        ("states", ctypes.POINTER(ctypes.c_char_p)),
        ("state_count", ctypes.c_size_t),
    ]


class String(ctypes.Structure):
    """fdm_string."""

    _fields_ = [("data", ctypes.c_char_p), ("length", ctypes.c_size_t)]


def texts(values: list[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * max(1, len(values)))(*(value.encode() for value in values))


def strings(values: list[str]) -> ctypes.Array[String]:
    encoded = [value.encode() for value in values]
    return (String * max(1, len(values)))(*(String(value, len(value)) for value in encoded))


class Library:
    """The few functions of libfdmetrics.so that these tests need."""

    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path))
        self.c.fdm_last_error.restype = ctypes.c_char_p
        self.store = ctypes.c_void_p()

    def call(self, name: str, *arguments: object) -> None:
        status = getattr(self.c, name)(*arguments)
        assert status == 0, f"{name} gave {status}: {self.c.fdm_last_error().decode()}"

    def open(self, directory: Path, lanes: int = 4, limit: int = 0) -> None:
        options = Options(ctypes.sizeof(Options), str(directory).encode(), lanes, limit)
        self.call("fdm_store_open", ctypes.byref(options), ctypes.byref(self.store))

    def close(self) -> None:
        self.call("fdm_store_close", self.store)

    def family(
        self,
        kind: int,
        name: str,
        labels: list[str] | None = None,
        *,
        mode: int = 0,
        help_text: str = "",
        bounds: list[float] | None = None,
        states: list[str] | None = None,
    ) -> ctypes.c_void_p:
        labels, bounds, states = labels or [], bounds or [], states or []
        descriptor = Descriptor(
            ctypes.sizeof(Descriptor), kind, mode, name.encode(), help_text.encode(), None,
            texts(labels), len(labels), (ctypes.c_double * max(1, len(bounds)))(*bounds), len(bounds),
            texts(states), len(states),
        )  # fmt: skip
        family = ctypes.c_void_p()
        self.call("fdm_register", self.store, ctypes.byref(descriptor), ctypes.byref(family))
        return family

    def labels(self, family: ctypes.c_void_p, *values: str) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self.call("fdm_labels", family, strings(list(values)), ctypes.c_size_t(len(values)), ctypes.byref(handle))
        return handle

    def render(self) -> str:
        text, length = ctypes.c_void_p(), ctypes.c_size_t()
        self.call("fdm_render", self.store, 1, 0, ctypes.byref(text), ctypes.byref(length))
        try:
            return ctypes.string_at(text, length.value).decode()
        finally:
            self.c.fdm_free(text)


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="fdm-format-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def library_path() -> Path:
    path = Path(os.environ.get("FDMETRICS_LIBRARY") or ROOT / "build/lib/libfdmetrics.so").resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make lib`, or set FDMETRICS_LIBRARY to a built libfdmetrics.so")
    return path


@pytest.fixture
def library(library_path: Path, directory: Path) -> Iterator[Library]:
    """The library, with a new store open."""
    library = Library(library_path)
    library.open(directory)
    yield library
    library.close()


@pytest.fixture
def choices() -> random.Random:
    """Random choices that a printed seed repeats."""
    seed = int(os.environ.get("FDM_SEED") or random.SystemRandom().randrange(1, 1 << 31))
    print(f"FDM_SEED={seed}")
    return random.Random(seed)


def samples(text: str) -> dict[str, float]:
    """The samples of an exposition. Text of the tests has no newline in a value, so a line is a sample."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def with_label(text: str, name: str, value: str) -> str:
    """A rendered label set with one more label, in the order of names."""
    pairs = re.findall(r'([^{},="]+)=("(?:[^"\\]|\\.)*")', text)
    return "{" + ",".join(f"{key}={quoted}" for key, quoted in sorted([*pairs, (name, f'"{value}"')])) + "}"


def exposed(series: reader.Series, workers: set[int]) -> dict[str, float]:
    """What the library should render of a series. workers: the slots that have ever had a value of its family."""
    family, text = series.family, series.text
    if family.type == reader.COUNTER:
        return {f"{family.name}_total{text}": series.total}
    if family.type == reader.INFO:
        return {f"{family.name}_info{text}": 1.0}
    if family.type == reader.STATE_SET:
        return {
            family.name + with_label(text, family.name, state): float(state == series.state) for state in family.states
        }
    if family.type == reader.GAUGE:
        if family.mode in (reader.ALL, reader.LIVE_ALL):
            return {
                family.name + (with_label(text, "worker", str(one.slot)) if len(workers) > 1 else text): one.value
                for one in series.instances
                if one.value is not None and one.is_set() and (family.mode == reader.ALL or one.is_alive)
            }
        value = reader.gauge_value(series)
        return {} if value is None else {family.name + text: value}
    found = {f"{family.name}_count{text}": float(series.count), f"{family.name}_sum{text}": series.sum}
    total = 0
    for bound, count in zip([*map(repr, family.bounds), "+Inf"], series.buckets):
        total += count
        if family.type == reader.HISTOGRAM:
            found[f"{family.name}_bucket{with_label(text, 'le', bound)}"] = float(total)
    return found


def compare(directory: Path, text: str) -> dict[tuple[str, str], reader.Series]:
    """Reads the store and compares it with a rendered text, sample for sample."""
    store = reader.Store(directory)
    try:
        found = store.series()
        expected: dict[str, float] = {}
        workers: dict[str, set[int]] = {}
        for series in found.values():
            workers.setdefault(series.family.name, set()).update(one.slot for one in series.instances)
        for series in found.values():
            expected.update(exposed(series, workers[series.family.name]))
        assert store.damaged == 0
        assert samples(text) == pytest.approx(expected, rel=1e-12)
        helps = {series.family.name: series.family.help for series in found.values()}
        for name, line in re.findall(r"^# HELP (\S+) ?(.*)$", text, re.MULTILINE):
            base = name if name in helps else re.sub("_(total|info)$", "", name)
            assert helps[base].replace("\\", "\\\\").replace("\n", "\\n") == line
        return found
    finally:
        store.close()


def test_counters(library: Library, directory: Path, choices: random.Random) -> None:
    family = library.family(reader.COUNTER, "fastdeploy:jobs", ["queue", "outcome"])
    wanted: dict[tuple[str, str], float] = {}
    values = ["plain", "", "Größe 测试", 'quo"te', "back\\slash", "comma,={}", "x" * 5000]
    for first in values:
        for second in values[:3]:
            handle = library.labels(family, first, second)
            amounts = [choices.choice([1.0, 2.5, 0.001, 1e9, float(1 << 40)]) for _ in range(5)]
            for amount in amounts:
                library.call("fdm_counter_add", handle, ctypes.c_double(amount))
            wanted[first, second] = sum(amounts)
    found = compare(directory, library.render())
    read = {tuple(series.labels.values()): series.total for series in found.values()}
    assert read == pytest.approx(wanted, rel=1e-12)
    assert {tuple(series.labels) for series in found.values()} == {("queue", "outcome")}


def test_histograms_and_summaries(library: Library, directory: Path, choices: random.Random) -> None:
    bounds = [0.005, 0.5, 1.0, 2.5, 5000.0]
    histogram = library.family(reader.HISTOGRAM, "latency", ["op"], bounds=bounds, help_text="How long\\\nit took.")
    summary = library.family(reader.SUMMARY, "size")
    default = library.family(reader.HISTOGRAM, "default_bounds")
    library.labels(default)
    observed = [choices.choice([*bounds, 0.0, 0.7, 3.0, 1e9]) for _ in range(200)]
    handle, size = library.labels(histogram, "get"), library.labels(summary)
    for value in observed:
        library.c.fdm_histogram_observe(handle, ctypes.c_double(value))
        library.c.fdm_summary_observe(size, ctypes.c_double(value))
    found = compare(directory, library.render())
    series = found["latency", '{op="get"}']
    assert series.family.bounds == bounds
    assert series.count == found["size", ""].count == len(observed)
    assert series.sum == pytest.approx(sum(observed)) and found["size", ""].sum == pytest.approx(sum(observed))
    edges = [float("-inf"), *bounds, float("inf")]
    assert series.buckets == [sum(low < v <= high for v in observed) for low, high in zip(edges, edges[1:])]
    assert len(found["default_bounds", ""].buckets) == 15


def test_info_and_state_sets(library: Library, directory: Path) -> None:
    info = library.family(reader.INFO, "build", ["node"])
    pairs = strings(["version", "branch"]), strings(["1.0", 'ma"in']), ctypes.c_size_t(2)
    library.call("fdm_info_set", info, strings(["n1"]), ctypes.c_size_t(1), *pairs)
    states = library.family(reader.STATE_SET, "phase", ["node"], states=["starting", "up", "down"])
    for node, state in [("n1", b"up"), ("n2", b"down"), ("n1", b"starting"), ("n3", b"starting")]:
        library.call("fdm_state_set", states, strings([node]), ctypes.c_size_t(1), state)
    found = compare(directory, library.render())
    labels = [series.labels for series in found.values() if series.family.type == reader.INFO]
    assert labels == [{"node": "n1", "version": "1.0", "branch": 'ma"in'}]
    phases = {series.labels["node"]: series.state for series in found.values() if series.family.name == "phase"}
    assert phases == {"n1": "starting", "n2": "down", "n3": "starting"}


CHILD = """
import ctypes, sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from test_format import GAUGES, Library
library = Library(Path({library!r}))
library.open(Path({directory!r}))
for mode, name in GAUGES.items():
    handle = library.labels(library.family(2, name, ["id"], mode=mode), "x")
    library.c.fdm_gauge_set_at(handle, ctypes.c_double(float(sys.argv[1])), ctypes.c_double(float(sys.argv[2])))
print("set", flush=True)
sys.stdin.readline()
"""
GAUGES = {mode: f"gauge_{name}" for mode, name in enumerate(MODES) if name}


def test_gauges_of_living_dead_and_heirs(library: Library, library_path: Path, directory: Path) -> None:
    code = CHILD.format(folder=str(Path(__file__).parent), library=str(library_path), directory=str(directory))
    running: list[subprocess.Popen[str]] = []

    def begin(value: float, time: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, str(value), str(time)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(child)
        assert child.stdout is not None and child.stdout.readline() == "set\n"
        return child

    def value(found: dict[tuple[str, str], reader.Series], mode: int) -> float | None:
        return reader.gauge_value(found[GAUGES[mode], '{id="x"}'])

    try:
        first, second = begin(5, 1000), begin(-3, 900)
        found = compare(directory, library.render())
        modes = (reader.SUM, reader.MIN, reader.LIVE_MAX, reader.MOST_RECENT)
        assert [value(found, mode) for mode in modes] == [2, -3, 5, 5]

        first.kill()
        first.wait()
        found = compare(directory, library.render())
        assert [value(found, mode) for mode in modes] == [2, -3, -3, 5]
        assert value(found, reader.LIVE_SUM) == -3 and value(found, reader.LIVE_MOST_RECENT) == -3

        # The heir of the first one's slot: its instances are taken over, not added to.
        begin(1, 950)
        found = compare(directory, library.render())
        assert [value(found, mode) for mode in modes] == [3, -3, 1, 5]
        assert all(len(series.instances) == 2 for series in found.values())

        second.kill()
        second.wait()
        found = compare(directory, library.render())
        assert value(found, reader.LIVE_SUM) == 1 and value(found, reader.SUM) == 3
        store = reader.Store(directory)
        assert store.live_slots() == [0, 1]
        store.close()
    finally:
        for child in running:
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    stream.close()


def test_removed_series_and_further_segments(library_path: Path, directory: Path) -> None:
    library = Library(library_path)
    library.open(directory, lanes=2, limit=20_000)
    family = library.family(reader.COUNTER, "jobs", ["id"])
    for index in range(4000):
        library.c.fdm_counter_add_u64(library.labels(family, str(index)), ctypes.c_uint64(index))
    for index in range(0, 4000, 7):
        library.call("fdm_remove", family, strings([str(index)]), ctypes.c_size_t(1))
    library.c.fdm_counter_inc(library.labels(family, "0"))
    found = compare(directory, library.render())
    assert (directory / "fdmetrics-1.seg").exists()
    read = {series.labels["id"]: series.total for series in found.values()}
    assert read == {"0": 1.0, **{str(index): float(index) for index in range(4000) if index % 7}}
    library.close()
    # The files say the same when nobody holds them any more.
    store = reader.Store(directory)
    assert {series.labels["id"]: series.total for series in store.series().values()} == read
    assert store.live_slots() == []
    store.close()


def test_names_of_processes(library_path: Path, directory: Path) -> None:
    library = Library(library_path)
    library.open(directory, lanes=2, limit=20_000)
    try:
        # Its record is in the second segment, as the first one takes none any more.
        family = library.family(reader.COUNTER, "jobs", ["id"])
        for index in range(3100):
            library.labels(family, str(index))
        library.call("fdm_set_process_name", "engine-日本語".encode())
        store = reader.Store(directory)
        assert len(store.segments) == 2 and store.process_names() == {0: "engine-日本語"}
        library.call("fdm_set_process_name", b"x" * 200)
        assert store.process_names() == {0: "x" * 112}
        library.call("fdm_set_process_name", b"")
        assert store.process_names() == {}
        library.call("fdm_set_process_name", b"again")
        library.close()
        assert store.process_names() == {0: "again"}
        # The next holder of the slot is another one.
        library.call("fdm_set_process_name", None)
        library.open(directory)
        assert store.process_names() == {} and store.live_slots() == [0]
        library.close()
        store.close()
    finally:
        library.call("fdm_set_process_name", None)


@pytest.mark.parametrize("offset", [0, 8, 12, 16, 30, 50, 56, 60, 64, 72, 90, 144, 170, 176])
def test_reader_refuses_a_damaged_header(library: Library, directory: Path, offset: int) -> None:
    path = directory / "fdmetrics-0.seg"
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x41]))
    with pytest.raises(reader.NotAStore):
        reader.Store(directory)


def test_document_has_the_readers_test_vectors() -> None:
    text = (ROOT / "docs" / "file-format.md").read_text()
    vectors = re.findall(r"^\| `([^`|]*)` \| 0x([0-9A-F]{16}) \|$", text, re.MULTILINE)
    assert len(vectors) >= 7
    for data, value in vectors:
        assert reader.checksum(data.encode()) == int(value, 16)
    keys = re.findall(r"^\| (\d+) \| `([^`]+)` \| (.*?) ?\| 0x([0-9A-F]{16}) \|$", text, re.MULTILINE)
    assert len(keys) >= 2
    for seed, name, values, value in keys:
        labels = [label.encode() for label in re.findall("`([^`]*)`", values)]
        assert reader.key_hash(int(seed), name.encode(), labels) == int(value, 16)
    assert f"The result is 0x{reader.layout_signature():016X}." in text
