# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Prometheus' protobuf format, read by Google's library.

The messages are declared here once more, from the specification
(https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto), so that nothing of
what wrote them takes part.
"""

from __future__ import annotations

import math
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

from random_families import Samples, go_string

_TYPES = {
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "uint64": descriptor_pb2.FieldDescriptorProto.TYPE_UINT64,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
}

#: Fields as (name, number, type); [type] is repeated.
_MESSAGES: dict[str, list[tuple[str, int, str]]] = {
    "LabelPair": [("name", 1, "string"), ("value", 2, "string")],
    "Gauge": [("value", 1, "double")],
    "Counter": [("value", 1, "double"), ("created_timestamp", 3, "google.protobuf.Timestamp")],
    "Summary": [
        ("sample_count", 1, "uint64"),
        ("sample_sum", 2, "double"),
        ("created_timestamp", 4, "google.protobuf.Timestamp"),
    ],
    "Bucket": [("cumulative_count", 1, "uint64"), ("upper_bound", 2, "double")],
    "Histogram": [
        ("sample_count", 1, "uint64"),
        ("sample_sum", 2, "double"),
        ("bucket", 3, "[Bucket]"),
        ("created_timestamp", 15, "google.protobuf.Timestamp"),
    ],
    "Metric": [
        ("label", 1, "[LabelPair]"),
        ("gauge", 2, "Gauge"),
        ("counter", 3, "Counter"),
        ("summary", 4, "Summary"),
        ("timestamp_ms", 6, "int64"),
        ("histogram", 7, "Histogram"),
    ],
    # The type is an enumeration, whose numbers read as those of an int32.
    "MetricFamily": [
        ("name", 1, "string"),
        ("help", 2, "string"),
        ("type", 3, "int32"),
        ("metric", 4, "[Metric]"),
        ("unit", 5, "string"),
    ],
}

KINDS = {0: "counter", 1: "gauge", 2: "summary", 4: "histogram"}


def _metric_family() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="metrics.proto",
        package="io.prometheus.client",
        # Unlike proto2, this takes a string that is no UTF-8 for an error.
        syntax="proto3",
        dependency=[timestamp_pb2.DESCRIPTOR.name],
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            field = message.field.add(name=field_name, number=number)
            repeated = kind.startswith("[")
            field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            kind = kind.strip("[]")
            if kind in _TYPES:
                field.type = _TYPES[kind]
            else:
                field.type = field.TYPE_MESSAGE
                field.type_name = f".{kind}" if "." in kind else f".io.prometheus.client.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(timestamp_pb2.DESCRIPTOR.serialized_pb))
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("io.prometheus.client.MetricFamily"))


MetricFamily = _metric_family()


def split(data: bytes) -> list[Any]:
    """The messages, each after its length; every byte belongs to one."""
    families = []
    position = 0
    while position < len(data):
        length = shift = 0
        while True:
            byte = data[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        assert position + length <= len(data)
        families.append(MetricFamily.FromString(data[position : position + length]))
        position += length
    return families


def samples_of(family: Any) -> Samples:
    """What Prometheus makes of a family: the samples that the text format would have."""
    samples: Samples = {}

    def put(suffix: str, labels: dict[str, str], value: float) -> None:
        key = (family.name + suffix, frozenset(labels.items()))
        assert key not in samples, f"{key} is there twice"
        samples[key] = value

    for metric in family.metric:
        labels = {pair.name: pair.value for pair in metric.label}
        assert len(labels) == len(metric.label)
        kind = KINDS[family.type]
        assert metric.HasField(kind)
        if kind in ("counter", "gauge"):
            put("", labels, getattr(metric, kind).value)
            continue
        value = getattr(metric, kind)
        put("_count", labels, value.sample_count)
        put("_sum", labels, value.sample_sum)
        if kind == "histogram":
            assert value.bucket[-1].upper_bound == math.inf
            assert value.bucket[-1].cumulative_count == value.sample_count
            for bucket in value.bucket:
                put("_bucket", {**labels, "le": go_string(bucket.upper_bound)}, bucket.cumulative_count)
    return samples
