# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The methods of zmq.Socket that send, and record that.

They call pyzmq's by the names that those had when this module was imported, not through super(): so the same functions
serve the subclass Socket, and zmq.Socket itself while it is instrumented. The short way of a message of one frame is
written out in send: a Python call costs as much as the recording.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import operator
import time
from itertools import chain, takewhile
from typing import Any, Callable, List, Optional, Tuple

import zmq
from zmq.utils import jsonapi

from .._link import TRAILER_SIZE, now, wrapped
from ._known import state_of
from ._libzmq import DONTWAIT, REQ, ROUTER, SNDMORE, STREAM, SUBSCRIBES, XSUB, is_number, like_pyzmq, send_frame
from ._serialized import SerializedSends
from ._state import SocketState

_Again = zmq.Again

# Of the backend: one frame, without routing_id and group.
_send: Callable[..., Any] = zmq.backend.Socket.send

_zmq_send: Callable[..., Any] = zmq.Socket.send
_zmq_send_multipart: Callable[..., Any] = zmq.Socket.send_multipart
_zmq_send_json: Callable[..., Any] = zmq.Socket.send_json

# libzmq's zmq_send, without the handlers of signals; see _put_both.
_send_frame = send_frame

# Whether libzmq took a frame, by what _send_frame returned, and by what either returned.
_took_frame: Callable[[object], bool] = (-1).__ne__
_took: Callable[[object], bool] = functools.partial(operator.ne, -1)

_TRAILER_LENGTH = ctypes.c_size_t(TRAILER_SIZE)
_BOTH = 2
#: What ctypes takes for a C int.
_INT_MAX = 0x7FFFFFFF

#: In the place of a result: the peer went away between a payload and its trailer, and libzmq dropped the payload.
_GONE: Any = object()


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


def _attempt(
    put: Callable[..., Any], socket: Any, state: SocketState, data: Any, flags: int, arguments: Any, keywords: Any
) -> Any:
    """Sends a frame; measures the time only where there is no room at once."""
    if flags & DONTWAIT or state.sending or state.internal:
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


def _put(socket: Any, state: SocketState, data: Any, flags: Any, arguments: Any, keywords: Any) -> Any:
    """Sends a frame by the long way: one of several, with a trailer, no bytes, with flags, of a link not open yet."""
    put = _zmq_send if keywords else _send
    try:
        if not isinstance(flags, int):
            # What is no number is for pyzmq to refuse.
            flags = int(flags if is_number(flags) else put(socket, data, flags, **keywords))
        # The frame after a STREAM's routing id ends its message, whatever the flags say.
        more = bool(flags & SNDMORE) and not (state.kind == STREAM and state.sending)
        if state.ahead is not None and state.is_out_of_turn():
            raise zmq.ZMQError(zmq.EFSM)
        is_command = state.commands and not more and _is_command(state, data)
        calls = state.calls() if state.trailing and not more and not is_command else None
        if calls is None:
            result = _attempt(put, socket, state, data, flags, arguments, keywords)
        else:
            result = _put_stamped(put, socket, state, calls.trailer(), data, flags, arguments, keywords)
    except BaseException as error:
        state.refused(error)
        raise
    if is_command:
        state.commanded()
    else:
        state.sent(_size(data), more)
    return result


def _put_stamped(
    put: Callable[..., Any],
    socket: Any,
    state: SocketState,
    stamp: bytes,
    data: Any,
    flags: int,
    arguments: Any,
    keywords: Any,
) -> Any:
    """Sends the frame that ends a message, and its trailer."""
    # Who waits for room waits for the next peer; of a message of several frames the others are gone.
    waits = not (flags & DONTWAIT or state.sending or state.kind == REQ)
    both = functools.partial(_put_both, put, state, stamp)
    while True:
        result = _attempt(both, socket, state, data, flags, arguments, keywords)
        if result is not _GONE:
            return result
        if not waits:
            raise _Again


