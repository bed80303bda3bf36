# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Reads an exposition with prometheus_client's parser."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

SampleKey = tuple[str, tuple[tuple[str, str], ...]]


def key(name: str, labels: Mapping[str, str] | None = None) -> SampleKey:
    """What a sample is found by: its name and its labels, in the order of their names."""
    return name, tuple(sorted((labels or {}).items()))


def parse(text: str) -> dict[SampleKey, float]:
    """All samples; a family or a sample that is there twice is an error."""
    samples: dict[SampleKey, float] = {}
    families: set[str] = set()
    for family in text_string_to_metric_families(text):
        assert family.name not in families, f"the family {family.name} is there twice"
        families.add(family.name)
        for sample in family.samples:
            found = key(sample.name, sample.labels)
            assert found not in samples, f"the sample {found} is there twice"
            samples[found] = sample.value
    return samples


def total(samples: Mapping[SampleKey, float], name: str) -> float:
    """The sum over all series of a sample name."""
    return sum(value for (found, _), value in samples.items() if found == name)
