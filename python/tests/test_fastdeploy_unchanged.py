# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The other way: modules as FastDeploy has them, over prometheus_client and pyzmq, with install() and instrument()."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .support import Samples, environment

ROUNDS = 60

# Two lines are fdmetrics'. The rest knows prometheus_client, pyzmq and Starlette alone: a manager whose gauges are
# taken out of what is collected of all processes and registered anew, a middleware, and three processes in a circle.
SERVICE = f"""
import fdmetrics, fdmetrics.zmq
fdmetrics.install(), fdmetrics.zmq.instrument()

import asyncio, json, multiprocessing, os, sys, time
import httpx, zmq
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

ROUNDS = {ROUNDS}

class Manager:
    GAUGES = {{"num_requests_running": {{"multiprocess_mode": "sum"}}, "num_requests_waiting": {{}}}}

    def __init__(self):
        for name, keywords in self.GAUGES.items():
            setattr(self, name, Gauge("fastdeploy:" + name, "A gauge", **keywords))
        self.tokens = Counter("fastdeploy:generation_tokens_total", "Tokens")
        self.latency = Histogram("fastdeploy:e2e_request_latency_seconds", "Latency", buckets=[0.5, 1.0])
        self.http = Counter("http_requests_total", "Requests", ["method", "path", "status_code"])

metrics = Manager()

class Filtered(Collector):
    def __init__(self, registry):
        self.registry = registry

    def collect(self):
        excluded = ["fastdeploy:" + name for name in Manager.GAUGES]
        return [family for family in self.registry.collect() if family.name not in excluded]

def get_filtered_metrics():
    base, filtered = CollectorRegistry(), CollectorRegistry()
    multiprocess.MultiProcessCollector(base)
    filtered.register(Filtered(base))
    for name in Manager.GAUGES:
        filtered.register(getattr(metrics, name))
    return generate_latest(filtered).decode()

class Middleware(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        metrics.http.labels(method=request.method, path=request.url.path, status_code=response.status_code).inc()
        return response

def stage(number, directory, pipe):
    with zmq.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
        pull.bind(f"ipc://{{directory}}/{{number}}")
        push.connect(f"ipc://{{directory}}/{{(number + 1) % 3}}")
        pipe.send("bound")
        pipe.recv()
        metrics.num_requests_running.set(number)
        metrics.num_requests_waiting.set(10 * number)
        if number == 0:
            asyncio.run(serve(push, pull))
        else:
            for _ in range(ROUNDS):
                push.send_json(pull.recv_json())
                metrics.tokens.inc(number)
                metrics.latency.observe(0.75)
        pipe.send("done")
        while pipe.recv() == "render":
            pipe.send(get_filtered_metrics())

async def serve(push, pull):
    async def generate(request):
        push.send_json({{"n": 1}})
        assert pull.recv_json() == {{"n": 1}}
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/generate", generate)])
    app.add_middleware(Middleware)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for _ in range(ROUNDS):
            assert (await client.get("/generate")).text == "ok"

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(3)]
    stages = [context.Process(target=stage, args=(n, sys.argv[1], pipes[n][1])) for n in range(3)]
    for process in stages:
        process.start()
    for word in ("go", "go on"):
        for here, _ in pipes:
            here.recv()
        if word == "go":
            for here, _ in pipes:
                here.send(word)
    texts = []
    for here, _ in pipes:
        here.send("render")
        texts.append(here.recv())
    for here, _ in pipes:
        here.send("end")
    for process in stages:
        process.join()
        assert process.exitcode == 0
    print(json.dumps(texts))
"""


@pytest.mark.parametrize("where", ["nowhere", "PROMETHEUS_MULTIPROC_DIR"])
def test_modules_that_stay_as_they_are_have_exact_totals(where: str, tmp_path: Path) -> None:
    program = tmp_path / "service.py"
    program.write_text(SERVICE)
    (tmp_path / "s").mkdir()
    result = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "s")],
        env=environment(**({} if where == "nowhere" else {where: tmp_path / "metrics"})),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    texts = json.loads(result.stdout)
    for text in texts:
        samples = Samples(text)
        assert samples.get("fastdeploy:generation_tokens_total") == (1 + 2) * ROUNDS
        assert samples.get("fastdeploy:e2e_request_latency_seconds_bucket", le="1.0") == 2 * ROUNDS
        assert samples.get("http_requests_total", method="GET", path="/generate", status_code="200") == ROUNDS
        assert samples.get("fastdeploy:num_requests_running") == 0 + 1 + 2
        # Its mode is "all": each process's value, by a small number in place of the process id.
        assert samples.all_values("fastdeploy:num_requests_waiting") == [0, 10, 20]
        for number in range(3):
            address = f"ipc://{tmp_path}/s/{number}"
            for name in ("msg_send_total", "msg_recv_total"):
                assert samples.get(f"fastdeploy:zmq:{name}", address=address) == ROUNDS
