# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers and label values through each format and a parser that is not this project's: the very same bits come back.

A gauge that is set to a NaN holds the NaN of 0x7ff8000000000000: its sign and payload are not kept.
"""

from __future__ import annotations

import array
import itertools
import math
import random
import re
import struct
from collections.abc import Callable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from protobuf_messages import samples_of, split
from random_families import KINDS, PIECES, Families, Samples, assert_equal, random_bytes, repaired
from recorder import (
    COUNTER,
    FORMAT_OPENMETRICS,
    FORMAT_PROTOBUF,
    FORMAT_TEXT,
    GAUGE,
    GAUGE_MOST_RECENT,
    Recorder,
)

#: Numbers that go through each format, and series that they are set in, time after time.
NUMBERS = 1_000_000
SERIES = 50_000
#: The parsers of prometheus_client take 20 us a sample: they read one of the expositions, and lines of all the others
#: are taken apart by a regular expression. Either way the numbers are read by Python.
LINE = re.compile(rb'^value\{n="(\d+)"\} (\S+)$', re.MULTILINE)

SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, -math.nan, 5e-324, -5e-324, 2.2250738585072014e-308]
SPECIAL += [1.7976931348623157e308, 1e-4, 1e-5, 1e6, 999999.0, 1e16, -1e16, 1e21, 0.1, 2.0**53, 2.0**63, 2.0**64]


def random_numbers(choices: random.Random, count: int) -> array.array[float]:
    """Numbers of every class: any bits, subnormal, near 2^53, near powers of ten, short decimals, whole, special."""
    numbers = array.array("d")
    some = count // 8
    numbers.frombytes(choices.randbytes(8 * (count - 7 * some)))
    numbers.extend(SPECIAL[index % len(SPECIAL)] for index in range(some))
    numbers.extend(struct.unpack(f"<{some}d", b"".join(choices.randbytes(6) + b"\0\0" for _ in range(some))))
    numbers.extend(choices.choice([1, -1]) * (2.0**53 + choices.randrange(-4096, 4096) / 2) for _ in range(some))
    numbers.extend(
        float(f"{choices.choice([1, -1, 9.999999999999999])}e{choices.randrange(-320, 308)}") for _ in range(some)
    )
    numbers.extend(choices.randrange(-(10**7), 10**7) / 1000 for _ in range(some))
    numbers.extend(float(choices.randrange(-(1 << choices.randrange(1, 70)), 1 << 69)) for _ in range(some))
    numbers.extend(-number for number in numbers[:some])
    return numbers


def bits(numbers: array.array[float]) -> bytes:
    """Every bit, but for NaN's, of which the store keeps one."""
    return array.array("d", [math.nan if number != number else number for number in numbers]).tobytes()


def read_lines(data: bytes) -> array.array[float]:
    """The numbers of all lines, by series."""
    found = array.array("d", [0.0]) * SERIES
    lines = LINE.findall(data)
    assert len(lines) == SERIES
    for series, number in lines:
        found[int(series)] = float(number)
    return found


def parse_text(data: bytes) -> array.array[float]:
    """The numbers that prometheus_client's parser finds."""
    found = array.array("d", [0.0]) * SERIES
    (family,) = text_string_to_metric_families(data.decode())
    assert len(family.samples) == SERIES
    for sample in family.samples:
        found[int(sample.labels["n"])] = sample.value
    return found


def parse_openmetrics(data: bytes) -> array.array[float]:
    """The numbers that prometheus_client's strict parser finds."""
    found = array.array("d", [0.0]) * SERIES
    (family,) = openmetrics_families(data.decode())
    assert len(family.samples) == SERIES
    for sample in family.samples:
        found[int(sample.labels["n"])] = sample.value
    return found


def parse_protobuf(data: bytes) -> array.array[float]:
    """The numbers that Google's library finds."""
    found = array.array("d", [0.0]) * SERIES
    (family,) = split(data)
    assert len(family.metric) == SERIES
    for metric in family.metric:
        found[int(metric.label[0].value)] = metric.gauge.value
    return found


