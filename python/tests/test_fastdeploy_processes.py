# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The catalogue in the processes of a service: an engine, its workers, and an API server that answers /metrics."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from .support import PACKAGE_ROOT, Samples, run_program

ROUNDS = 200
WORKERS = 4

# The API server starts first, and answers when all others are done. Each worker dies by SIGKILL, as soon as it has
# recorded all: nothing of it may be lost.
SERVICE = f"""
import multiprocessing, os, signal, sys
from fdmetrics.fastdeploy import ZMQMetricsStats, get_filtered_metrics, main_process_metrics as metrics

ROUNDS = {ROUNDS}

class CacheConfig:
    def metrics_info(self):
        return {{"block_size": 64, "rank": 0}}

def record(number):
    metrics.init_zmq_metrics()
    metrics.init_speculative_metrics("mtp", 2)
    metrics.num_requests_running.set(number)
    metrics.num_requests_waiting.set(number)
    metrics.spec_decode_efficiency.set(number)
    for _ in range(ROUNDS):
        metrics.request_success_total.inc()
        metrics.generation_tokens_total.inc(number)
        metrics.time_to_first_token.observe(number / 100)
        metrics.inc_value("http_requests_total", labelvalues={{"method": "GET", "path": "/", "status_code": 200}})
        metrics.spec_decode_num_draft_tokens_total.inc(2)
        metrics.record_zmq_stats(ZMQMetricsStats(1, 0, 10, 1, 10, 0.001), "ipc:///engine")

def work(number, ready):
    record(number)
    ready.put(number)
    ready.close()
    ready.join_thread()
    os.kill(os.getpid(), signal.SIGKILL)

def serve(connection):
    metrics.init_speculative_metrics("mtp", 2)
    metrics.num_requests_waiting.set(70)
    connection.send("ready")
    while connection.recv() == "scrape":
        connection.send(get_filtered_metrics())

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(there,))
    server.start()
    assert here.recv() == "ready"
    ready = context.Queue()
    workers = [context.Process(target=work, args=(number, ready)) for number in range(1, {WORKERS} + 1)]
    for worker in workers:
        worker.start()
    metrics.set_cache_config_info(CacheConfig())
    record(100)
    for worker in workers:
        ready.get(timeout=60)
    for worker in workers:
        worker.join()
        assert worker.exitcode == -signal.SIGKILL, worker.exitcode
    here.send("scrape")
    print(here.recv())
    here.send("stop")
    server.join()
    assert server.exitcode == 0
"""


def run_service(tmp_path: Path, method: str, **variables: Any) -> Samples:
    program = tmp_path / "service.py"
    program.write_text(SERVICE)
    runner = f"""
    import runpy, sys
    sys.path.insert(0, {str(PACKAGE_ROOT)!r})
    sys.argv[:] = [{str(program)!r}, *sys.argv[1:]]
    runpy.run_path({str(program)!r}, run_name="__main__")
    """
    return Samples(run_program(runner, method, **variables))


@pytest.mark.parametrize("where", ["nowhere", "PROMETHEUS_MULTIPROC_DIR"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_api_server_has_exact_totals(method: str, where: str, tmp_path: Path) -> None:
    samples = run_service(tmp_path, method, **({} if where == "nowhere" else {where: str(tmp_path / "metrics")}))
    processes = WORKERS + 1
    numbers = [*range(1, WORKERS + 1), 100]
    assert samples.get("fastdeploy:request_success_total") == processes * ROUNDS
    assert samples.get("fastdeploy:generation_tokens_total") == sum(numbers) * ROUNDS
    assert samples.get("fastdeploy:time_to_first_token_seconds_count") == processes * ROUNDS
    total = samples.get("fastdeploy:time_to_first_token_seconds_sum")
    assert total == pytest.approx(sum(numbers) / 100 * ROUNDS)
    assert samples.get("fastdeploy:time_to_first_token_seconds_bucket", le="0.02") == 2 * ROUNDS
    assert samples.get("http_requests_total", method="GET", path="/", status_code="200") == processes * ROUNDS
    assert samples.get("fastdeploy:spec_decode_num_draft_tokens_total") == 2 * processes * ROUNDS
    assert samples.get("fastdeploy:zmq:msg_bytes_send_total", address="ipc:///engine") == 10 * processes * ROUNDS
    assert samples.get("fastdeploy:zmq:latency_count", address="ipc:///engine") == processes * ROUNDS
    assert samples.get("fastdeploy:cache_config_info", block_size="64", rank="0") == 1
    # The sum is one over all processes; the others are the API server's own. Each is one line, and none has a pid.
    assert samples.get("fastdeploy:num_requests_running") == sum(numbers)
    assert samples.get("fastdeploy:num_requests_waiting") == 70
    assert samples.get("fastdeploy:spec_decode_efficiency") == 0
    for name in ("num_requests_running", "num_requests_waiting", "spec_decode_efficiency", "batch_size"):
        assert len(samples.named(f"fastdeploy:{name}")) == 1
    assert "pid=" not in samples.text


def test_gauges_of_another_mode_are_read_from_all_processes(tmp_path: Path) -> None:
    modes = "*=sum,num_requests_running=livesum,spec_decode_efficiency=max"
    samples = run_service(tmp_path, "spawn", FDMETRICS_FASTDEPLOY_GAUGE_MODES=modes)
    numbers = [*range(1, WORKERS + 1), 100]
    assert samples.get("fastdeploy:num_requests_waiting") == sum(numbers) + 70
    # Of the workers, which were killed, nothing is left in a live mode.
    assert samples.get("fastdeploy:num_requests_running") == 100
    assert samples.get("fastdeploy:spec_decode_efficiency") == 100


def test_the_variable_may_be_set_after_the_import(tmp_path: Path) -> None:
    printed = run_program(
        """
        import os, subprocess, sys
        from fdmetrics.fastdeploy import get_filtered_metrics, main_process_metrics, setup_multiprocess_prometheus
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
        child = "from fdmetrics.fastdeploy import main_process_metrics as m; m.requests_number.inc(4)"
        subprocess.run([sys.executable, "-c", child], check=True)
        main_process_metrics.requests_number.inc(3)
        if os.fork() == 0:
            main_process_metrics.requests_number.inc(2)
            os._exit(0)
        os.wait()
        assert setup_multiprocess_prometheus() == sys.argv[1]
        print(get_filtered_metrics())
        """,
        tmp_path / "late",
    )
    assert Samples(printed).get("fastdeploy:requests_number_total") == 9
    assert os.listdir(tmp_path / "late")
