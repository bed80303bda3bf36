# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What prometheus_client and promtool make of the text: exactly what was recorded, and no complaint."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from random_families import KINDS, Families, Samples, assert_equal
from recorder import (
    COUNTER,
    FORMAT_OPENMETRICS,
    GAUGE,
    GAUGE_SUM,
    HISTOGRAM,
    INFO,
    RENDER_CREATED,
    STATE_SET,
    SUMMARY,
    Recorder,
)

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.prom"))
COLON_REMARK = "metric names should not contain ':'"


def parse(text: str) -> dict[str, tuple[str, str, Samples]]:
    """Type, help and samples of each family by the name of its HELP line; whatever is there twice is an error."""
    families: dict[str, tuple[str, str, Samples]] = {}
    for family in text_string_to_metric_families(text):
        samples: Samples = {}
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"{key} is there twice"
            samples[key] = sample.value
        # The parser cuts "_total" off a counter's name.
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert name not in families, f"{name} is there twice"
        families[name] = (family.type, family.documentation, samples)
    return families


def assert_checked(promtool: str, text: str) -> None:
    """promtool reads the text, and has nothing to remark but colons."""
    done = subprocess.run([promtool, "check", "metrics"], input=text.encode(), capture_output=True, timeout=120)
    remarks = (done.stdout + done.stderr).decode().splitlines()
    assert [remark for remark in remarks if not remark.endswith(COLON_REMARK)] == []
    # 3 says that there are remarks.
    assert done.returncode == (3 if remarks else 0)


def test_random_families_come_back(recorder: Recorder, choices: random.Random, stress: int) -> None:
    """All types, random names, help texts, labels, bounds and numbers."""
    families = Families(recorder, choices)
    for number in range(300 * stress):
        families.add(choices.choice(list(KINDS)), f"m{number}{choices.choice(['', '_', ':X', '_seconds'])}")
    found = parse(recorder.render())
    assert set(found) == set(families.expected)
    for name, expected in families.expected.items():
        kind, help, samples = found[name]
        assert (kind, help) == (expected.kind, expected.help)
        assert_equal(samples, expected.samples)


#: What OpenMetrics calls a type.
OPENMETRICS_TYPES = {
    COUNTER: "counter",
    GAUGE: "gauge",
    HISTOGRAM: "histogram",
    SUMMARY: "summary",
    INFO: "info",
    STATE_SET: "stateset",
}


def in_openmetrics(kind: str, samples: Samples) -> Samples:
    """What OpenMetrics has of a family: no sum that is negative, and no count of a histogram without a sum."""
    left_out = set()
    for (name, labels), value in samples.items():
        if kind in ("histogram", "summary") and name.endswith("_sum"):
            bounds = [float(dict(other)["le"]) for sample, other in samples if sample.endswith("_bucket")]
            if not value >= 0 or min(bounds, default=0) < 0:
                left_out.add((name, labels))
                if kind == "histogram":
                    left_out.add((name[: -len("sum")] + "count", labels))
    return {key: value for key, value in samples.items() if key not in left_out}


@pytest.mark.parametrize("options", [0, RENDER_CREATED], ids=["plain", "created"])
def test_openmetrics_has_the_same_samples(
    recorder: Recorder, choices: random.Random, stress: int, options: int
) -> None:
    """And its own types, which the strictest parser takes."""
    families = Families(recorder, choices)
    kinds = {}
    for number in range(300 * stress):
        kind = choices.choice(list(KINDS))
        name = f"m{number}{choices.choice(['', '_', ':X', '_seconds'])}"
        kinds[name] = kind
        families.add(kind, name)
    before = time.time()
    text = recorder.render(FORMAT_OPENMETRICS, options)
    assert text.endswith("# EOF\n")
    expected: Samples = {}
    for family in families.expected.values():
        expected.update(in_openmetrics(family.kind, family.samples))
    found: Samples = {}
    created = 0
    for family in openmetrics_families(text):
        kind = kinds[family.name]
        colon = kind == STATE_SET and ":" in family.name
        assert family.type == ("gauge" if colon else OPENMETRICS_TYPES[kind])
        for sample in family.samples:
            if sample.name.endswith("_created") and sample.name not in {name for name, _ in expected}:
                created += 1
                assert before - 60 < sample.value < before + 60
                continue
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    assert_equal(found, expected)
    assert (created > 0) == (options == RENDER_CREATED)


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "golden").glob("*.om")), ids=lambda path: path.stem)
def test_the_strict_parser_accepts_the_golden_openmetrics_files(path: Path) -> None:
    """The files that the library's own tests compare with."""
    assert list(openmetrics_families(path.read_text("utf-8")))


def test_families_stand_in_the_order_of_their_names(recorder: Recorder, choices: random.Random) -> None:
    """Whatever the order of registering."""
    names = [f"m{number}" for number in range(200)]
    choices.shuffle(names)
    for name in names:
        recorder.record(GAUGE, recorder.series(recorder.family(GAUGE, name, "Help.", mode=GAUGE_SUM), []), 1)
    assert list(parse(recorder.render())) == sorted(names)


def test_names_with_colons_come_back(recorder: Recorder) -> None:
    """Of every type."""
    address = b"ipc:///run/a"
    sent = recorder.family(COUNTER, "fastdeploy:zmq:msg_send_total", "Sent.", ["address"])
    recorder.record(COUNTER, recorder.series(sent, [address]), 3)
    latency = recorder.family(HISTOGRAM, "fastdeploy:zmq:latency", "Latency.", ["address"], bounds=[1])
    recorder.record(HISTOGRAM, recorder.series(latency, [address]), 0.5)
    found = parse(recorder.render())
    labels = frozenset({("address", "ipc:///run/a")})
    assert found["fastdeploy:zmq:msg_send_total"][2] == {("fastdeploy:zmq:msg_send_total", labels): 3}
    assert found["fastdeploy:zmq:latency"][2][("fastdeploy:zmq:latency_sum", labels)] == 0.5


def test_a_state_set_with_colons_is_read(recorder: Recorder, promtool: str) -> None:
    """Its name is a label name too, where no colon may stand."""
    family = recorder.family(STATE_SET, "fastdeploy:phase", "Phase.", states=["on", "off"])
    recorder.set_state(family, [], "off")
    text = recorder.render()
    assert sorted(parse(text)["fastdeploy:phase"][2].values()) == [0, 1]
    assert_checked(promtool, text)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_promtool_accepts_the_golden_files(promtool: str, path: Path) -> None:
    """The files that the library's own tests compare with."""
    text = path.read_text("utf-8")
    assert parse(text)
    assert_checked(promtool, text)


def test_promtool_accepts_random_families(
    recorder: Recorder, choices: random.Random, stress: int, promtool: str
) -> None:
    """With names that promtool has nothing to say about, and with any label values."""
    families = Families(recorder, choices)
    for number in range(300 * stress):
        families.add(choices.choice(list(KINDS)), f"{choices.choice(['m', 'fastdeploy:m'])}{number}")
    assert_checked(promtool, recorder.render())


def test_promtool_does_complain(promtool: str) -> None:
    """About what the tests above would have to notice."""
    for text in ('a{b="\\x"} 1\n', "# HELP a_count A.\n# TYPE a_count gauge\na_count 1\n", "a 1\na 1\n"):
        with pytest.raises(AssertionError):
            assert_checked(promtool, text)