def test_a_million_numbers(recorder: Recorder, choices: random.Random) -> None:
    """Through all three formats."""
    numbers = random_numbers(choices, NUMBERS)
    assert len(numbers) == NUMBERS
    family = recorder.family(GAUGE, "value", "Values.", ["n"], mode=GAUGE_MOST_RECENT)
    series = [recorder.series(family, [str(index).encode()]) for index in range(SERIES)]
    readers: dict[int, tuple[Callable[[bytes], array.array[float]], Callable[[bytes], array.array[float]]]] = {
        FORMAT_TEXT: (parse_text, read_lines),
        FORMAT_OPENMETRICS: (parse_openmetrics, read_lines),
        FORMAT_PROTOBUF: (parse_protobuf, parse_protobuf),
    }
    order = list(range(NUMBERS))
    choices.shuffle(order)
    done = 0
    while done < NUMBERS:
        part = array.array("d", [numbers[index] for index in order[done : done + SERIES]])
        for handle, number in zip(series, part):
            recorder.functions.fdm_gauge_set(handle, number)
        for format, (first, later) in readers.items():
            found = (later if done else first)(recorder.render_bytes(format))
            if bits(found) != bits(part):
                broken = [(a, b) for a, b in zip(part, found) if struct.pack("<d", a) != struct.pack("<d", b)]
                pytest.fail(f"format {format}: of {len(broken)} numbers the first are {broken[:5]}")
        done += SERIES


def text_samples(data: bytes) -> Samples:
    """By prometheus_client's parser."""
    return all_samples(text_string_to_metric_families(data.decode("utf-8", "strict")))


def openmetrics_samples(data: bytes) -> Samples:
    """By prometheus_client's strict parser."""
    return all_samples(openmetrics_families(data.decode("utf-8", "strict")))


def all_samples(families: object) -> Samples:
    """All samples, none of which is there twice."""
    samples: Samples = {}
    for family in families:  # type: ignore[attr-defined]
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"{key} is there twice"
            samples[key] = sample.value
    return samples


def protobuf_samples(data: bytes) -> Samples:
    """By Google's library."""
    samples: Samples = {}
    for family in split(data):
        found = samples_of(family)
        assert not samples.keys() & found.keys()
        samples.update(found)
    return samples


PARSERS = {
    FORMAT_TEXT: text_samples,
    FORMAT_OPENMETRICS: openmetrics_samples,
    FORMAT_PROTOBUF: protobuf_samples,
}
each_format = pytest.mark.parametrize(
    "format",
    list(PARSERS),
    ids={FORMAT_TEXT: "text", FORMAT_OPENMETRICS: "openmetrics", FORMAT_PROTOBUF: "protobuf"}.get,
)


@each_format
def test_every_byte_pattern_is_a_label_value(
    recorder: Recorder, choices: random.Random, stress: int, format: int
) -> None:
    """Each byte, each pair of special pieces, random bytes, and random UTF-8 of all planes come back."""
    values = [bytes([byte]) for byte in range(256)]
    values += [b"".join(pair) for pair in itertools.product(PIECES, repeat=2)]
    values += [random_bytes(choices) for _ in range(3000 * stress)]
    for _ in range(2000 * stress):
        planes = [0x80, 0x800, 0xD800, 0x110000]
        scalars = [choices.randrange(choices.choice(planes)) for _ in range(choices.randrange(1, 6))]
        values.append("".join(chr(scalar) for scalar in scalars if not 0xD800 <= scalar < 0xE000).encode())
    family = recorder.family(COUNTER, "values", "Values.", ["before", "value", "after"])
    expected: Samples = {}
    for value in values:
        recorder.record(COUNTER, recorder.series(family, [b"x", value, value]), 1)
        labels = {"before": "x", "value": repaired(value), "after": repaired(value)}
        key = ("values_total", frozenset(labels.items()))
        expected[key] = expected.get(key, 0) + 1
    assert sum(expected.values()) == len(values) > len(expected)
    assert PARSERS[format](recorder.render_bytes(format)) == expected


def test_protobuf_has_the_samples_of_the_text(recorder: Recorder, choices: random.Random, stress: int) -> None:
    """Of all types, with random names, help texts, labels, bounds and numbers."""
    families = Families(recorder, choices)
    for number in range(300 * stress):
        families.add(choices.choice(list(KINDS)), f"m{number}{choices.choice(['', '_', ':X', '_seconds'])}")
    found = {family.name: family for family in split(recorder.render_bytes(FORMAT_PROTOBUF))}
    order = [line.split()[2] for line in recorder.render().split("\n") if line.startswith("# TYPE ")]
    assert list(found) == order
    assert set(found) == set(families.expected)
    for name, expected in families.expected.items():
        assert found[name].help == expected.help
        assert_equal(samples_of(found[name]), expected.samples)


def test_a_broken_exposition_is_noticed() -> None:
    """By what the tests above read it with."""
    with pytest.raises(AssertionError):
        split(b"\x05\x0a\x01a")
    assert text_samples(b'# TYPE a gauge\na{b="\\\\"} 1\n') != text_samples(b'# TYPE a gauge\na{b="/"} 1\n')
