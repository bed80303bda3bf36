# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""OTLP over HTTP, decoded by OpenTelemetry's own messages."""

from __future__ import annotations

import gzip
import math
import socket
import time
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from programs import Push, Service, eventually
from scripted import Answer, ScriptedReceiver
from test_remote_write import PLAIN

CUMULATIVE = 2
#: As recorder.py has it.
AWKWARD = 'C:\\x "y"\nä/ö, {z="1"}'


def requests(receiver: ScriptedReceiver) -> list[ExportMetricsServiceRequest]:
    """What was taken, decoded."""
    return [ExportMetricsServiceRequest.FromString(gzip.decompress(one.body)) for one in receiver.accepted()]


def attributes(message: Any) -> dict[str, str]:
    """Of a resource or a data point."""
    return {one.key: one.value.string_value for one in message.attributes}


def metrics(receiver: ScriptedReceiver) -> dict[str, Any]:
    """The last metric of each name."""
    return {
        metric.name: metric
        for request in requests(receiver)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_metrics(service: Service, receiver: ScriptedReceiver) -> None:
    started = time.time_ns()
    options = ("--otlp", receiver.url, "--job", "jobs", "--resource", "deployment.environment.name=test")
    done = Push.once(service.store, *options)
    assert done.returncode == 0, done.stderr
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/v1/metrics")
    assert request.headers["Content-Type"] == "application/x-protobuf"
    assert request.headers["Content-Encoding"] == "gzip"
    (resource,) = requests(receiver)[0].resource_metrics
    assert attributes(resource.resource) == {
        "service.name": "jobs",
        "service.instance.id": socket.gethostname(),
        "host.name": socket.gethostname(),
        "deployment.environment.name": "test",
    }
    assert resource.scope_metrics[0].scope.name == "fdmetrics"
    found = metrics(receiver)

    jobs = found["recorder_jobs"].sum
    assert (jobs.is_monotonic, jobs.aggregation_temporality) == (True, CUMULATIVE)
    assert found["recorder_jobs"].description == "Jobs done."
    assert {attributes(point)["worker"]: point.as_double for point in jobs.data_points} == {"a": 5, "b": 5}

    queue = found["recorder_queue"].gauge.data_points
    assert {attributes(point)["name"]: point.as_double for point in queue} == {AWKWARD: 2.5, "": 1}

    (seconds,) = found["recorder_job_seconds"].histogram.data_points
    assert found["recorder_job_seconds"].unit == "s"
    assert found["recorder_job_seconds"].histogram.aggregation_temporality == CUMULATIVE
    assert (list(seconds.bucket_counts), list(seconds.explicit_bounds)) == ([1, 2, 0, 1], [0.1, 1, 10])
    assert seconds.count == 4
    assert math.isclose(seconds.sum, 21.05)

    (size,) = found["recorder_size_bytes"].summary.data_points
    assert (size.count, size.sum) == (1, 100)
    (build,) = found["recorder_build_info"].sum.data_points
    assert (attributes(build), build.as_double) == ({"version": "1"}, 1)
    assert not found["recorder_build_info"].sum.is_monotonic
    states = found["recorder_state"].sum.data_points
    assert {attributes(point)["recorder_state"]: point.as_double for point in states} == {"idle": 0, "busy": 1}

    # Each series began when it was registered, before it was read; a gauge has no beginning.
    for point in (*jobs.data_points, seconds, size, found["process_cpu_seconds"].sum.data_points[0]):
        assert 0 < point.start_time_unix_nano <= started <= point.time_unix_nano <= time.time_ns()
    assert all(point.start_time_unix_nano == 0 for point in queue)


def test_batches(service: Service, receiver: ScriptedReceiver) -> None:
    done = Push.once(service.store, "--otlp", receiver.url + "/v1/metrics/", "--batch-samples", "2", *PLAIN)
    assert done.returncode == 0, done.stderr
    assert {request.path for request in receiver.requests} == {"/v1/metrics"}
    assert len(receiver.requests) == 4
    assert len(metrics(receiver)) == 6


def test_series_that_are_gone_have_no_value(service: Service, receiver: ScriptedReceiver) -> None:
    with Push(service.store, "--otlp", receiver.url, *PLAIN, "--interval", "0.1") as push:
        receiver.wait(2)
        assert push.stop() == 0
    final = metrics(receiver)
    points = [*final["recorder_jobs"].sum.data_points, *final["recorder_job_seconds"].histogram.data_points]
    assert [point.flags for point in points] == [1, 1, 1]
    assert not any(point.WhichOneof("value") for point in final["recorder_jobs"].sum.data_points)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retryable_statuses(service: Service, receiver: ScriptedReceiver, status: int) -> None:
    receiver.script([Answer(status)] * 2)
    done = Push.once(service.store, "--otlp", receiver.url, "--max-backoff", "0.1")
    assert done.returncode == 0, done.stderr
    assert len(receiver.requests) == 3
    assert len({request.body for request in receiver.requests}) == 1


@pytest.mark.parametrize("status", [400, 404, 500, 501])
def test_other_statuses(service: Service, receiver: ScriptedReceiver, status: int) -> None:
    # google.rpc.Status with a message.
    receiver.otherwise = Answer(status, body=b"\x08\x03\x12\x0bno such tap")
    done = Push.once(service.store, "--otlp", receiver.url)
    assert done.returncode == 1
    assert len(receiver.requests) == 1
    assert f"status {status}: no such tap" in done.stderr


def test_partial_success_is_told(service: Service, receiver: ScriptedReceiver) -> None:
    response = ExportMetricsServiceResponse()
    response.partial_success.rejected_data_points = 3
    response.partial_success.error_message = "too old"
    receiver.otherwise = Answer(200, body=response.SerializeToString())
    with Push(service.store, "--otlp", receiver.url, "--interval", "0.1") as push:
        eventually("the remark", lambda: "rejected 3 data points: too old" in push.log)
        assert push.stop() == 0
    assert len({request.body for request in receiver.requests}) == len(receiver.requests), "it is not tried again"