def _put_both(
    put: Callable[..., Any],
    state: SocketState,
    stamp: bytes,
    socket: Any,
    data: Any,
    flags: int,
    copy: Any,
    track: Any,
    **keywords: Any,
) -> Any:
    """Sends a frame and its trailer; _GONE, where the peer went away between the two.

    A handler of a signal may raise an exception wherever the interpreter runs one: between two calls of Python, and in
    pyzmq's send after libzmq took the frame. Between the payload and the trailer libzmq would stay within the message,
    and the next message become a part of it. So C code alone goes from the one to the other, and it says how far it
    came. What pyzmq itself must send, without copying it, may be interrupted within its own call.
    """
    last = flags & DONTWAIT | state.trailer_flags
    pointer = None if _send_frame is None or keywords else _pointer(socket, data, copy)
    if pointer is not None and socket.closed:
        raise zmq.ZMQError(zmq.ENOTSOCK)
    while True:
        if pointer is None:
            frame = map(functools.partial(put, **keywords), (socket,), (data,), (flags | SNDMORE,), (copy,), (track,))
        else:
            frame = map(_send_frame, (state.handle,), pointer[:1], pointer[1:], (flags | SNDMORE,))
        if _send_frame is None:
            trailer = map(_send, (socket,), (stamp,), (last,))
        else:
            trailer = map(_send_frame, (state.handle,), (stamp,), (_TRAILER_LENGTH,), (last,))
        taken: List[Any] = []
        try:
            taken.extend(takewhile(_took, chain(frame, trailer)))
        except BaseException as error:
            if len(taken) == 1:
                if _send_frame is not None:
                    _end(socket, stamp, last)
                elif error.__class__ is _Again:
                    return _GONE
            raise
        if len(taken) == _BOTH or (taken and _end(socket, stamp, last)):
            if pointer is None:
                return taken[0]
            return None if copy else zmq._FINISHED_TRACKER
        code = ctypes.get_errno()
        if taken and code == errno.EAGAIN:
            return _GONE
        if code != errno.EINTR:
            raise _error(code)


def _put_rest(socket: Any, state: SocketState, frames: Tuple[bytes, bytes], taken: List[int]) -> Any:
    """Sends a payload and its trailer, of which the short way could send the payload at most."""
    data, stamp = frames
    if taken:
        try:
            if _end(socket, stamp, state.trailer_flags):
                state.sent(len(data), False)
                return None
            code = ctypes.get_errno()
            # With EAGAIN the peer went away between the two, and libzmq has dropped the payload with it. But it drops
            # what is left of a REQ's question.
            if state.kind == REQ or code != errno.EAGAIN:
                raise _error(code)
        except BaseException as error:
            state.refused(error)
            raise
    return _put(socket, state, data, 0, (True, False), {})


def _pointer(socket: Any, data: Any, copy: Any) -> Optional[Tuple[Any, ctypes.c_size_t]]:
    """Where the bytes of a frame are that pyzmq would copy, and how many; None, where the frame is left to pyzmq."""
    if isinstance(data, zmq.Frame):
        return None
    try:
        view = memoryview(data)
    except TypeError:
        return None
    with view:
        if not view.c_contiguous or not (copy or view.nbytes < socket.copy_threshold):
            return None
        size = ctypes.c_size_t(view.nbytes)
        if isinstance(data, bytes):
            return bytes(data), size
        if view.readonly or not view.nbytes:
            return view.tobytes(), size
        return ctypes.byref(ctypes.c_char.from_buffer(data)), size


def _end(socket: Any, stamp: bytes, flags: int) -> bool:
    """Sends a trailer that a signal kept libzmq from taking, after its payload; returns whether that was so."""
    if ctypes.get_errno() != errno.EINTR:
        return False
    _send(socket, stamp, flags)
    return True


def _error(code: int) -> zmq.ZMQError:
    """An error of libzmq, as pyzmq raises it."""
    if code == errno.EAGAIN:
        return _Again()
    if code == zmq.ETERM:
        return zmq.ContextTerminated()
    return zmq.ZMQError(code)


@like_pyzmq
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
        if record is None or flags != 0 or data.__class__ is not bytes or routing_id is not None or group is not None:
            alone = routing_id is None and group is None
            keywords = {} if alone else {"routing_id": routing_id, "group": group}
            return _put(self, state, data, flags, (copy, track), keywords)
        stamp = state.plain_stamp
        if stamp is None:
            try:
                result = _send(self, data, DONTWAIT, copy, track)
            except _Again:
                record = None
            except BaseException as error:
                state.refused(error)
                raise
            if record is None:
                # Outside of the handler: what is raised there must not name the first attempt as its context.
                return _put(self, state, data, flags, (copy, track), {})
            record(len(data))
            return result
        size = len(data)
        if copy is not True or size > _INT_MAX or _send_frame is None or self._closed:  # type: ignore[attr-defined]
            return _put(self, state, data, flags, (copy, track), {})
        # As in _put_both.
        taken: List[int] = []
        try:
            frames = data, stamp()
            lengths = size, _TRAILER_LENGTH
            taken.extend(takewhile(_took_frame, map(_send_frame, state.handles, frames, lengths, state.stamped_flags)))
        except BaseException as error:
            if len(taken) == _BOTH:
                record(size)
            else:
                if taken:
                    _end(self, frames[1], state.trailer_flags)
                state.refused(error)
            raise
        if len(taken) == _BOTH:
            record(size)
            return None
        return _put_rest(self, state, frames, taken)

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
