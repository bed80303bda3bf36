# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A process that records into a store through the C library alone, says "ready", and lives until it is killed.

writer.py LIBRARY DIRECTORY all             one family of each type, each mode, a removed series
writer.py LIBRARY DIRECTORY many COUNT      COUNT series of one counter
writer.py LIBRARY DIRECTORY busy SEED       registers, records and removes until it is killed
writer.py LIBRARY DIRECTORY limited COUNT LIMIT
                                            COUNT series of one counter, of which the store takes LIMIT; a conflict
writer.py LIBRARY DIRECTORY churn COUNT     makes and removes COUNT series
writer.py LIBRARY DIRECTORY gauges NAME=VALUE...
writer.py LIBRARY DIRECTORY labels VALUE... a counter with a label, 1 for each value; what a state set is in
writer.py LIBRARY DIRECTORY link            sends 3 messages over a link of ZeroMQ, and receives 1
writer.py LIBRARY DIRECTORY names [NAME [NAME]]
                                            is named NAME, forks a child that sets a gauge and is then named the second
                                            NAME, says the child's process id, and then sets a gauge for each line on
                                            standard input, which has its name
writer.py LIBRARY DIRECTORY orphan          forks a child that does nothing, and then says its process id
writer.py LIBRARY DIRECTORY steps           adds 10 to a counter, and observes 10 times, for each line on standard input
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
from typing import Any, Dict, List, Sequence

COUNTER, GAUGE, HISTOGRAM, SUMMARY, INFO, STATE_SET = range(1, 7)
MODES = {"liveall": 2, "max": 5, "sum": 7, "mostrecent": 9, "local": 11}
BOUNDS = [0.1, 1.0, 10.0]
AWKWARD = 'C:\\temp "x"\nä'


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


def strings(values: Sequence[str]) -> Any:
    """An array of fdm_string."""
    encoded = [value.encode() for value in values]
    return (String * len(encoded))(*(String(value, len(value)) for value in encoded))


def texts(values: Sequence[str]) -> Any:
    """An array of C strings."""
    return (ctypes.c_char_p * len(values))(*(value.encode() for value in values))


