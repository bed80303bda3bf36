# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A service that records its own messages into the families of fdmetrics.zmq counts each of them once."""

from __future__ import annotations

from pathlib import Path

import pytest
import zmq

import fdmetrics.zmq
from fdmetrics import Registry
from fdmetrics.fastdeploy import MetricsManager, ZmqIpcServer
from fdmetrics.fastdeploy.stats import ZMQMetricsStats

from .support import Samples, run_program

ADDRESS = "inproc://service"

# FastDeploy's own module: it sends an envelope by hand, and records through prometheus_client after each call.
SERVICE = """
import sys, time, pickle, zmq, fdmetrics, fdmetrics.zmq
way, order, carrier, messages = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
if way == "dropin":
    from fdmetrics import prometheus_client as pc
else:
    import prometheus_client as pc
    if order != "declared before install":
        fdmetrics.install()

def declare():
    names = "msg_send_total", "msg_send_failed_total", "msg_bytes_send_total", "msg_recv_total", "msg_bytes_recv_total"
    # Of a registry that nobody else knows.
    registry = pc.CollectorRegistry()
    made = {name: pc.Counter("fastdeploy:zmq:" + name, "", ["address"], registry=registry) for name in names}
    made["latency"] = pc.Histogram("fastdeploy:zmq:latency", "", ["address"], registry=registry, buckets=BOUNDS)
    return made

BOUNDS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

def instrument():
    return fdmetrics.zmq.instrument(carrier=carrier)

def carry(left, right, address, metrics):
    for number in range(messages):
        data = pickle.dumps({"__meta": {"send_ts": time.perf_counter()}, "data": number})
        left.send(data)
        if metrics:
            metrics["msg_send_total"].labels(address).inc()
            metrics["msg_bytes_send_total"].labels(address).inc(len(data))
        received = right.recv()
        if metrics:
            metrics["msg_recv_total"].labels(address).inc()
            metrics["msg_bytes_recv_total"].labels(address).inc(len(received))
            stamp = pickle.loads(received)["__meta"]["send_ts"]
            metrics["latency"].labels(address).observe((time.perf_counter() - stamp) * 1000)

address = "inproc://service"
declared = {}
if order in ("declared first", "declared before install"):
    declared = declare()
if order == "declared before install" and way == "install":
    fdmetrics.install()
instrumentation = instrument()
if order == "instrumented first":
    declared = declare()
context = zmq.Context()
left, right = context.socket(zmq.PUSH), context.socket(zmq.PULL)
right.bind(address)
left.connect(address)
carry(left, right, address, declared)
if order == "declared late":
    # From now on the service records, and the sockets do not.
    carry(left, right, address, declare())
instrumentation.undo()
sys.stdout.write(fdmetrics.generate_latest().decode())
"""


@pytest.mark.parametrize("carrier", ["none", "trailer"])
@pytest.mark.parametrize("order", ["declared first", "instrumented first", "declared late", "declared before install"])
@pytest.mark.parametrize("way", ["install", "dropin"])
def test_metrics_of_prometheus_client(way: str, order: str, carrier: str, directory: Path) -> None:
    samples = Samples(run_program(SERVICE, way, order, carrier, "10", FDMETRICS_DIR=directory))
    expected = 20 if order == "declared late" else 10
    for name in ("msg_send_total", "msg_recv_total"):
        assert samples.get(f"fastdeploy:zmq:{name}", address=ADDRESS) == expected
    latencies = 20 if order == "declared late" and carrier == "trailer" else 10
    assert samples.get("fastdeploy:zmq:latency_count", address=ADDRESS) == latencies
    assert samples.get("fastdeploy:zmq:msg_bytes_send_total", address=ADDRESS) == samples.get(
        "fastdeploy:zmq:msg_bytes_recv_total", address=ADDRESS
    )


def carry(registry: Registry, messages: int, metrics: MetricsManager, prefix: str = "fastdeploy") -> None:
    """Messages that a service sends, receives and records."""
    with (
        fdmetrics.zmq.instrument(registry=registry, prefix=prefix),
        zmq.Context() as context,
        context.socket(zmq.PUSH) as left,
        context.socket(zmq.PULL) as right,
    ):
        right.bind(ADDRESS)
        left.connect(ADDRESS)
        for _ in range(messages):
            left.send(b"x")
            metrics.record_zmq_stats(ZMQMetricsStats(msg_send_total=1, msg_bytes_send_total=1), ADDRESS)
            right.recv()
            metrics.record_zmq_stats(
                ZMQMetricsStats(msg_recv_total=1, msg_bytes_recv_total=1, zmq_latency=0.001), ADDRESS
            )


def count(registry: Registry, name: str, prefix: str = "fastdeploy") -> object:
    return Samples(registry).get(f"{prefix}:zmq:{name}", address=ADDRESS)


def test_record_zmq_stats(registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    metrics = MetricsManager(registry)
    # Declared alone they are nobody's own record.
    carry(registry, 10, metrics)
    assert (count(registry, "msg_send_total"), count(registry, "latency_count")) == (10, 0)
    assert "by itself" not in caplog.text
    metrics.init_zmq_metrics()
    for _ in range(2):
        carry(registry, 10, metrics)
    for name in ("msg_send_total", "msg_recv_total", "msg_bytes_send_total", "msg_bytes_recv_total"):
        assert count(registry, name) == 30
    assert (count(registry, "latency_count"), count(registry, "in_flight")) == (20, 0)
    assert [record.levelname for record in caplog.records if "by itself" in record.message] == ["WARNING"]


def test_another_prefix_has_both(registry: Registry) -> None:
    metrics = MetricsManager(registry)
    metrics.init_zmq_metrics()
    carry(registry, 10, metrics, "sockets")
    assert count(registry, "msg_send_total") == count(registry, "msg_send_total", "sockets") == 10


def test_sockets_of_this_package_are_asked_for_by_name(registry: Registry) -> None:
    MetricsManager(registry).init_zmq_metrics()
    with (
        fdmetrics.zmq.Context(registry=registry) as context,
        context.socket(zmq.PUSH) as left,
        context.socket(zmq.PULL) as right,
    ):
        right.bind(ADDRESS)
        left.connect(ADDRESS)
        left.send(b"x")
        right.recv()
    assert count(registry, "msg_send_total") == count(registry, "msg_recv_total") == 1


def test_a_service_through_a_socket_of_the_programs(registry: Registry, tmp_path: Path) -> None:
    MetricsManager(registry).init_zmq_metrics()
    with (
        fdmetrics.zmq.instrument(registry=registry),
        zmq.Context() as context,
        context.socket(zmq.PAIR) as given,
        context.socket(zmq.PAIR) as other,
    ):
        other.bind(ADDRESS)
        given.connect(ADDRESS)
        server = ZmqIpcServer("t", zmq.PULL, directory=str(tmp_path), registry=registry, socket=given)
        server.send_json({"a": 1})
        assert other.recv_json() == {"a": 1}
    assert count(registry, "msg_send_total") == 1
