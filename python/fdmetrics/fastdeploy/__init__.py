# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""FastDeploy's names on top of fdmetrics: its metrics, and its ZeroMQ services.

    from fdmetrics.fastdeploy import get_filtered_metrics, main_process_metrics

    main_process_metrics.num_requests_running.inc()
    main_process_metrics.obs_value("time_to_first_token", 0.05)
    get_filtered_metrics()                                   # of all processes; what /metrics answers

The services need pyzmq, and msgpack for some of what they do (pip install fdmetrics[fastdeploy]):

    import zmq
    from fdmetrics.fastdeploy import ZmqIpcClient, ZmqIpcServer

    server = ZmqIpcServer(name="engine", mode=zmq.PULL)      # binds ipc:///dev/shm/engine.socket
    client = ZmqIpcClient(name="engine", mode=zmq.PUSH)
    client.connect()
    client.send_json({"prompt": "hello"})
    error, data = server.receive_json_once(block=True)

Every message is recorded at each end, with its latency, for the address of the link; see fdmetrics.zmq for the series.

One module has one part, as in FastDeploy: metrics, stats, interface, metrics_middleware, prometheus_multiprocess_setup,
zmq_server, zmq_client and envs. catalogue has the names of all metrics, inert what stands for one that is not there;
zmq_service what server and client share; zmq_responses how a server answers, and zmq_packing in which form; zmq_channel
how a message is put into its envelope and recorded. Each is imported when a name of it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Dict, List

if TYPE_CHECKING:
    from .catalogue import build_1_2_5_buckets
    from .interface import MetricsManagerInterface
    from .metrics import (
        EXCLUDE_LABELS,
        REQUEST_LATENCY_BUCKETS,
        MetricsManager,
        get_filtered_metrics,
        main_process_metrics,
    )
    from .metrics_middleware import EXCLUDE_PATHS, PrometheusMiddleware
    from .prometheus_multiprocess_setup import (
        get_original_prom_dir,
        setup_dp_prometheus_dir,
        setup_multiprocess_prometheus,
    )
    from .stats import ZMQMetricsStats
    from .zmq_client import ZmqClientBase, ZmqIpcClient
    from .zmq_server import Response, ZmqIpcServer, ZmqServerBase, ZmqTcpServer
    from .zmq_service import NOTHING, Nothing, PickleRefusedError, ServiceClosedError

__all__ = [
    "EXCLUDE_LABELS",
    "EXCLUDE_PATHS",
    "NOTHING",
    "REQUEST_LATENCY_BUCKETS",
    "MetricsManager",
    "MetricsManagerInterface",
    "Nothing",
    "PickleRefusedError",
    "PrometheusMiddleware",
    "Response",
    "ServiceClosedError",
    "ZMQMetricsStats",
    "ZmqClientBase",
    "ZmqIpcClient",
    "ZmqIpcServer",
    "ZmqServerBase",
    "ZmqTcpServer",
    "build_1_2_5_buckets",
    "get_filtered_metrics",
    "get_original_prom_dir",
    "main_process_metrics",
    "setup_dp_prometheus_dir",
    "setup_multiprocess_prometheus",
]

# Not imported here: the metrics need no pyzmq, the services no metrics but their own.
_MODULES: Dict[str, List[str]] = {
    "catalogue": ["build_1_2_5_buckets"],
    "interface": ["MetricsManagerInterface"],
    "metrics": [
        "EXCLUDE_LABELS",
        "REQUEST_LATENCY_BUCKETS",
        "MetricsManager",
        "get_filtered_metrics",
        "main_process_metrics",
    ],
    "metrics_middleware": ["EXCLUDE_PATHS", "PrometheusMiddleware"],
    "prometheus_multiprocess_setup": [
        "get_original_prom_dir",
        "setup_dp_prometheus_dir",
        "setup_multiprocess_prometheus",
    ],
    "stats": ["ZMQMetricsStats"],
    "zmq_client": ["ZmqClientBase", "ZmqIpcClient"],
    "zmq_server": ["Response", "ZmqIpcServer", "ZmqServerBase", "ZmqTcpServer"],
    "zmq_service": ["NOTHING", "Nothing", "PickleRefusedError", "ServiceClosedError"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
