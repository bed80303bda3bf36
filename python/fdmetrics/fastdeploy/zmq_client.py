# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Clients: the ends that connect."""

from __future__ import annotations

import abc
import sys
from typing import Any

import zmq

from .zmq_server import IPC_DIRECTORY, ipc_path
from .zmq_service import ZmqServiceBase, late, llm_logger

__all__ = ["ZmqClientBase", "ZmqIpcClient", "llm_logger"]


def __getattr__(name: str) -> object:
    return late(__name__, name)


class ZmqClientBase(ZmqServiceBase):
    """A service whose socket connects; see ZmqServiceBase."""

    _module = sys.modules[__name__]
    _side = "client"

    @abc.abstractmethod
    def connect(self) -> None:
        """Connects to the server."""


class ZmqIpcClient(ZmqClientBase):
    """Connects to the ZmqIpcServer of a name on this host."""

    _connected: Any = None

    def __init__(self, name: str, mode: int, *, directory: str = IPC_DIRECTORY, **keywords: Any) -> None:
        """Makes the socket, which is not connected yet.

        mode is a socket type of zmq: DEALER connects to the server in mode ROUTER, all others to the one in mode PULL.
        directory must be the server's. The keywords are those of ZmqServiceBase.
        """
        super().__init__(**keywords)
        self.name = name
        self.mode = mode
        self.file_name = ipc_path(directory, name, router=mode == zmq.DEALER)
        # Known before connect(), so that what fails until then is counted for its link.
        self.address = f"ipc://{self.file_name}"
        # Here, so that its options can be set before it is connected.
        super()._ensure_socket()

    def _create_socket(self) -> Any:
        return self._new_socket(self.mode)

    def connect(self) -> None:
        """Connects, whether the server is there already or comes later. Further calls do nothing.

        The first message connects too where this was not called; a socket that is given is connected, too. Errors:
        zmq.ZMQError, ServiceClosedError.
        """
        self._channel()

    def _ensure_socket(self) -> None:
        super()._ensure_socket()
        socket = self.socket
        if socket is None or socket is self._connected:
            return
        # An object with send and recv alone has no connect.
        if hasattr(socket, "connect"):
            socket.connect(self.address)
        self._connected = socket
