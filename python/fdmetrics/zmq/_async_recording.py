# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The methods of pyzmq's asyncio socket that record.

Such a socket sends and receives through a blocking one, its _shadow_sock, when that is ready; that one records. What is
left is here: whether a send that had to wait was sent in the end, and what is decoded when a receive is done.
"""

from __future__ import annotations

import functools
import pickle
import time
from typing import Any, Callable, Optional

import zmq
import zmq._future
from zmq.utils import jsonapi

from .._link import unwrapped
from ._known import state_of
from ._libzmq import DONTWAIT, POLLIN, get_option, like_pyzmq
from ._receiving import DEFERRED, Undecoded, is_ahead, seen
from ._serialized import SerializedSends
from ._state import SocketState

_Async: Any = zmq._future._AsyncSocket

_add_send_event: Callable[..., Any] = _Async._add_send_event
_handle_send: Callable[..., None] = _Async._handle_send
_deserialize: Callable[..., Any] = _Async._deserialize
_async_recv: Callable[..., Any] = _Async.recv
_async_get: Callable[..., Any] = _Async.get
_async_poll: Callable[..., Any] = _Async.poll


def _settled(state: SocketState, started: float, future: Any) -> None:
    """A send that had to wait is done."""
    if future.cancelled() or _exception(future) is not None:
        state.send_failed()
        state.allow_plain()
    state.send_blocked(time.monotonic() - started)


def _exception(future: Any) -> Optional[BaseException]:
    # future.exception() would count as a retrieval, and silence asyncio's warning that nobody did retrieve it.
    error: Optional[BaseException] = future._exception if hasattr(future, "_exception") else future.exception()
    return error


@like_pyzmq
class AsyncRecording(SerializedSends):
    """What an asyncio socket records, beside what its _shadow_sock does; see the functions of the same names."""

    def _add_send_event(self, kind: str, msg: Any = None, kwargs: Any = None, future: Any = None) -> Any:
        if kind == "poll":
            return _add_send_event(self, kind, msg, kwargs, future)
        state = self._recorder or state_of(self)
        # pyzmq tries at once, and waits if there is no room: only where the caller does not want that is it a failure.
        state.quiet = 0 if kwargs.get("flags", 0) & DONTWAIT else 1
        try:
            sending = _add_send_event(self, kind, msg, kwargs, future)
        finally:
            state.quiet = 0
        if not sending.done():
            sending.add_done_callback(functools.partial(_settled, state, time.monotonic()))
        return sending

    def _handle_send(self) -> None:
        state = self._recorder or state_of(self)
        state.quiet = 2
        try:
            _handle_send(self)
        finally:
            state.quiet = 0

    # Receiving --------------------------------------------------------------------------------------------------------

    def recv_pyobj(self, flags: int = 0) -> Any:
        """As zmq.asyncio.Socket.recv_pyobj; out of the envelope if the message is in one."""
        return self._decoded(flags, pickle.loads)

    def recv_json(self, flags: int = 0, **kwargs: Any) -> Any:
        """As zmq.asyncio.Socket.recv_json; out of the envelope if the message is in one."""
        return self._decoded(flags, lambda data: jsonapi.loads(data, **kwargs))

    def _decoded(self, flags: int, load: Callable[[bytes], Any]) -> Any:
        socket: Any = self
        if type(socket).recv is not _async_recv:
            # A subclass's own. It records the message with its trailer, if it has one, but no stamp of an envelope.
            return _deserialize(self, socket.recv(flags), self._counted(lambda data: unwrapped(load(data)).payload))
        receiving = socket._add_recv_event("recv", kwargs={"flags": flags, "copy": True, "track": DEFERRED})

        def decode(received: Any) -> Any:
            return received.decoded(load) if isinstance(received, Undecoded) else load(received)

        def record(_future: Any) -> None:
            # Where the caller has cancelled meanwhile, nothing is decoded, and pyzmq warns of a lost message.
            if not receiving.cancelled() and _exception(receiving) is None:
                received = receiving.result()
                # Else it was received after instrument() was undone.
                if isinstance(received, Undecoded):
                    received.record()

        result = _deserialize(self, receiving, decode)
        receiving.add_done_callback(record)
        return result

    def _deserialize(self, recvd: Any, load: Callable[[Any], Any]) -> Any:
        # recv_string and recv_serialized end here.
        return _deserialize(self, recvd, self._counted(load))

    def _counted(self, load: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def counted(data: Any) -> Any:
            try:
                return load(data)
            except Exception:
                state_of(self).receive_failed()
                raise

        return counted

    # What a frame that was read ahead changes -------------------------------------------------------------------------

    def get(self, option: int) -> Any:
        """As zmq.asyncio.Socket.get."""
        return seen(self, option, _async_get)

    def getsockopt(self, option: int) -> Any:
        """As zmq.asyncio.Socket.getsockopt."""
        return seen(self, option, get_option)

    def poll(self, timeout: Optional[int] = None, flags: int = POLLIN) -> Any:
        """As zmq.asyncio.Socket.poll."""
        if not is_ahead(self) or not flags & POLLIN:
            return _async_poll(self, timeout, flags)
        socket: Any = self
        future = socket._Future()
        future.set_result(get_option(self, zmq.EVENTS) & flags | POLLIN)
        return future
