# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""pyzmq's Context and Socket, which record what goes through them. Needs pyzmq: pip install fdmetrics[zmq].

    import fdmetrics.zmq

    context = fdmetrics.zmq.Context()
    socket = context.socket(zmq.DEALER, carrier="trailer")
    socket.connect("ipc:///tmp/engine")
    socket.send_json({"prompt": "hello"})

Each message is counted once, with its bytes, for the address of the link: the endpoint that both ends share, or the
name in `socket.link`. The series are <prefix>:zmq:msg_send_total and others; see fdm_zmq_link_open in fdmetrics.h.
fdmetrics.zmq.asyncio has the same for asyncio. instrument() makes the sockets of an existing program record.

A message may say when it was sent, so that its receiver can take the latency; `carrier` chooses how, for a socket:
  none      it does not; everything but the latency is recorded. A receiver takes all carriers, whatever its own is
  envelope  send_json and send_pyobj send {"__meta": {"send_ts": seconds}, "data": payload}, recv_json and recv_pyobj
            take the payload out of it. Another peer sees the envelope; raw receive calls too
  trailer   one more frame at the end of the message, of 24 bytes. recv, recv_multipart and all others take it away.
            Another peer receives that frame: use it where both ends are instrumented

Everything else is pyzmq's: flags, copies, trackers, exceptions, threads. A socket belongs to one thread at a time and
is not carried over a fork. In the middle of a message of several frames, whose next frame may have been read ahead,
socket.poll, EVENTS and RCVMORE tell what is there; a zmq.Poller does under instrument() only.
"""

from __future__ import annotations

from typing import Any, Optional

import zmq

from ._instrument import Instrumentation, instrument
from ._receiving import Receiving
from ._sending import Sending
from ._settings import ContextSettings
from ._state import CARRIERS

__all__ = ["CARRIERS", "Context", "Instrumentation", "Socket", "instrument"]


class Socket(Sending, Receiving, zmq.Socket):  # type: ignore[type-arg]
    """A pyzmq socket that records its messages.

    A multipart message is one message. What fails to be sent is counted, serialisation and a full queue included.
    """

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
        """As zmq.Socket; the other arguments set the attributes of their names, and monitor calls watch_connections.

        What is None is as in the context, if that is instrumented.
        """
        super().__init__(*args, **kwargs)
        self._configure(getattr(self, "context", None), carrier, link, prefix, registry, monitor)

    def __copy__(self, memo: Any = None) -> Socket:
        """As zmq.Socket: a shadow, which records for the same link."""
        return type(self).shadow(self)

    __deepcopy__ = __copy__


class Context(ContextSettings, zmq.Context[Socket]):
    """A pyzmq context whose sockets record their messages."""

    _socket_class = Socket
    # Not zmq.Context's, which may be a plain one.
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
        """As zmq.Context; the other arguments are what its sockets begin with."""
        super().__init__(*args, **kwargs)
        self._begin_with(carrier, prefix, registry, monitor)
