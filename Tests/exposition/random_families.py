# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Random families with random label values, and what they must look like to who parses the text."""

from __future__ import annotations

import math
import random
import struct
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client.utils import floatToGoString

from recorder import COUNTER, GAUGE, GAUGE_ALL, GAUGE_SUM, HISTOGRAM, INFO, STATE_SET, SUMMARY, Recorder

SampleKey = tuple[str, frozenset[tuple[str, str]]]
Samples = dict[SampleKey, float]

KINDS = {
    COUNTER: "counter",
    GAUGE: "gauge",
    HISTOGRAM: "histogram",
    SUMMARY: "summary",
    INFO: "gauge",
    STATE_SET: "gauge",
}

#: What is special in a label value, to somebody.
PIECES = [
    b"\\", b'"', b"\n", b"\r", b"\t", b" ", b"\0", b"{", b"}", b",", b"=", b"#", b"a", b"\\n", b'\\"', b"\x7f", b"\x85",
    "é".encode(), "测".encode(), "🚀".encode(), "\u2028".encode(), "\ufffd".encode(), "\ufeff".encode(),
    b"\x80", b"\xbf", b"\xc0", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x9f\x9a", b"\xf4\x90\x80\x80",
    b"\xf8", b"\xff",
]  # fmt: skip


def random_bytes(choices: random.Random) -> bytes:
    """A label value: special pieces, or any bytes."""
    if choices.random() < 0.7:
        return b"".join(choices.choices(PIECES, k=choices.randrange(12)))
    return choices.randbytes(choices.randrange(40))


def repaired(value: bytes) -> str:
    """What is shown of a label value."""
    return value.decode("utf-8", "replace")


def random_help(choices: random.Random) -> str:
    """A help text. It begins and ends with a letter: parsers strip white space."""
    pieces = ["\\", '"', "\n", " ", "\\n", "#", "é", "测", "🚀", "word", "{", "="]
    return "H" + "".join(choices.choices(pieces, k=choices.randrange(10))) + "p."


def any_double(choices: random.Random) -> float:
    """Any bit pattern of a double."""
    return struct.unpack("<d", choices.randbytes(8))[0]  # type: ignore[no-any-return]


def exact(choices: random.Random) -> float:
    """A number of a set in which every sum is exact, whatever its order."""
    return choices.randrange(-1 << 20, 1 << 20) / 1024


def assert_equal(found: Samples, expected: Samples) -> None:
    """The same samples with the same numbers, bit for bit but for NaN's."""
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        number = float(found[key])
        if math.isnan(value):
            assert math.isnan(number), key
        else:
            assert number == value and math.copysign(1, number) == math.copysign(1, value), key


@dataclass
class Expected:
    """A family as a parser must give it."""

    kind: str
    help: str
    samples: Samples = field(default_factory=dict)

    def put(self, name: str, labels: dict[str, str], value: float) -> None:
        """Adds a sample."""
        key = (name, frozenset(labels.items()))
        assert key not in self.samples
        self.samples[key] = value


class Families:
    """Records families of all types, and knows what was recorded."""

    def __init__(self, recorder: Recorder, choices: random.Random) -> None:
        self.recorder = recorder
        self.choices = choices
        #: By the name in the HELP line.
        self.expected: dict[str, Expected] = {}

    def add(self, kind: int, name: str, label_value: Callable[[random.Random], bytes] = random_bytes) -> None:
        """Registers a family with some series, and records into them."""
        choices = self.choices
        help = random_help(choices)
        labels = choices.sample(["a", "b", "Cd", "_e", "f9", "worker"], choices.randrange(4))
        exposed = name + {COUNTER: "_total", INFO: "_info"}.get(kind, "")
        expected = self.expected[exposed] = Expected(KINDS[kind], help)
        bounds = sorted({exact(choices) for _ in range(choices.randrange(1, 25))}) if kind == HISTOGRAM else []
        states = ["on", "off", 'a"b\\c\nd', "é"][: choices.randrange(1, 5)] if kind == STATE_SET else []
        mode = choices.choice([GAUGE_ALL, GAUGE_SUM]) if kind == GAUGE else 0
        family = self.recorder.family(kind, name, help, labels, mode=mode, bounds=bounds, states=states)

        seen: set[tuple[str, ...]] = set()
        for _ in range(choices.randrange(1, 6)):
            raw = [label_value(choices) for _ in labels]
            values = tuple(map(repaired, raw))
            if values in seen:
                continue
            seen.add(values)
            shown = dict(zip(labels, values))
            if kind == INFO:
                texts = [(key, label_value(choices)) for key in ("version", "x")]
                self.recorder.set_info(family, raw, texts)
                expected.put(exposed, {**shown, **{key: repaired(text) for key, text in texts}}, 1)
            elif kind == STATE_SET:
                on = choices.choice(states)
                self.recorder.set_state(family, raw, on)
                for state in states:
                    expected.put(exposed, {**shown, name.replace(":", "_"): state}, state == on)
            else:
                handle = self.recorder.series(family, raw)
                recorded = self.numbers(kind)
                for number in recorded:
                    self.recorder.record(kind, handle, number)
                put_numbers(expected, kind, exposed, shown, recorded, bounds)

    def numbers(self, kind: int) -> list[float]:
        """What to record into one series."""
        if kind == GAUGE:
            return [any_double(self.choices)]
        if kind == COUNTER:
            if self.choices.random() < 0.5:
                number = abs(any_double(self.choices))
                return [] if math.isnan(number) else [number]
            return [abs(exact(self.choices)) for _ in range(5)]
        return [exact(self.choices) for _ in range(self.choices.randrange(20))]


def put_numbers(
    expected: Expected, kind: int, name: str, labels: dict[str, str], recorded: list[float], bounds: list[float]
) -> None:
    """Adds the samples of a series."""
    if kind == HISTOGRAM:
        counts = [0] * (len(bounds) + 1)
        for number in recorded:
            counts[bisect_left(bounds, number)] += 1
        for index, bound in enumerate([*bounds, math.inf]):
            expected.put(f"{name}_bucket", {**labels, "le": go_string(bound)}, sum(counts[: index + 1]))
    if kind in (HISTOGRAM, SUMMARY):
        expected.put(f"{name}_count", labels, len(recorded))
        expected.put(f"{name}_sum", labels, sum(recorded))
    else:
        expected.put(name, labels, sum(recorded))


def go_string(number: float) -> str:
    """prometheus_client's spelling of a bound."""
    return str(floatToGoString(number))  # type: ignore[no-untyped-call]
