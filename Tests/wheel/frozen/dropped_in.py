# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A program that imports fdmetrics.prometheus_client in place of prometheus_client."""

from __future__ import annotations

import multiprocessing
import urllib.request

from fdmetrics.prometheus_client import REGISTRY, Counter, start_http_server
from fdmetrics.prometheus_client.openmetrics.exposition import generate_latest

REQUESTS = Counter("requests", "Requests answered.", ["method"])


def child() -> None:
    """Counts in a process of its own."""
    REQUESTS.labels("GET").inc()


if __name__ == "__main__":
    processes = [multiprocessing.get_context("fork").Process(target=child) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert b"# EOF" in generate_latest(REGISTRY)
    server, _ = start_http_server(0, addr="127.0.0.1")
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
        print(answer.read().decode())
