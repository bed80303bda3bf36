# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The methods of zmq.Socket that receive, and record that; and what a frame that was read ahead changes.

As in _sending, they call pyzmq's by the names that those had, and the short way of a message of one frame is written
out in each of recv and recv_json.
"""

from __future__ import annotations

import pickle
from typing import Any, Callable, List, Optional

import zmq
from zmq.utils import jsonapi

from .._link import TRAILER_MAGIC, TRAILER_SIZE, unwrapped
from ._known import close, state_of
from ._libzmq import DONTWAIT, EVENTS, POLLIN, RCVMORE, ROUTER, TAKES_TURNS, get_option, is_number, like_pyzmq
from ._settings import Settings
from ._state import SocketState

# Of the backend: one frame.
_recv: Callable[..., Any] = zmq.backend.Socket.recv
_recv_into: Callable[..., int] = getattr(zmq.backend.Socket, "recv_into", None)  # type: ignore[assignment]

_Again = zmq.Again

_zmq_zmq_poll: Callable[..., List[Any]] = zmq.zmq_poll
_zmq_poll: Callable[..., int] = zmq.Socket.poll
_zmq_close: Callable[..., None] = zmq.Socket.close


class _Deferred:
    """Stands in the place of `track`, which means nothing where frames are copied: the caller records the message."""


DEFERRED: Any = _Deferred()


class Undecoded:
    """A frame that was received for a caller who decodes it first, and records the message then."""

    __slots__ = ("data", "size", "state", "trailer")

    def __init__(self, state: SocketState, data: bytes) -> None:
        self.state = state
        self.data = data
        #: None where more frames follow: the message is then recorded with its last one; one of libzmq's not at all.
        self.size: Optional[int] = None
        self.trailer = state.trailer
        if state.complete:
            self.size, state.unreceived, state.trailer = state.unreceived, 0, None
            if state.made:
                self.size, state.made = None, False
            state.allow_plain()

    def record(self, send_seconds: Optional[float] = None) -> None:
        """Records the message, once."""
        size, self.size = self.size, None
        if size is not None:
            self.state.received_message(size, send_seconds, self.trailer)

    def decoded(self, load: Callable[[bytes], Any]) -> Any:
        """The payload, out of its envelope if it is in one; records the message, decoded or not."""
        try:
            payload, send_seconds = unwrapped(load(self.data))
        except Exception:
            self.record()
            self.state.receive_failed()
            raise
        self.record(send_seconds)
        return payload


def _follow(socket: Any, state: SocketState, frame: Any, size: int, more: bool, copy: bool, track: bool) -> None:
    """Takes note of a frame that was received, and reads ahead where more follow."""
    state.unreceived += size
    state.frames += 1
    if state.takes_made:
        if state.frames == 1 and state.kind == ROUTER:
            state.meet(_bytes(frame))
        state.made = not more and state.is_made(frame, size)
    if more and state.strips and state.frames >= state.least_frames:
        state.trailer = _read_ahead(socket, state, copy, track)
        more = state.trailer is None
    if not copy:
        frame.more = more
    state.complete = not more
    if more:
        state.plain_received = None
    else:
        state.frames = 0


def _read_ahead(socket: Any, state: SocketState, copy: bool, track: bool) -> Optional[bytes]:
    """The trailer, if the next frame is the last and is one; else it waits in `ahead`, where a receive takes it."""
    try:
        # All frames of a message arrive together.
        ahead = _recv(socket, DONTWAIT, copy, track)
    except zmq.ZMQError:
        return None  # The context ends; the next receive says so.
    further = state.ask_more() == 0 and state.more.value != 0
    if not further:
        data: bytes = ahead if copy else ahead.bytes
        if len(data) == TRAILER_SIZE and data.startswith(TRAILER_MAGIC):
            return data
    state.ahead, state.ahead_more = ahead, further
    if state.kind in TAKES_TURNS:
        state.plain_sent = None
    return None


def _resume(socket: Any, state: SocketState) -> None:
    """Brings the account of a socket up to date with libzmq, after a receive that an exception interrupted.

    A signal's handler may raise one when libzmq has given a frame that nobody got yet. The rest of such a message is
    handed out, as pyzmq does; but what is left of it may be the trailer alone, which is taken away.
    """
    if socket.closed:
        return
    if state.ahead is None and state.strips and state.frames + 1 >= state.least_frames and state.follows():
        _read_ahead(socket, state, True, False)
    if state.ahead is not None or state.follows():
        state.frames = max(state.frames, 1)
        state.complete = False
    else:
        state.frames = state.unreceived = 0
        state.trailer = None
        state.made = False
        state.complete = True
    state.interrupted = False
    state.allow_plain()


def _trailer_of(socket: Any, state: SocketState, data: bytes) -> Optional[bytes]:
    """The trailer of a message whose first frame was taken by the short way, if it has no other frames.

    Else that frame is taken note of: the message is not complete.
    """
    trailer = _read_ahead(socket, state, True, False) if state.strips and state.least_frames == 1 else None
    if trailer is None:
        if state.kind == ROUTER:
            state.meet(data)
        state.unreceived = len(data)
        state.frames = 1
        state.complete = False
        state.plain_received = None
    return trailer


def _bytes(frame: Any) -> bytes:
    result: bytes = frame if frame.__class__ is bytes else frame.bytes
    return result


def _as_asked(frame: Any, copy: bool, track: bool) -> Any:
    """A frame that was read ahead, as the call that takes it wants it."""
    if copy:
        return _bytes(frame)
    if isinstance(frame, zmq.Frame) and not track:
        return frame
    return zmq.Frame(_bytes(frame), track=track)


def _take(socket: Any, state: SocketState, flags: int, copy: bool, track: bool) -> Any:
    """The next frame, by the long way; does not record."""
    if state.interrupted:
        _resume(socket, state)
    if state.ahead is None:
        frame = _recv(socket, flags, copy, track)
        more = state.follows()
    else:
        if socket.closed:
            raise zmq.ZMQError(zmq.ENOTSOCK)
        if not is_number(flags):
            raise TypeError("an integer is required")
        frame, more = _as_asked(state.ahead, copy, track), state.ahead_more
        state.ahead = None
    _follow(socket, state, frame, len(frame), more, copy, track)
    return frame


@like_pyzmq
class Receiving(Settings):
    """What a blocking socket records of what it receives. A multipart message is one message."""

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """As zmq.Socket.recv."""
        state = self._recorder or state_of(self)
        record = state.plain_received
        try:
            if record is not None and copy is True and track is False:
                data = _recv(self, flags)
                if state.ask_more() == 0 and not state.more.value:
                    record(len(data))
                else:
                    trailer = _trailer_of(self, state, data)
                    if trailer is not None:
                        state.record_stamped(len(data), trailer)
                return data
            deferred = track is DEFERRED
            data = _take(self, state, flags, copy, False if deferred else track)
            if deferred:
                return Undecoded(state, data)
            if state.complete and not state.deferring:
                state.record_received()
            return data
        except _Again:
            raise
        except BaseException:
            state.interrupt()
            raise

    if _recv_into is not None:

        def recv_into(self, buf: Any, /, *, nbytes: int = 0, flags: int = 0) -> int:
            """As zmq.Socket.recv_into. The whole size of a frame is counted, also where the buffer is too small."""
            state = self._recorder or state_of(self)
            try:
                if state.interrupted:
                    _resume(self, state)
                if state.ahead is None:
                    size = _recv_into(self, buf, nbytes=nbytes, flags=flags)
                    more = state.follows()
                else:
                    size, more = _copy_into(_bytes(state.ahead), buf, nbytes), state.ahead_more
                    state.ahead = None
                # Of a frame that is longer than the buffer, as much as was received.
                frame = bytes(memoryview(buf).cast("B")[:size]) if state.takes_made and state.frames == 0 else None
                _follow(self, state, frame, size, more, True, False)
                if state.complete:
                    state.record_received()
                return size
            except _Again:
                raise
            except BaseException:
                state.interrupt()
                raise

    def recv_multipart(self, flags: int = 0, copy: bool = True, track: bool = False) -> List[Any]:
        """As zmq.Socket.recv_multipart."""
        state = self._recorder or state_of(self)
        parts = [self.recv(flags, copy=copy, track=track)]
        while state.ahead is not None or state.follows():
            parts.append(self.recv(flags, copy=copy, track=track))
        return parts

    def recv_pyobj(self, flags: int = 0) -> Any:
        """As zmq.Socket.recv_pyobj; out of the envelope if the message is in one, whatever the socket's carrier."""
        return _undecoded(self, flags).decoded(pickle.loads)

    def recv_json(self, flags: int = 0, **kwargs: Any) -> Any:
        """As zmq.Socket.recv_json; out of the envelope if the message is in one, whatever the socket's carrier."""
        state = self._recorder or state_of(self)
        record = state.plain_received
        if record is None or kwargs or type(self).recv is not _own_recv:
            return _undecoded(self, flags).decoded(lambda data: jsonapi.loads(data, **kwargs))
        trailer = None
        try:
            data = _recv(self, flags)
            whole = state.ask_more() == 0 and not state.more.value
            if not whole:
                trailer = _trailer_of(self, state, data)
        except _Again:
            raise
        except BaseException:
            state.interrupt()
            raise
        if not whole and trailer is None:
            return Undecoded(state, data).decoded(jsonapi.loads)
        send_seconds = None
        try:
            payload = jsonapi.loads(data)
            if payload.__class__ is dict and "__meta" in payload:
                payload, send_seconds = unwrapped(payload)
        except Exception:
            state.received_message(len(data), None, trailer)
            state.receive_failed()
            raise
        if trailer is not None:
            state.record_stamped(len(data), trailer)
        elif send_seconds is None:
            record(len(data))
        else:
            state.received_message(len(data), send_seconds, None)
        return payload

    def _deserialize(self, recvd: Any, load: Callable[[Any], Any]) -> Any:
        # recv_string and recv_serialized end here.
        try:
            return load(recvd)
        except Exception:
            state_of(self).receive_failed()
            raise

    # What a frame that was read ahead changes -------------------------------------------------------------------------

    def get(self, option: int) -> Any:
        """As zmq.Socket.get."""
        return seen(self, option, get_option)

    getsockopt = get

    def poll(self, timeout: Optional[int] = None, flags: int = POLLIN) -> int:
        """As zmq.Socket.poll."""
        if not is_ahead(self) or not flags & POLLIN:
            return _zmq_poll(self, timeout, flags)
        return _zmq_poll(self, 0, flags) | POLLIN

    def close(self, linger: Optional[int] = None) -> None:
        """As zmq.Socket.close."""
        close(self, linger, _zmq_close)


