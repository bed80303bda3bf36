# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The formats that a scraper may ask for, each read by a library that others have written.

The two text formats are read by prometheus_client's parsers. The messages of the protobuf format are declared below as
far as the demo needs them, and read by Google's library.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Mapping, NamedTuple, Tuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.decoder import _DecodeVarint
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

#: Samples by name and labels.
Samples = Dict[str, float]


class Format(NamedTuple):
    """A format: what it is called, what a scraper sends to get it, and how its samples are read."""

    name: str
    accept: str
    samples: Callable[[bytes], Samples]


def _collected(found: Iterable[Tuple[str, Mapping[str, str], float]]) -> Samples:
    samples: Samples = {}
    for name, labels, value in found:
        texts = ",".join(f'{label}="{text}"' for label, text in sorted(labels.items()))
        key = f"{name}{{{texts}}}" if texts else name
        if key in samples:
            raise ValueError(f"{key} is in the scrape twice")
        samples[key] = float(value)
    return samples


def _of_text(families: Callable[[str], Any]) -> Callable[[bytes], Samples]:
    return lambda body: _collected(
        (sample.name, sample.labels, sample.value) for family in families(body.decode()) for sample in family.samples
    )


# ----------------------------------------------------------------------------------------------------------------------
# Protobuf

#: Messages of io.prometheus.client, with fields as (name, number, type); [type] is repeated.
MESSAGES = {
    "LabelPair": [("name", 1, "string"), ("value", 2, "string")],
    "Value": [("value", 1, "double")],
    "Bucket": [("cumulative_count", 1, "uint64"), ("upper_bound", 2, "double")],
    "Distribution": [("sample_count", 1, "uint64"), ("sample_sum", 2, "double"), ("bucket", 3, "[Bucket]")],
    "Metric": [
        ("label", 1, "[LabelPair]"),
        ("gauge", 2, "Value"),
        ("counter", 3, "Value"),
        ("untyped", 5, "Value"),
        ("histogram", 7, "Distribution"),
    ],
    "MetricFamily": [("name", 1, "string"), ("metric", 4, "[Metric]")],
}


def _message_class(name: str) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="demo.proto", syntax="proto2")
    for message_name, fields in MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for field_name, number, kind in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = field.LABEL_REPEATED if kind[0] == "[" else field.LABEL_OPTIONAL
            kind = kind.strip("[]")
            if kind in MESSAGES:
                field.type, field.type_name = field.TYPE_MESSAGE, f".{kind}"
            else:
                field.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


MetricFamily = _message_class("MetricFamily")


def _of_families(body: bytes) -> Iterable[Tuple[str, Mapping[str, str], float]]:
    position = 0
    while position < len(body):
        # Each message has its length before it.
        length, position = _DecodeVarint(body, position)
        family = MetricFamily.FromString(body[position : position + length])
        position += length
        for metric in family.metric:
            labels = {label.name: label.value for label in metric.label}
            for kind in ("gauge", "counter", "untyped"):
                if metric.HasField(kind):
                    yield family.name, labels, getattr(metric, kind).value
            if metric.HasField("histogram"):
                yield from _of_histogram(family.name, labels, metric.histogram)


def _of_histogram(
    name: str, labels: Mapping[str, str], histogram: Any
) -> Iterable[Tuple[str, Mapping[str, str], float]]:
    counts = {str(bucket.upper_bound): bucket.cumulative_count for bucket in histogram.bucket}
    counts.pop("inf", None)
    counts["+Inf"] = histogram.sample_count
    for bound, count in counts.items():
        yield f"{name}_bucket", {**labels, "le": bound}, count
    yield f"{name}_count", labels, histogram.sample_count
    yield f"{name}_sum", labels, histogram.sample_sum


TEXT = Format("text", "text/plain;version=0.0.4", _of_text(text_families))
OTHERS = (
    Format("OpenMetrics", "application/openmetrics-text;version=1.0.0", _of_text(openmetrics_families)),
    Format(
        "protobuf",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
        lambda body: _collected(_of_families(body)),
    ),
)