class Writer:
    """One store, opened for recording."""

    def __init__(self, library: str, directory: str, series_limit: int = 20_000) -> None:
        self.c = ctypes.CDLL(library)
        self.c.fdm_last_error.restype = ctypes.c_char_p
        self.families: Dict[str, ctypes.c_void_p] = {}
        self.store = ctypes.c_void_p()
        options = Options(ctypes.sizeof(Options), directory.encode(), 2, series_limit)
        self.call("fdm_store_open", ctypes.byref(options), ctypes.byref(self.store))

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function that must succeed."""
        if getattr(self.c, name)(*arguments) != 0:
            raise RuntimeError(f"{name}: {self.c.fdm_last_error().decode()}")

    def register(self, name: str, kind: int, labels: Sequence[str] = (), **fields: Any) -> None:
        """Registers a family."""
        family = ctypes.c_void_p()
        descriptor = Descriptor(struct_size=ctypes.sizeof(Descriptor), type=kind, name=name.encode(), **fields)
        names = texts(labels)
        descriptor.label_names, descriptor.label_count = names, len(labels)
        self.call("fdm_register", self.store, ctypes.byref(descriptor), ctypes.byref(family))
        self.families[name] = family

    def series(self, name: str, *values: str) -> ctypes.c_void_p:
        """The handle of a series."""
        handle = ctypes.c_void_p()
        self.call("fdm_labels", self.families[name], strings(values), len(values), ctypes.byref(handle))
        return handle

    def remove(self, name: str, *values: str) -> None:
        """Removes a series."""
        self.call("fdm_remove", self.families[name], strings(values), len(values))

    def add(self, name: str, values: Sequence[str], amount: float) -> None:
        """Adds to a counter."""
        self.call("fdm_counter_add", self.series(name, *values), ctypes.c_double(amount))


def record_all(writer: Writer) -> None:
    """One family of each type and more, with values that are known."""
    writer.register("requests", COUNTER, ["path", "code"], help=b"Requests, with a \\ and a\nline.", unit=b"")
    writer.add("requests", [AWKWARD, "200"], 3)
    writer.add("requests", [AWKWARD, "200"], 0.5)
    writer.add("requests", ["/", ""], 7)
    writer.add("requests", ["/gone", "404"], 9)
    writer.remove("requests", "/gone", "404")
    bounds = (ctypes.c_double * len(BOUNDS))(*BOUNDS)
    writer.register("delay_seconds", HISTOGRAM, unit=b"seconds", bounds=bounds, bound_count=len(BOUNDS))
    for value in (0.05, 0.5, 0.25, 50.0):
        writer.c.fdm_histogram_observe(writer.series("delay_seconds"), ctypes.c_double(value))
    writer.register("size_bytes", SUMMARY, ["kind"])
    for value in (1.0, 2.5):
        writer.c.fdm_summary_observe(writer.series("size_bytes", "x"), ctypes.c_double(value))
    for mode, number in MODES.items():
        writer.register(f"level_{mode}", GAUGE, ["queue"], gauge_mode=number)
        writer.c.fdm_gauge_set(writer.series(f"level_{mode}", "q"), ctypes.c_double(2.5))
    writer.register("build", INFO, ["part"])
    keys, values = ["version", "commit"], ["1.2", 'a"b']
    writer.call("fdm_info_set", writer.families["build"], strings(["core"]), 1, strings(keys), strings(values), 2)
    writer.register("phase", STATE_SET, states=texts(["starting", "running", "done"]), state_count=3)
    writer.call("fdm_state_set", writer.families["phase"], None, 0, b"running")


def record_busily(writer: Writer, seed: int) -> None:
    """Everything that changes a store, for ever."""
    generator = random.Random(seed)
    writer.register("busy", COUNTER, ["n"])
    writer.register("busy_level", GAUGE, ["n"], gauge_mode=MODES["sum"])
    made: List[str] = []
    print("ready", flush=True)
    while True:
        if len(made) < 4_000 and generator.random() < 0.5:
            made.append(str(len(made)))
        value = generator.choice(made or ["first"])
        if generator.random() < 0.1:
            writer.remove("busy", value)
        writer.c.fdm_counter_inc(writer.series("busy", value))
        writer.c.fdm_gauge_inc(writer.series("busy_level", value))
        family = f"family_{generator.randrange(200)}"
        if family not in writer.families:
            writer.register(family, SUMMARY)
        writer.c.fdm_summary_observe(writer.series(family), ctypes.c_double(generator.random()))


def record_beyond_the_limit(writer: Writer, count: int, limit: int) -> None:
    """What the store refuses, and counts: series beyond its limit, and a family that contradicts another."""
    writer.register("limited", COUNTER, ["n"])
    refused = 0
    for number in range(count):
        try:
            writer.add("limited", [str(number)], 1)
        except RuntimeError:
            refused += 1
    assert refused == count - limit, refused
    try:
        writer.register("limited", SUMMARY, ["n"])
    except RuntimeError:
        return
    raise AssertionError("the store took a summary by the name of a counter")


def record_by_steps(writer: Writer) -> None:
    """The same again for each line, which is answered when it is done."""
    bounds = (ctypes.c_double * len(BOUNDS))(*BOUNDS)
    writer.register("steps", COUNTER, ["path"])
    writer.register("step_seconds", HISTOGRAM, unit=b"seconds", bounds=bounds, bound_count=len(BOUNDS))
    writer.register("step_level", GAUGE, gauge_mode=MODES["liveall"])
    writer.register("step_phase", STATE_SET, states=texts(["first", "later"]), state_count=2)
    for path in ("/", "/\x1b[2J", "/日本語"):
        writer.add("steps", [path], 0)
    writer.series("step_seconds")
    writer.c.fdm_gauge_set(writer.series("step_level"), ctypes.c_double(1.5))
    writer.call("fdm_state_set", writer.families["step_phase"], None, 0, b"first")
    print("ready", flush=True)
    for line in sys.stdin:
        value = float(line)
        writer.add("steps", ["/"], 10)
        for _ in range(10):
            writer.c.fdm_histogram_observe(writer.series("step_seconds"), ctypes.c_double(value))
        writer.call("fdm_state_set", writer.families["step_phase"], None, 0, b"later")
        print("done", flush=True)


def record_by_name(writer: Writer, names: Sequence[bytes]) -> None:
    """A process and its fork child, which is named after it has taken its slot."""
    writer.register("named", GAUGE, gauge_mode=MODES["liveall"])
    level = writer.series("named")
    if names:
        writer.call("fdm_set_process_name", names[0])
    ends = os.pipe()
    child = os.fork()
    if child == 0:
        writer.c.fdm_gauge_set(level, ctypes.c_double(1))
        if len(names) > 1:
            writer.call("fdm_set_process_name", names[1])
        os.close(ends[1])
        signal.pause()
    # It is closed in the child when that is ready.
    os.close(ends[1])
    os.read(ends[0], 1)
    print("ready", flush=True)
    print(child, flush=True)
    for name in sys.stdin:
        writer.register(name.strip(), GAUGE, gauge_mode=MODES["liveall"])
        writer.c.fdm_gauge_set(writer.series(name.strip()), ctypes.c_double(1))
        print("done", flush=True)


def main() -> None:
    library, directory, role, *rest = sys.argv[1:]
    writer = Writer(library, directory, *(int(limit) for limit in rest[1:] if role == "limited"))
    if role == "busy":
        record_busily(writer, int(rest[0]))
    elif role == "many":
        writer.register("many", COUNTER, ["n"])
        for number in range(int(rest[0])):
            writer.add("many", [str(number)], 1)
    elif role == "limited":
        record_beyond_the_limit(writer, *(int(number) for number in rest))
    elif role == "churn":
        writer.register("churn", COUNTER, ["n"])
        for number in range(int(rest[0])):
            writer.add("churn", [str(number)], 1)
            writer.remove("churn", str(number))
    elif role == "gauges":
        for name, value in (text.split("=") for text in rest):
            writer.register(name, GAUGE, gauge_mode=MODES["max"])
            writer.c.fdm_gauge_set(writer.series(name), ctypes.c_double(float(value)))
    elif role == "labels":
        writer.register("labelled", COUNTER, ["text"])
        for value in rest:
            writer.add("labelled", [value], 1234567)
        states = ["a state with quite a long name", "other"]
        writer.register("phase", STATE_SET, states=texts(states), state_count=2)
        writer.call("fdm_state_set", writer.families["phase"], None, 0, states[0].encode())
    elif role == "link":
        link = ctypes.c_void_p()
        writer.call("fdm_zmq_link_open", writer.store, None, b"ipc:///a", ctypes.byref(link))
        for _ in range(3):
            writer.c.fdm_zmq_sent(link, ctypes.c_uint64(10))
        writer.c.fdm_zmq_received(link, ctypes.c_uint64(10))
    elif role == "names":
        record_by_name(writer, [name.encode(errors="surrogateescape") for name in rest])
    elif role == "steps":
        record_by_steps(writer)
    else:
        record_all(writer)
    child = os.fork() if role == "orphan" else -1
    if child == 0:
        signal.pause()
    print("ready", flush=True)
    if child > 0:
        print(child, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