_own_recv = Receiving.recv


def _undecoded(socket: Any, flags: int) -> Undecoded:
    """Receives a frame through the socket's own recv, which may be a subclass's, without recording it."""
    state = socket._recorder or state_of(socket)
    try:
        state.deferring = True
        state.plain_received = None
        data = socket.recv(flags)
        state.deferring = False
        return Undecoded(state, data)
    except _Again:
        state.deferring = False
        state.allow_plain()
        raise
    except BaseException:
        state.deferring = False
        state.interrupt()
        raise


def is_ahead(socket: Any) -> bool:
    """Whether a frame of a socket was read ahead."""
    state: Optional[SocketState] = getattr(socket, "_recorder", None)
    if state is None:
        return False
    if state.interrupted:
        _resume(socket, state)
    return state.ahead is not None


def seen(socket: Any, option: int, ask: Callable[[Any, int], Any]) -> Any:
    """A socket option as the caller must see it, who knows nothing of trailers and frames that were read ahead."""
    ahead = is_ahead(socket)
    value = ask(socket, option)
    if ahead:
        if option == RCVMORE:
            return 1
        if option == EVENTS:
            return value | POLLIN
    return value


def polled(sockets: Any, timeout: int = -1) -> List[Any]:
    """As zmq.zmq_poll, of which zmq.Poller and zmq.select are made. It knows of frames that were read ahead."""
    ahead = [socket for socket, events in sockets if events & POLLIN and is_ahead(socket)]
    if not ahead:
        return _zmq_zmq_poll(sockets, timeout)
    found = _zmq_zmq_poll(sockets, 0)
    for socket in ahead:
        events = sum(events for known, events in found if known is socket)
        found = [(known, events) for known, events in found if known is not socket]
        found.append((socket, events | POLLIN))
    return found


def _copy_into(frame: bytes, buf: Any, nbytes: int) -> int:
    """recv_into of a frame that was read ahead."""
    with memoryview(buf) as view:
        if view.readonly:
            raise BufferError("memoryview: underlying buffer is not writable")
        if not 0 <= nbytes <= view.nbytes:
            raise ValueError(f"{nbytes=} too big for memoryview of {view.nbytes}B")
        size = min(nbytes or view.nbytes, len(frame))
        if size:
            view.cast("B")[:size] = frame[:size]
    return len(frame)
