# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of a service of many processes, exact in every one of them.

All processes of a service record into one store in shared memory, and any of them renders the total of all. There is no
directory to prepare, no hook to call when a worker ends, and nothing to set before the import. The names are those of
prometheus_client:

    import os
    from fdmetrics import Counter, Gauge, Histogram, generate_latest

    REQUESTS = Counter("demo_requests", "Requests answered.", ["method"])
    IN_PROGRESS = Gauge("demo_in_progress", "Requests being answered.", multiprocess_mode="livesum")
    SECONDS = Histogram("demo_request_seconds", "Time to answer.", buckets=(0.1, 1, 10))

    def answer(method):
        with IN_PROGRESS.track_inprogress(), SECONDS.time():
            REQUESTS.labels(method).inc()

    child = os.fork()
    answer("GET" if child else "POST")
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    print(generate_latest().decode())      # the parent's request and the child's
    # start_http_server(8000) serves the same at http://127.0.0.1:8000/metrics

The store is in FDMETRICS_DIR if that is set, else in PROMETHEUS_MULTIPROC_DIR (or prometheus_multiproc_dir) if that is
set, else in a directory of its own in memory that child processes share. In a directory that others may write to, it is
in fdmetrics-<uid>. Where a named one cannot be used, the one in memory serves, with a line in the log. The store is
attached at the first update, labels() or rendering of a process, until which the environment may still be changed.

Recording never raises for the store's sake: see Registry. What a user gets wrong (a name, a label, a negative
increment) raises a ValueError or a TypeError, as in prometheus_client. Linux only.
"""

from __future__ import annotations

from . import _environment
from ._install import install, uninstall
from ._library import allow_utf8_names
from ._process_name import set_process_name
from ._version import __version__
from .errors import (
    ConflictError,
    DamagedStoreError,
    DirectoryError,
    FDMetricsError,
    ForeignStoreError,
    InvalidArgumentError,
    InvalidNameError,
    LabelsError,
    LibraryError,
    NoSpaceError,
    ProcessLimitError,
    SeriesLimitError,
    StoreClosedError,
    StoreNotFoundError,
    SystemCallError,
    UnsupportedError,
)
from .exposition import CONTENT_TYPE_LATEST, generate_latest, start_http_server
from .instruments import Counter, Enum, Gauge, Histogram, Info, Summary
from .metric import Metric
from .registry import REGISTRY, Registry, attach
from .store import Statistics, Store, render_directory

__all__ = [
    "CONTENT_TYPE_LATEST",
    "REGISTRY",
    "ConflictError",
    "Counter",
    "DamagedStoreError",
    "DirectoryError",
    "Enum",
    "FDMetricsError",
    "ForeignStoreError",
    "Gauge",
    "Histogram",
    "Info",
    "InvalidArgumentError",
    "InvalidNameError",
    "LabelsError",
    "LibraryError",
    "Metric",
    "NoSpaceError",
    "ProcessLimitError",
    "Registry",
    "SeriesLimitError",
    "Statistics",
    "Store",
    "StoreClosedError",
    "StoreNotFoundError",
    "Summary",
    "SystemCallError",
    "UnsupportedError",
    "__version__",
    "allow_utf8_names",
    "attach",
    "generate_latest",
    "install",
    "render_directory",
    "set_process_name",
    "start_http_server",
    "uninstall",
]

_environment.prepare()
