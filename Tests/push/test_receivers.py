# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Real receivers of remote write: nothing is lost or doubled while they are ended and started again."""

from __future__ import annotations

import json
import math
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import Push, Server, Service, eventually, free_port

INTERVAL = 0.2
OPTIONS = ("--interval", str(INTERVAL), "--max-backoff", "0.2", "--job", "jobs", "--process-metrics", "none")


def victoria_metrics(program: Callable[[str], str], folder: Path) -> Server:
    """VictoriaMetrics. Of two samples with one time it shows one: it keeps what it is sent twice."""
    port = free_port()
    command = [
        program("victoria-metrics"),
        *(f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={folder / 'victoria'}", "-retentionPeriod=1"),
        *("-dedup.minScrapeInterval=1ms", "-search.latencyOffset=0s", "-memory.allowedBytes=256MB"),
    ]
    return Server(command, port, "/health", folder / "victoria.log")


def exported(server: Server, name: str) -> dict[str, list[tuple[int, float | None]]]:
    """Times and values of the series of a name, by worker."""
    server.get_text(server.url + "/internal/force_flush")
    found = {}
    for line in server.get_text(f"{server.url}/api/v1/export?match[]={name}").splitlines():
        series = json.loads(line)
        worker = series["metric"].get("worker", "")
        found[worker] = list(zip(series["timestamps"], series["values"], strict=True))
    return found


def read_times(log: str) -> list[int]:
    """When the store was read, ms since the epoch, as --verbose tells."""
    return [int(time) for time in re.findall(r"read at (\d+)", log)]


def is_number(value: float | None) -> bool:
    """Whether it is no stale marker."""
    return value is not None and not math.isnan(value)


def has_ended(series: dict[str, list[tuple[int, float | None]]]) -> bool:
    """Whether the last sample of every series marks its end."""
    return all(not is_number(samples[-1][1]) for samples in series.values())


# Ended by SIGTERM it has written all that it acknowledged. Killed, it has lost the last seconds, and a replay makes
# up for that.
@pytest.mark.parametrize(
    ("how", "options"), [(signal.SIGTERM, ()), (signal.SIGKILL, ("--replay", "10"))], ids=["TERM", "KILL"]
)
def test_victoria_metrics_restarts(
    program: Callable[[str], str], service: Service, folder: Path, how: signal.Signals, options: tuple[str, ...]
) -> None:
    with victoria_metrics(program, folder) as server:
        url = server.url + "/api/v1/write"
        with Push(service.store, "--remote-write", url, *OPTIONS, *options, "--verbose") as push:
            eventually("samples", lambda: exported(server, "recorder_jobs_total"))
            service.ask("run")
            for away in (0.0, 1.0):
                time.sleep(1.5)
                server.end(how)
                time.sleep(away)
                server.start()
            time.sleep(1)
            truth = int(service.ask("halt"))
            assert push.stop() == 0
            log = push.log
        assert ", 0 samples dropped" in log, log[-2000:]
        assert "not delivered" not in log
        readings = read_times(log)
        # It shows what it has only after a moment.
        eventually("the end", lambda: has_ended(exported(server, "recorder_jobs_total")))
        series = exported(server, "recorder_jobs_total")
    assert set(series) == {"a", "b"}
    for samples in series.values():
        times = [stamp for stamp, value in samples if is_number(value)]
        assert times == readings, f"lost {set(readings) - set(times)}, too many {set(times) - set(readings)}\n{log}"
        values = [value for _, value in samples if is_number(value)]
        assert values == sorted(values)
    assert sum([v for _, v in samples if is_number(v)][-1] for samples in series.values()) == truth


def test_prometheus_restarts(program: Callable[[str], str], service: Service, folder: Path) -> None:
    port = free_port()
    (folder / "prometheus.yml").write_text("global: {}\n")
    command = [
        program("prometheus"),
        *(f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'prometheus'}"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver"),
    ]
    with Server(command, port, "/-/ready", folder / "prometheus.log") as server:
        url = server.url + "/api/v1/write"
        with Push(service.store, "--remote-write", url, *OPTIONS, "--no-end-markers", "--verbose") as push:
            eventually("samples", lambda: server.query("recorder_jobs_total"))
            service.ask("run")
            for how in (signal.SIGTERM, signal.SIGKILL):
                time.sleep(1)
                server.end(how)
                time.sleep(0.5)
                server.start()
            time.sleep(0.5)
            truth = int(service.ask("halt"))
            assert push.stop() == 0
            log = push.log
        assert ", 0 samples dropped" in log, log[-2000:]
        readings = read_times(log)
        assert server.query("sum(recorder_jobs_total)")[0]["value"][1] == str(truth)
        series = server.query("recorder_jobs_total[10m]")
        assert [one["metric"]["worker"] for one in series] == ["a", "b"]
        for one in series:
            assert [round(stamp * 1000) for stamp, _ in one["values"]] == readings
            assert one["metric"]["job"] == "jobs"
        quantile = server.query("histogram_quantile(0.5, recorder_job_seconds_bucket)")
        assert 0.1 < float(quantile[0]["value"][1]) < 1
