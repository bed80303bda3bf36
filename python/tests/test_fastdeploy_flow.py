# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""FastDeploy's flow over three processes: whoever answers /metrics has the exact totals of all of them."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator

import msgpack  # type: ignore[import-untyped]
import pytest
import zmq

from .fastdeploy_support import PATIENCE
from .support import PACKAGE_ROOT, Samples, environment

REQUESTS = 40
NOT_FOUND = 3
COMMANDS = 5
PROMPT = 7


@pytest.fixture(params=["query", "batch"])
def flow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Dict[str, Any]]:
    """What the service says of itself, and the directory of its sockets."""
    variables = environment(
        ZMQ_SEND_BATCH_DATA="1" if request.param == "batch" else "0", PROMETHEUS_MULTIPROC_DIR=tmp_path / "metrics"
    )
    sockets = tmp_path / "s"
    sockets.mkdir()
    with open(tmp_path / "errors", "w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fastdeploy_flow", "api", str(sockets)],
            cwd=PACKAGE_ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, (tmp_path / "errors").read_text()
            yield {**json.loads(line), "sockets": str(sockets), "errors": tmp_path / "errors", "way": request.param}
        finally:
            process.stdin.close()
            process.wait(60)
            process.stdout.close()


def request(port: int, path: str, method: str = "GET") -> Any:
    return urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method), timeout=60)


def generate(port: int, tokens: int) -> int:
    with request(port, f"/generate/{tokens}", "POST") as response:
        assert response.headers["x-server"] == "api"
        return int(json.loads(response.read())["tokens"])


def send_commands(port: int) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.rcvtimeo = PATIENCE
        dealer.connect(f"tcp://127.0.0.1:{port}")
        for number in range(COMMANDS):
            dealer.send_multipart([b"", msgpack.packb({"task_id": f"c{number}", "cmd": "get_metrics"})])
            result = msgpack.unpackb(dealer.recv_multipart()[-1])
            assert result == {"task_id": f"c{number}", "result": {"running": True}}


def use(flow: Dict[str, Any]) -> int:
    """Sends requests of all kinds; how many tokens came back."""
    port = flow["metrics"]
    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        wanted = [1 + number % 5 for number in range(REQUESTS)]
        came = list(clients.map(lambda tokens: generate(port, tokens), wanted))
    assert came == wanted
    for number in range(NOT_FOUND):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            request(port, f"/nothing/{number}")
    with request(port, "/health") as health:
        assert health.read() == b"ok"
    send_commands(flow["engine"]["control"])
    return sum(wanted)


def shown(port: int) -> Samples:
    with request(port, "/metrics") as response:
        return Samples(response.read())


def assert_exact(samples: Samples, tokens: int, flow: Dict[str, Any]) -> None:
    get = samples.get
    assert get("fastdeploy:requests_number_total") == REQUESTS
    assert get("fastdeploy:request_success_total") == REQUESTS
    assert get("fastdeploy:prompt_tokens_total") == REQUESTS * PROMPT
    assert get("fastdeploy:generation_tokens_total") == tokens
    assert get("fastdeploy:request_generation_tokens_sum") == tokens
    for name in (
        *("time_to_first_token_seconds", "request_token_ratio", "request_generation_tokens"),
        *("request_params_max_tokens", "e2e_request_latency_seconds"),
    ):
        assert get(f"fastdeploy:{name}_count") == REQUESTS, name
    assert get("fastdeploy:num_requests_running") == 0
    # Each of the three has recorded it once for a request.
    assert get("fastdeploy:kv_bytes_total") == 3 * 8 * REQUESTS
    assert get("http_requests_total", method="POST", path="/generate/{tokens}", status_code="200") == REQUESTS
    assert get("http_requests_total", method="GET", path="<unmatched>", status_code="404") == NOT_FOUND
    assert sum(samples.named("http_requests_total").values()) == REQUESTS + NOT_FOUND
    assert get("http_request_duration_seconds_count", method="POST", path="/generate/{tokens}") == REQUESTS
    assert_links_exact(samples, tokens, flow)


def assert_links_exact(samples: Samples, tokens: int, flow: Dict[str, Any]) -> None:
    def count(name: str, address: str) -> Any:
        return samples.get(f"fastdeploy:zmq:{name}", address=address)

    directory = f"ipc://{flow['sockets']}"
    messages = {f"{directory}/flow.socket": REQUESTS, f"{directory}/worker.socket": REQUESTS}
    messages[f"{directory}/tokens.socket"] = tokens
    if flow["way"] == "batch":
        messages[f"{directory}/response_flow_w{flow['pid']}.pull"] = tokens
    for address, expected in messages.items():
        assert count("msg_send_total", address) == count("msg_recv_total", address) == expected, address
        assert count("msg_bytes_send_total", address) == count("msg_bytes_recv_total", address) > 0, address
        assert not count("in_flight", address) and not count("msg_send_failed_total", address), address
        # What the services send travels in the envelope that has a stamp; responses have none.
        assert (count("latency_count", address) or 0) == (0 if "response" in address else expected), address
    if flow["way"] == "query":
        # Whatever was kept until it was asked for is one message: as many as came, and no more than tokens.
        router = f"{directory}/router_flow.ipc"
        assert count("msg_send_total", router) == count("msg_recv_total", router)
        assert 2 * REQUESTS <= count("msg_send_total", router) <= REQUESTS + tokens
        assert not count("msg_send_failed_total", router)
    # The client of the commands is no process of the service.
    assert (count("msg_recv_total", "control"), count("msg_send_total", "control")) == (COMMANDS, COMMANDS)


def until_sent_messages_are_counted(port: int, tokens: int, flow: Dict[str, Any]) -> None:
    """A message is counted by its sender once libzmq has taken it, when the receiver may have it already."""
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end:
        with contextlib.suppress(AssertionError):
            assert_exact(shown(port), tokens, flow)
            return
        time.sleep(0.05)


def test_whoever_answers_has_the_exact_totals(flow: Dict[str, Any]) -> None:
    tokens = use(flow)
    ports = [flow["metrics"], flow["engine"]["metrics"], flow["engine"]["worker"]["metrics"]]
    until_sent_messages_are_counted(ports[0], tokens, flow)
    for port in ports:
        assert_exact(shown(port), tokens, flow)
    # Nothing of a process is lost when it is killed.
    os.kill(flow["engine"]["worker"]["pid"], signal.SIGKILL)
    for port in ports[:2]:
        assert_exact(shown(port), tokens, flow)
    # Each of the three has told once what the catalogue does not know.
    assert flow["errors"].read_text().count("no metric num_requests_of_a_later_version") == 3
