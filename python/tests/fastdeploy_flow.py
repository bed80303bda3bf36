# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A service with FastDeploy's processes and names: an API server, which starts an engine, and that one's worker.

    python -m tests.fastdeploy_flow DIRECTORY        (in python/)

A request goes from the API server to the engine (JSON), from there to the worker (pickle), and the tokens come back one
by one, by query or, with ZMQ_SEND_BATCH_DATA=1, by batch. Each process answers /metrics. The first line on standard
output has the ports and process ids as JSON; the service ends with its standard input.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pickle
import queue
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Tuple

import msgpack  # type: ignore[import-untyped]
import uvicorn
import zmq
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import fdmetrics
import fdmetrics.zmq
from fdmetrics.fastdeploy import (
    PrometheusMiddleware,
    ZmqIpcClient,
    ZmqIpcServer,
    ZmqTcpServer,
    envs,
    get_filtered_metrics,
    main_process_metrics,
    setup_multiprocess_prometheus,
)

SERVICE = "flow"


class Token:
    """One token of an answer."""

    def __init__(self, request_id: str, number: int, finished: bool) -> None:
        self.request_id = request_id
        self.number = number
        self.finished = finished

    def to_dict(self) -> Dict[str, Any]:
        return vars(self)


def start(role: str, *arguments: str) -> Tuple[subprocess.Popen[str], Dict[str, Any]]:
    """Starts another process of the service; what its first line says."""
    command = [sys.executable, "-m", __spec__.name, role, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def record_a_later_version_s_metrics() -> None:
    """What the catalogue does not know must not end a loop; what is declared is recorded."""
    main_process_metrics.num_requests_of_a_later_version.set(1)
    main_process_metrics.kv_bytes.inc(8)


# The worker -----------------------------------------------------------------------------------------------------------


def work(directory: str) -> None:
    """Makes the tokens of each task."""
    server, _ = fdmetrics.start_http_server(0, addr="127.0.0.1")
    keywords: Any = {"directory": directory}
    with ZmqIpcServer("worker", zmq.PULL, **keywords) as tasks, ZmqIpcClient("tokens", zmq.PUSH, **keywords) as tokens:
        tokens.connect()
        say(metrics=server.server_port, pid=os.getpid())
        while True:
            error, task = tasks.receive_pyobj_once(block=True)
            if error or task is None:
                return
            for number in range(task["tokens"]):
                main_process_metrics.generation_tokens_total.inc()
                if number == 0:
                    main_process_metrics.obs_value("time_to_first_token", 0.05)
                tokens.send_pyobj(Token(task["request_id"], number, number + 1 == task["tokens"]))
            main_process_metrics.request_token_ratio.observe(task["tokens"])
            main_process_metrics.request_generation_tokens.observe(task["tokens"])
            record_a_later_version_s_metrics()


# The engine -----------------------------------------------------------------------------------------------------------


def answer_commands(control: ZmqTcpServer) -> None:
    while control.running:
        task = control.recv_control_cmd()
        if task is None:
            time.sleep(0.001)
            continue
        control.response_for_control_cmd(task["task_id"], {"task_id": task["task_id"], "result": {"running": True}})


def run_engine(directory: str, api_server_pid: str) -> None:
    """Hands requests to the worker, and its tokens to the API server."""
    keywords: Any = {"directory": directory}
    mode = zmq.PUSH if envs.ZMQ_SEND_BATCH_DATA else zmq.ROUTER
    requests = ZmqIpcServer(SERVICE, zmq.PULL, **keywords)
    responses = ZmqIpcServer(SERVICE, mode, **keywords)
    tokens = ZmqIpcServer("tokens", zmq.PULL, **keywords)
    control = ZmqTcpServer(0, zmq.ROUTER, link="control")
    worker, told = start("worker", directory)
    tasks = ZmqIpcClient("worker", zmq.PUSH, **keywords)
    server, _ = fdmetrics.start_http_server(0, addr="127.0.0.1")

    def take_requests() -> None:
        while True:
            error, request = requests.receive_json_once(block=True)
            if error:
                return
            main_process_metrics.requests_number.inc()
            main_process_metrics.inc_value("num_requests_running")
            main_process_metrics.prompt_tokens_total.inc(request["prompt_tokens"])
            tasks.send_pyobj(request)

    def send_tokens() -> None:
        while True:
            error, token = tokens.receive_pyobj_once(block=True)
            if error:
                return
            if token.finished:
                main_process_metrics.request_success_total.inc()
                main_process_metrics.dec_value("num_requests_running")
                record_a_later_version_s_metrics()
            if envs.ZMQ_SEND_BATCH_DATA:
                responses.send_response(None, [[token]], worker_pid=int(api_server_pid))
            else:
                responses.send_response(token.request_id, [token])

    loops: List[Any] = [take_requests, send_tokens]
    if mode == zmq.ROUTER:
        loops.append(responses.recv_result_handle)
    for loop in loops:
        threading.Thread(target=loop, daemon=True).start()
    threading.Thread(target=answer_commands, args=(control,), daemon=True).start()
    say(metrics=server.server_port, pid=os.getpid(), control=control.port, worker=told)
    sys.stdin.read()
    if worker.stdin is not None:
        worker.stdin.close()
    worker.kill()
    worker.wait()
    os._exit(0)


# The API server -------------------------------------------------------------------------------------------------------


class Middleware(PrometheusMiddleware):
    """FastDeploy's, with an addition of a program's own."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        response = await super().dispatch(request, call_next)
        response.headers["x-server"] = "api"
        return response


class EngineClient:
    """The way to the engine and back."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.requests = ZmqIpcClient(SERVICE, zmq.PUSH, directory=directory)
        self.requests.connect()
        self.context = fdmetrics.zmq.Context()
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.waiting: Dict[str, queue.Queue[Dict[str, Any]]] = {}
        if envs.ZMQ_SEND_BATCH_DATA:
            batches = self.context.socket(zmq.PULL)
            batches.bind(f"ipc://{directory}/response_{SERVICE}_w{os.getpid()}.pull")
            threading.Thread(target=self._take_batches, args=(batches,), daemon=True).start()

    def generate(self, prompt_tokens: int, tokens: int) -> int:
        """How many tokens came back for a request."""
        with self.lock:
            request_id = f"r{next(self.numbers)}"
            arrived: queue.Queue[Dict[str, Any]] = queue.Queue()
            self.waiting[request_id] = arrived
            request = {"request_id": request_id, "prompt_tokens": prompt_tokens, "tokens": tokens}
            self.requests.send_json(request)
        if not envs.ZMQ_SEND_BATCH_DATA:
            return self._ask(request_id)
        count = 1
        while not arrived.get(timeout=60)["finished"]:
            count += 1
        return count

    def _ask(self, request_id: str) -> int:
        with self.context.socket(zmq.DEALER, link=f"ipc://{self.directory}/router_{SERVICE}.ipc") as dealer:
            dealer.rcvtimeo = 60_000
            dealer.connect(f"ipc://{self.directory}/router_{SERVICE}.ipc")
            dealer.send_multipart([b"", request_id.encode()])
            count = 0
            while True:
                part = pickle.loads(dealer.recv_multipart()[-1])
                count += len(part)
                if part[-1]["finished"]:
                    return count

    def _take_batches(self, batches: Any) -> None:
        while True:
            for response in msgpack.unpackb(batches.recv()):
                for token in response:
                    self.waiting[token["request_id"]].put(token)


def serve(directory: str) -> None:
    """Answers POST /generate/{tokens}, and /metrics."""
    setup_multiprocess_prometheus()
    engine, told = start("engine", directory, str(os.getpid()))
    client = EngineClient(directory)

    async def generate(request: Request) -> Response:
        begin = time.perf_counter()
        tokens = int(request.path_params["tokens"])
        main_process_metrics.request_params_max_tokens.observe(tokens)
        count = await run_in_threadpool(client.generate, 7, tokens)
        main_process_metrics.e2e_request_latency.observe(time.perf_counter() - begin)
        record_a_later_version_s_metrics()
        return JSONResponse({"tokens": count})

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(await run_in_threadpool(get_filtered_metrics))

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok")

    routes = [
        Route("/generate/{tokens}", generate, methods=["POST"]),
        Route("/metrics", metrics),
        Route("/health", health),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(Middleware)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    threading.Thread(target=server.run, args=([listening],), daemon=True).start()
    say(metrics=listening.getsockname()[1], pid=os.getpid(), engine=told)
    sys.stdin.read()
    if engine.stdin is not None:
        engine.stdin.close()
    engine.wait(30)
    os._exit(0)


def main() -> None:
    main_process_metrics.declare("kv_bytes", fdmetrics.Counter, "fastdeploy:kv_bytes", "KV cache sent (in bytes)")
    roles: Dict[str, Callable[..., None]] = {"worker": work, "engine": run_engine, "api": serve}
    role, *arguments = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        roles[role](*arguments)


if __name__ == "__main__":
    main()
