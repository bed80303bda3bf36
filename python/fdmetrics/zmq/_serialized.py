# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The sends of zmq.Socket that serialise first. They end in the socket's own send or send_multipart, which records.

Blocking and asyncio sockets share them: what fails before it gets to the socket is counted here.
"""

from __future__ import annotations

from typing import Any, Callable

import zmq
from zmq.sugar.socket import DEFAULT_PROTOCOL

from .._link import now, wrapped
from ._known import state_of
from ._libzmq import like_pyzmq
from ._settings import Settings

# By the names that they had when this was imported; see _sending.
_zmq_send_serialized: Callable[..., Any] = zmq.Socket.send_serialized
_zmq_send_string: Callable[..., Any] = zmq.Socket.send_string
_zmq_send_json: Callable[..., Any] = zmq.Socket.send_json
_zmq_send_pyobj: Callable[..., Any] = zmq.Socket.send_pyobj


@like_pyzmq
class SerializedSends(Settings):
    """See the functions of the same names; an asyncio socket's return its futures."""

    def send_serialized(
        self, msg: Any, serialize: Callable[[Any], Any], flags: int = 0, copy: bool = True, **kwargs: Any
    ) -> Any:
        """As zmq.Socket.send_serialized."""
        state = self._recorder or state_of(self)
        failed = state.failed
        try:
            return _zmq_send_serialized(self, msg, serialize, flags, copy=copy, **kwargs)
        except BaseException:
            state.refused_before(failed)
            raise

    def send_string(self, u: str, flags: int = 0, copy: bool = True, encoding: str = "utf-8", **kwargs: Any) -> Any:
        """As zmq.Socket.send_string."""
        state = self._recorder or state_of(self)
        failed = state.failed
        try:
            return _zmq_send_string(self, u, flags, copy=copy, encoding=encoding, **kwargs)
        except BaseException:
            state.refused_before(failed)
            raise

    send_unicode = send_string

    def send_pyobj(self, obj: object, flags: int = 0, protocol: int = DEFAULT_PROTOCOL, **kwargs: Any) -> Any:
        """As zmq.Socket.send_pyobj; in the envelope if that is the socket's carrier."""
        state = self._recorder or state_of(self)
        failed = state.failed
        if state.enveloping:
            obj = wrapped(obj, now())
        try:
            return _zmq_send_pyobj(self, obj, flags, protocol, **kwargs)
        except BaseException:
            state.refused_before(failed)
            raise

    def send_json(self, obj: object, flags: int = 0, **kwargs: Any) -> Any:
        """As zmq.Socket.send_json; in the envelope if that is the socket's carrier."""
        state = self._recorder or state_of(self)
        failed = state.failed
        if state.enveloping:
            obj = wrapped(obj, now())
        try:
            return _zmq_send_json(self, obj, flags, **kwargs)
        except BaseException:
            state.refused_before(failed)
            raise
