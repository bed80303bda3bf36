# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The methods of zmq.Socket that send, and record that.

They call pyzmq's by the names that those had when this module was imported, not through super(): so the same functions
serve the subclass Socket, and zmq.Socket itself while it is instrumented. The short way of a message of one frame is
written out in send: a Python call costs as much as the recording.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Optional

import zmq
from zmq.utils import jsonapi

from .._link import now, wrapped
from ._libzmq import DONTWAIT, REQ, ROUTER, SNDMORE, SUBSCRIBES, XSUB
from ._serialized import SerializedSends
from ._state import SocketState, state_of

_Again = zmq.Again

# Of the backend: one frame, without routing_id and group.
_send: Callable[..., Any] = zmq.backend.Socket.send

_zmq_send: Callable[..., Any] = zmq.Socket.send
_zmq_send_multipart: Callable[..., Any] = zmq.Socket.send_multipart
_zmq_send_json: Callable[..., Any] = zmq.Socket.send_json

# The first attempt to send a frame that a trailer follows.
_FIRST = DONTWAIT | SNDMORE


def _size(data: Any) -> int:
    if isinstance(data, (bytes, zmq.Frame)):
        return len(data)
    return memoryview(data).nbytes


def _wait(socket: Any, state: SocketState, put: Callable[..., Any], arguments: Any, keywords: Any) -> Any:
    """Sends a frame for which there was no room, and times that."""
    started = time.monotonic()
    try:
        return put(socket, *arguments, **keywords)
    finally:
        state.send_blocked(time.monotonic() - started)


def _attempt(socket: Any, state: SocketState, data: Any, flags: int, arguments: Any, keywords: Any) -> Any:
    """Sends a frame; measures the time only where there is no room at once."""
    put = _zmq_send if keywords else _send
    if flags & DONTWAIT or state.sending:
        return put(socket, data, flags, *arguments, **keywords)
    try:
        return put(socket, data, flags | DONTWAIT, *arguments, **keywords)
    except _Again:
        pass
    return _wait(socket, state, put, (data, flags, *arguments), keywords)


def _is_command(state: SocketState, data: Any) -> bool:
    """Whether a frame that ends a message is for libzmq or the kernel: no peer receives it as a message.

    An XSUB's subscription, or the end of one, which is for the socket at the other end and takes one frame only; a
    ROUTER's routing id alone, which libzmq drops; a STREAM's empty frame, which closes the connection.
    """
    if state.kind == ROUTER:
        return not state.sending
    try:
        if state.kind == XSUB:
            return not state.sending and bytes(memoryview(data)[:1])[:1] in SUBSCRIBES
        return not state.sending or _size(data) == 0
    except TypeError:
        return False  # pyzmq says what is wrong with it.


def _put(socket: Any, state: SocketState, data: Any, flags: int, arguments: Any, keywords: Any) -> Any:
    """Sends a frame by the long way: one of several, with a trailer, no bytes, with flags, of a link not open yet."""
    more = bool(flags & SNDMORE)
    try:
        is_command = state.commands and not more and _is_command(state, data)
        calls = state.calls() if state.trailing and not more and not is_command else None
        if calls is None:
            result = _attempt(socket, state, data, flags, arguments, keywords)
        else:
            result = _put_stamped(socket, state, calls.trailer(), data, flags, arguments, keywords)
    except BaseException as error:
        state.refused(error)
        raise
    if is_command:
        state.commanded()
    else:
        state.sent(_size(data), more)
    return result


def _put_stamped(
    socket: Any, state: SocketState, stamp: bytes, data: Any, flags: int, arguments: Any, keywords: Any
) -> Any:
    """Sends the frame that ends a message, and its trailer."""
    # Who waits for room waits for the next peer; of a message of several frames the others are gone.
    waits = not (flags & DONTWAIT or state.sending or state.kind == REQ)
    while True:
        result = _attempt(socket, state, data, flags | SNDMORE, arguments, keywords)
        try:
            _send(socket, stamp, flags | state.trailer_flags)
            return result
        except _Again:
            # The peer went away between the two, and libzmq has dropped the frame with it.
            if not waits:
                raise


class Sending(SerializedSends):
    """What a blocking socket records of what it sends. A multipart message is one message."""

    def send(
        self,
        data: Any,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        routing_id: Optional[int] = None,
        group: Optional[str] = None,
    ) -> Any:
        """As zmq.Socket.send."""
        state = self._recorder or state_of(self)
        record = state.plain_sent
        if record is None or flags or data.__class__ is not bytes or routing_id is not None or group is not None:
            alone = routing_id is None and group is None
            keywords = {} if alone else {"routing_id": routing_id, "group": group}
            return _put(self, state, data, flags, (copy, track), keywords)
        stamp = state.plain_stamp
        try:
            if stamp is None:
                result = _send(self, data, DONTWAIT, copy, track)
            else:
                trailer = stamp()
                result = _send(self, data, _FIRST, copy, track)
        except _Again:
            record = None
        except BaseException as error:
            state.refused(error)
            raise
        if record is None:
            # Outside of the handler: what is raised there must not name the first attempt as its context.
            return _put(self, state, data, flags, (copy, track), {})
        if stamp is not None:
            try:
                _send(self, trailer, state.trailer_flags)
            except BaseException as error:
                if error.__class__ is not _Again or state.kind == REQ:
                    state.refused(error)
                    raise
                record = None
            if record is None:
                # The peer went away between the two, and libzmq has dropped the payload with it: as above.
                return _put(self, state, data, flags, (copy, track), {})
        record(len(data))
        return result

    # Each of the following ends in send(); what fails before it gets there is counted here.

    def send_multipart(
        self, msg_parts: Any, flags: int = 0, copy: bool = True, track: bool = False, **kwargs: Any
    ) -> Any:
        """As zmq.Socket.send_multipart."""
        state = self._recorder or state_of(self)
        failed = state.failed
        try:
            return _zmq_send_multipart(self, msg_parts, flags, copy=copy, track=track, **kwargs)
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
            if kwargs:
                return _zmq_send_json(self, obj, flags, **kwargs)
            return self.send(jsonapi.dumps(obj), flags)
        except BaseException:
            state.refused_before(failed)
            raise
