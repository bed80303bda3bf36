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
from .exposition import CONTENT_TYPE_LATEST, generate_latest, start_http_server, write_to_textfile
from .instruments import Counter, Enum, Gauge, Histogram, Info, Summary
from .metric import Metric
from .registry import REGISTRY, Registry, attach
from .store import Store, render_directory

# What type checkers take for true. The module typing is not imported: that takes longer than all of this package.
TYPE_CHECKING = False

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
    "GaugeMode",
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
    "delete_from_gateway",
    "generate_latest",
    "install",
    "instance_ip_grouping_key",
    "make_asgi_app",
    "make_wsgi_app",
    "push_to_gateway",
    "pushadd_to_gateway",
    "render_directory",
    "set_process_name",
    "start_http_server",
    "uninstall",
    "write_to_textfile",
]

# Imported when they are first used: each takes longer to import than all of the rest, and some need another package.
_MODULES = ("asgi", "django", "fastdeploy", "prometheus_client", "pushgateway", "python_metrics", "wsgi", "zmq")
_MODULE_OF = {
    "GaugeMode": "_types",
    "Statistics": "_types",
    "make_asgi_app": "asgi",
    "make_wsgi_app": "wsgi",
    "delete_from_gateway": "pushgateway",
    "instance_ip_grouping_key": "pushgateway",
    "push_to_gateway": "pushgateway",
    "pushadd_to_gateway": "pushgateway",
}
_EXTRAS: dict[str, str] = {"prometheus_client": "prometheus-client", "zmq": "zmq"}

if TYPE_CHECKING:
    from . import asgi as asgi
    from . import django as django
    from . import fastdeploy as fastdeploy
    from . import prometheus_client as prometheus_client
    from . import pushgateway as pushgateway
    from . import python_metrics as python_metrics
    from . import wsgi as wsgi
    from . import zmq as zmq
    from ._types import GaugeMode as GaugeMode
    from ._types import Statistics as Statistics
    from .asgi import make_asgi_app as make_asgi_app
    from .pushgateway import delete_from_gateway as delete_from_gateway
    from .pushgateway import instance_ip_grouping_key as instance_ip_grouping_key
    from .pushgateway import push_to_gateway as push_to_gateway
    from .pushgateway import pushadd_to_gateway as pushadd_to_gateway
    from .wsgi import make_wsgi_app as make_wsgi_app
else:
    # Type checkers see none, so that they tell of a name that there is not.
    def __getattr__(name: str) -> object:
        module = _MODULE_OF.get(name, name)
        if module not in _MODULES and name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        try:
            value = importlib.import_module(f"{__name__}.{module}")
        except ImportError as error:
            # Whoever only looks at what there is, such as help() and hasattr(), expects this class.
            needs = f": pip install 'fdmetrics[{_EXTRAS[module]}]'" if module in _EXTRAS else ""
            raise AttributeError(f"{__name__}.{module} cannot be imported ({error}){needs}") from error
        if name != module:
            value = globals()[name] = getattr(value, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


_environment.prepare()
