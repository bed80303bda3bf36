# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""zmq.asyncio's Context and Socket, which record what goes through them; see fdmetrics.zmq.

    import fdmetrics.zmq.asyncio

    context = fdmetrics.zmq.asyncio.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect("ipc:///tmp/engine")
    await socket.send_json({"prompt": "hello"})

A message is recorded when it was sent or received, which may be after the call. A send that is cancelled before it was
sent is counted as failed.
"""

from __future__ import annotations

from typing import Any, Optional

import zmq
import zmq.asyncio
from zmq.asyncio import Poller

from . import Socket as BlockingSocket
from ._async_recording import AsyncRecording
from ._known import close
from ._settings import ContextSettings

__all__ = ["Context", "Poller", "Socket"]


class Socket(AsyncRecording, zmq.asyncio.Socket):
    """An asyncio socket of pyzmq that records its messages."""

    def __init__(
        self,
        *args: Any,
        carrier: Optional[str] = None,
        link: Optional[str] = None,
        prefix: Optional[str] = None,
        registry: Optional[object] = None,
        monitor: Optional[bool] = None,
        **kwargs: Any,
    ) -> None:
        """As zmq.asyncio.Socket; for the other arguments see fdmetrics.zmq.Socket."""
        super().__init__(*args, **kwargs)  # type: ignore[misc]
        # Up to here, pyzmq's own: it shadows this socket, or is the one that this was made from.
        members = self.__dict__
        members["_shadow_sock"] = BlockingSocket.shadow(members["_shadow_sock"])
        self._configure(getattr(self, "context", None), carrier, link, prefix, registry, monitor)

    def __copy__(self, memo: Any = None) -> Socket:
        """As zmq.asyncio.Socket: a shadow, which records for the same link."""
        return type(self)(self)

    __deepcopy__ = __copy__

    def close(self, linger: Optional[int] = None) -> None:
        """As zmq.asyncio.Socket.close."""
        close(self, linger, zmq.asyncio.Socket.close)


class Context(ContextSettings, zmq.asyncio.Context):
    """A pyzmq context for asyncio whose sockets record their messages."""

    _socket_class = Socket
    # Not zmq.asyncio.Context's, which may be a plain one.
    _instance = None

    def __init__(
        self,
        *args: Any,
        carrier: Optional[str] = None,
        prefix: Optional[str] = None,
        registry: Optional[object] = None,
        monitor: bool = False,
        **kwargs: Any,
    ) -> None:
        """As zmq.asyncio.Context; the other arguments are what its sockets begin with."""
        super().__init__(*args, **kwargs)
        self._begin_with(carrier, prefix, registry, monitor)
