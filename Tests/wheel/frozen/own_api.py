# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A program of several processes that records by fdmetrics itself."""

from __future__ import annotations

import multiprocessing

import fdmetrics

REQUESTS = fdmetrics.Counter("requests", "Requests answered.", ["method"])


def child() -> None:
    """Counts in a process of its own."""
    REQUESTS.labels("GET").inc()


if __name__ == "__main__":
    processes = [multiprocessing.get_context("fork").Process(target=child) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print(fdmetrics.generate_latest(process_metrics=True, self_metrics=True).decode())
