# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The beginning of a program that uses prometheus_client after install()."""

from __future__ import annotations

SERVICE = """
import os
import prometheus_client as pc
import fdmetrics
fdmetrics.install()
counter = pc.Counter("requests", "Requests.", ["method"])
gauge = pc.Gauge("open", "Open.", multiprocess_mode="livesum")
each = pc.Gauge("each", "Each.")
histogram = pc.Histogram("request_seconds", "Time.", ["path"], buckets=(0.1, 1))
summary = pc.Summary("size", "Size.", unit="bytes")
info = pc.Info("build", "Build.")
state = pc.Enum("state", "State.", states=["starting", "running"])
unused = pc.Counter("unused", "Unused.", ["a"])

def work(method, amount):
    counter.labels(method).inc(amount)
    gauge.inc(amount)
    each.set(amount)
    histogram.labels("/").observe(amount)
    summary.observe(amount)
    info.info({"version": str(amount)})
    state.state("running")

def child(method, amount):
    pid = os.fork()
    if pid == 0:
        work(method, amount)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""
