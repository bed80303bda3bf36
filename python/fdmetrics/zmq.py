# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""pyzmq's Context and Socket, which record what goes through them. Needs pyzmq: pip install fdmetrics[zmq].

    import fdmetrics.zmq

    context = fdmetrics.zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.carrier = "envelope"
    socket.connect("ipc:///tmp/engine")
    socket.send_json({"prompt": "hello"})

Each message is counted once, with its bytes, for the address of the link: the endpoint that both ends share, or the
name in `socket.link`. The series are <prefix>:zmq:msg_send_total, msg_send_failed_total, msg_bytes_send_total,
msg_recv_total, msg_bytes_recv_total and the histogram latency, in milliseconds; see fdm_zmq_link_open in fdmetrics.h.

Everything else is pyzmq's: flags, copies, trackers, exceptions, threads. A socket belongs to one thread at a time and
is not carried over a fork.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import zmq
from zmq.utils import jsonapi

from . import _link
from .errors import InvalidArgumentError
from .registry import Registry, registry_of

__all__ = ["CARRIERS", "Context", "Socket"]

#: How a message says when it was sent: not at all, or in send_json's {"__meta": {"send_ts": seconds}, "data": payload}.
CARRIERS = ("none", "envelope")


def _size(data: Any) -> int:
    if isinstance(data, (bytes, zmq.Frame)):
        return len(data)
    return memoryview(data).nbytes


class Socket(zmq.Socket):  # type: ignore[type-arg]
    """A pyzmq socket that records its messages.

    A multipart message is one message. What fails to be sent is counted, serialisation and a full queue included.
    """

    # pyzmq takes an assignment to an attribute that no class has for a socket option.
    _recorder: _link.LinkRecorder = None  # type: ignore[assignment]
    _carrier: str = "none"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As zmq.Socket."""
        super().__init__(*args, **kwargs)
        self._recorder = _link.LinkRecorder()

    # Settings ---------------------------------------------------------------------------------------------------------

    @property
    def link(self) -> Optional[str]:
        """The label `address`; None before the socket is bound or connected, where it was given no name."""
        return self._recorder.settings.name or self._recorder.endpoint

    @link.setter
    def link(self, name: str) -> None:
        self._recorder.choose(name=name)

    @property
    def carrier(self) -> str:
        """How send_json says when it was sent: "none" or "envelope". Receiving takes either, whatever this is."""
        return self._carrier

    @carrier.setter
    def carrier(self, carrier: str) -> None:
        if carrier not in CARRIERS:
            raise InvalidArgumentError(f"{carrier!r} is not a carrier: one of {CARRIERS} is expected")
        self._carrier = carrier

    @property
    def prefix(self) -> str:
        """What the names of the series begin with."""
        return self._recorder.settings.prefix

    @prefix.setter
    def prefix(self, prefix: str) -> None:
        self._recorder.choose(prefix=prefix)

    @property
    def registry(self) -> Registry:
        """The registry whose store is recorded into; by default the process's."""
        return self._recorder.settings.registry

    @registry.setter
    def registry(self, registry: object) -> None:
        self._recorder.choose(registry=registry_of(registry))

    # Endpoints --------------------------------------------------------------------------------------------------------

    def _last_endpoint(self) -> str:
        endpoint: bytes = self.getsockopt(zmq.LAST_ENDPOINT)  # type: ignore[assignment]
        return endpoint.rstrip(b"\0").decode("utf-8", "surrogateescape")

    def bind(self, addr: str) -> Any:
        """As zmq.Socket.bind."""
        result = super().bind(addr)
        self._recorder.attach(self._last_endpoint())
        return result

    def connect(self, addr: str) -> Any:
        """As zmq.Socket.connect."""
        result = super().connect(addr)
        self._recorder.attach(self._last_endpoint())
        return result

    def unbind(self, addr: Any) -> None:
        """As zmq.Socket.unbind."""
        super().unbind(addr)
        self._recorder.give_up(addr)

    def disconnect(self, addr: Any) -> None:
        """As zmq.Socket.disconnect."""
        super().disconnect(addr)
        self._recorder.give_up(addr)

    # Sending ----------------------------------------------------------------------------------------------------------

    def send(  # type: ignore[override]
        self, data: Any, flags: int = 0, copy: bool = True, track: bool = False, **kwargs: Any
    ) -> Any:
        """As zmq.Socket.send."""
        try:
            result = super().send(data, flags, copy=copy, track=track, **kwargs)
        except Exception:
            self._recorder.send_failed()
            raise
        self._recorder.sent(_size(data), bool(flags & zmq.SNDMORE))
        return result

    # Each of the following ends in send(); what fails before it gets there is counted here.

    def send_multipart(
        self, msg_parts: Any, flags: int = 0, copy: bool = True, track: bool = False, **kwargs: Any
    ) -> Any:
        """As zmq.Socket.send_multipart."""
        with _link.Sending(self._recorder):
            return super().send_multipart(msg_parts, flags, copy=copy, track=track, **kwargs)

    def send_serialized(
        self, msg: Any, serialize: Callable[[Any], Any], flags: int = 0, copy: bool = True, **kwargs: Any
    ) -> Any:
        """As zmq.Socket.send_serialized."""
        with _link.Sending(self._recorder):
            return super().send_serialized(msg, serialize, flags, copy=copy, **kwargs)

    def send_string(self, u: str, flags: int = 0, copy: bool = True, encoding: str = "utf-8", **kwargs: Any) -> Any:
        """As zmq.Socket.send_string."""
        with _link.Sending(self._recorder):
            return super().send_string(u, flags, copy=copy, encoding=encoding, **kwargs)

    def send_pyobj(self, obj: object, flags: int = 0, *args: Any, **kwargs: Any) -> Any:
        """As zmq.Socket.send_pyobj."""
        with _link.Sending(self._recorder):
            return super().send_pyobj(obj, flags, *args, **kwargs)

    def send_json(self, obj: object, flags: int = 0, **kwargs: Any) -> None:
        """As zmq.Socket.send_json; in the envelope if that is the socket's carrier."""
        message = _link.wrapped(obj, _link.now()) if self._carrier == "envelope" else obj
        with _link.Sending(self._recorder):
            super().send_json(message, flags, **kwargs)

    # Receiving --------------------------------------------------------------------------------------------------------

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """As zmq.Socket.recv."""
        data = super().recv(flags, copy=copy, track=track)
        self._recorder.received(len(data), bool(self.getsockopt(zmq.RCVMORE)))
        return data

    def recv_json(self, flags: int = 0, **kwargs: Any) -> Any:
        """As zmq.Socket.recv_json; out of the envelope if the message is in one, whatever the socket's carrier."""
        data = super().recv(flags)
        more = bool(self.getsockopt(zmq.RCVMORE))
        send_seconds: Optional[float] = None
        try:
            payload, send_seconds = _link.unwrapped(jsonapi.loads(data, **kwargs))
        finally:
            self._recorder.received(len(data), more, send_seconds)
        return payload


class Context(zmq.Context[Socket]):
    """A pyzmq context whose sockets record their messages."""

    _socket_class = Socket
