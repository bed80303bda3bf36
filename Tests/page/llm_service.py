# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A service shaped like one of a language model, for the pictures in the documentation: API workers send requests to an
engine over ZeroMQ and get tokens back. The messages are real; how long a model takes is drawn at random.

llm_service.py api NUMBER FOLDER       llm_service.py engine NUMBER FOLDER

FOLDER is for the sockets. The store is the one of the environment. Runs until it is killed.
"""

from __future__ import annotations

import math
import random
import sys
import time
from pathlib import Path

import zmq

import fdmetrics.zmq
from fdmetrics import Counter, Enum, Gauge, Histogram, Info, Summary

PATHS = [("POST", "/v1/chat/completions", 0.7), ("POST", "/v1/completions", 0.2), ("GET", "/v1/models", 0.1)]
SECONDS = [0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 1.5, 2.5, 4.0, 6.0, 10.0, 20.0]
TOKENS = [1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384]
ENGINES = 2

REQUESTS = Counter("http_requests", "Requests answered by the API workers.", ["method", "path", "code"])
SECONDS_TO_ANSWER = Histogram(
    "http_request_duration_seconds", "From the request to the last token.", ["path"], buckets=SECONDS
)
IN_PROGRESS = Gauge("http_requests_in_progress", "Requests being answered.", multiprocess_mode="livesum")
PROMPT = Histogram("prompt_tokens", "Tokens of a request's prompt.", buckets=TOKENS)
GENERATED = Counter("generation_tokens", "Tokens that were generated.", ["model"])
FIRST_TOKEN = Histogram(
    "time_to_first_token_seconds", "From the request's arrival to its first token.", buckets=SECONDS
)
EACH_TOKEN = Histogram("time_per_output_token_seconds", "Between two tokens of an answer.", buckets=SECONDS)
BATCH = Summary("engine_batch_size", "Requests in a step of the engine.")
RUNNING = Gauge("requests_running", "Requests in the batch.", multiprocess_mode="livesum")
WAITING = Gauge("requests_waiting", "Requests that wait for room in the cache.", multiprocess_mode="livesum")
CACHE = Gauge("kv_cache_usage_ratio", "Share of the key-value cache that is used.", multiprocess_mode="liveall")
MEMORY = Gauge("gpu_memory_used_bytes", "Memory of the accelerator.", ["gpu"], multiprocess_mode="livemostrecent")
PREEMPTED = Counter("requests_preempted", "Requests that gave their cache to others.")
PHASE = Enum("engine_phase", "What the engine does.", states=["loading", "warming", "serving", "draining"])
BUILD = Info("model", "The model that is served.")


def tide(period: float, low: float, high: float) -> float:
    """A number that goes up and down."""
    return low + (high - low) * (0.5 + 0.5 * math.sin(time.time() / period * 2 * math.pi))


def path(folder: str, name: str) -> str:
    """The endpoint of a name."""
    return f"ipc://{Path(folder) / name}"


def api(number: int, folder: str) -> None:
    """Sends requests, and takes the answers."""
    draw = random.Random(number)
    context = fdmetrics.zmq.Context()
    jobs = [context.socket(zmq.PUSH, carrier="trailer") for _ in range(ENGINES)]
    for engine, socket in enumerate(jobs):
        socket.connect(path(folder, f"jobs-{engine}"))
    answers = context.socket(zmq.PULL, carrier="trailer")
    answers.bind(path(folder, f"answers-{number}"))
    weights = [weight for *_, weight in PATHS]
    while True:
        method, target, _ = draw.choices(PATHS, weights)[0]
        if target == "/v1/models":
            REQUESTS.labels(method, target, "200").inc()
            SECONDS_TO_ANSWER.labels(target).observe(draw.lognormvariate(math.log(0.012), 0.4))
        else:
            IN_PROGRESS.inc()
            PROMPT.observe(draw.lognormvariate(math.log(420), 1.1))
            draw.choice(jobs).send_json({"api": number, "path": target, "text": "x" * draw.randrange(200, 3000)})
        while answers.poll(0):
            answer = answers.recv_json()
            IN_PROGRESS.dec()
            code = draw.choices(["200", "429", "500"], [0.97, 0.025, 0.005])[0]
            REQUESTS.labels("POST", answer["path"], code).inc()
            SECONDS_TO_ANSWER.labels(answer["path"]).observe(answer["seconds"])
        time.sleep(draw.expovariate(tide(41 + number, 25, 70)))


def engine(number: int, folder: str) -> None:
    """Answers requests in batches."""
    draw = random.Random(100 + number)
    context = fdmetrics.zmq.Context()
    jobs = context.socket(zmq.PULL, carrier="trailer")
    jobs.bind(path(folder, f"jobs-{number}"))
    answers: dict[int, fdmetrics.zmq.Socket] = {}
    BUILD.info({"name": "llama-3.1-8b-instruct", "dtype": "bfloat16", "revision": "0e9e39f"})
    PHASE.state("serving")
    while True:
        time.sleep(0.02)
        batch = []
        while len(batch) < 64 and jobs.poll(0):
            batch.append(jobs.recv_json())
        if batch:
            BATCH.observe(len(batch))
        load = tide(67 + 11 * number, 0.2, 1.0)
        RUNNING.set(len(batch) + round(40 * load + draw.gauss(0, 2)))
        WAITING.set(max(0, round(18 * load - 9 + draw.gauss(0, 1))))
        CACHE.set(min(0.99, 0.35 + 0.55 * load + draw.gauss(0, 0.01)))
        MEMORY.labels(str(number)).set((61 + 9 * load) * 2**30)
        if draw.random() < 0.01 * load:
            PREEMPTED.inc()
        for job in batch:
            first = draw.lognormvariate(math.log(0.05 + 0.16 * load**2), 0.42)
            each = draw.lognormvariate(math.log(0.018 + 0.02 * load), 0.2)
            tokens = int(draw.lognormvariate(math.log(48), 0.7))
            FIRST_TOKEN.observe(first)
            EACH_TOKEN.observe(each)
            GENERATED.labels("llama-3.1-8b").inc(tokens)
            target = job["api"]
            if target not in answers:
                answers[target] = context.socket(zmq.PUSH, carrier="trailer")
                answers[target].connect(path(folder, f"answers-{target}"))
            answers[target].send_json({"path": job["path"], "seconds": first + each * tokens, "text": "y" * tokens * 4})


def main() -> None:
    """Takes a name that tells the processes apart, and works."""
    role, number, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    Path("/proc/self/comm").write_text(f"{role}-{number}")
    print("ready", flush=True)
    {"api": api, "engine": engine}[role](number, folder)


if __name__ == "__main__":
    main()
