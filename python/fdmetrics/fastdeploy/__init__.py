# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""FastDeploy's names on top of fdmetrics. Needs pyzmq: pip install fdmetrics[zmq].

    import zmq
    from fdmetrics.fastdeploy import ZmqIpcClient, ZmqIpcServer

    server = ZmqIpcServer(name="engine", mode=zmq.PULL)      # binds ipc:///dev/shm/engine.socket
    client = ZmqIpcClient(name="engine", mode=zmq.PUSH)
    client.connect()
    client.send_json({"prompt": "hello"})
    error, data = server.receive_json_once(block=True)

Every message is recorded at each end, with its latency, for the address of the link; see fdmetrics.zmq for the series.
One module has one part: zmq_server and zmq_client have the services, as in FastDeploy; zmq_service what they share;
zmq_channel how a message is put into its envelope and recorded. What is added to FastDeploy's names is imported here.
"""

from __future__ import annotations

from .zmq_client import ZmqClientBase, ZmqIpcClient
from .zmq_server import Response, ZmqIpcServer, ZmqServerBase, ZmqTcpServer
from .zmq_service import NOTHING, Nothing, PickleRefusedError, ServiceClosedError

__all__ = [
    "NOTHING",
    "Nothing",
    "PickleRefusedError",
    "Response",
    "ServiceClosedError",
    "ZmqClientBase",
    "ZmqIpcClient",
    "ZmqIpcServer",
    "ZmqServerBase",
    "ZmqTcpServer",
]
