# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A program that uses prometheus_client, with fdmetrics.install()."""

from __future__ import annotations

import multiprocessing
import urllib.request

import prometheus_client

import fdmetrics

fdmetrics.install()
REQUESTS = prometheus_client.Counter("requests", "Requests answered.", ["method"])


def child() -> None:
    """Counts in a process of its own."""
    REQUESTS.labels("GET").inc()


if __name__ == "__main__":
    processes = [multiprocessing.get_context("fork").Process(target=child) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    server, _ = prometheus_client.start_http_server(0, addr="127.0.0.1")
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
        print(answer.read().decode())
