# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in place of prometheus_client.multiprocess's functions and methods."""

from __future__ import annotations

import os
from typing import Any, Iterable, Optional

from prometheus_client.metrics_core import Metric

from .._environment import PROMETHEUS_DIRECTORY, is_store_of, prometheus_directory
from ..errors import REFUSALS, StoreNotFoundError
from ..registry import REGISTRY
from ..store import Path, render_directory
from .declaration import use_old_variable
from .families import AS_THEY_ARE, collect_families, parse, sum_first
from .totals import wanted_process_metrics, wants_pid_label
from .worker_value import worker_number


def initialise(self: Any, registry: Any, path: Optional[Path] = None) -> None:
    """MultiProcessCollector.__init__.

    Without a path the collector is of the store that this process records into, for which no directory needs to be
    there. With one it is of the store in that directory, which other processes may have made and this one only reads.
    Errors: ValueError where the path, or what PROMETHEUS_MULTIPROC_DIR says, is there and not a directory, or where a
    path that is given is not there.
    """
    if path is None:
        use_old_variable()
        told = prometheus_directory()
        if told and os.path.exists(told) and not os.path.isdir(told):
            raise ValueError(f"env {PROMETHEUS_DIRECTORY} is not a directory: {told}")
        self._path = told
        self._directory = None
    else:
        if not os.fspath(path) or not os.path.isdir(path):
            raise ValueError(f"{path!r} is not a directory: give that of a store, or none for the one of this process")
        self._path = os.fspath(path)
        told = prometheus_directory()
        is_told = told and os.path.realpath(told) == os.path.realpath(path)
        self._directory = None if is_told else os.path.abspath(path)
    if registry:
        registry.register(self)


def is_of_this_process(self: Any) -> bool:
    """Whether the collector is of the store that this process records into. Errors: those of Registry.path."""
    directory = getattr(self, "_directory", None)
    return directory is None or is_store_of(REGISTRY.path, directory)


def collect(self: Any) -> Iterable[Metric]:
    """MultiProcessCollector.collect: all families of the store, and process_*. Errors: those of Registry.render."""
    wanted = wanted_process_metrics()
    if is_of_this_process(self):
        return sum_first(collect_families(pid_label=wants_pid_label(), process_metrics=wanted))
    try:
        text = render_directory(
            self._directory, pid_label=wants_pid_label(), process_metrics=wanted, escaping=AS_THEY_ARE
        )
        return sum_first(parse(text, REGISTRY._declared))
    except StoreNotFoundError:
        return []


def mark_process_dead(pid: object, path: Optional[Path] = None) -> None:
    """Takes what a process, that is a worker of a logical id, has in live gauges out of them.

    The end of a real process is known from the kernel: nothing happens for its id. Never raises for the store's sake.
    """
    number = worker_number(pid)
    if number is None:
        return
    store = REGISTRY._attach_quietly()
    if store is None:
        return
    try:
        store.end_worker(number)
    except REFUSALS as error:
        REGISTRY._refuse(error, f"the end of worker {pid}")
