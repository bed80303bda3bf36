# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a client and a server share: one socket, its messages, and its end."""

from __future__ import annotations

import abc
import contextlib
import enum
import logging
from typing import Any, Callable, Optional, Tuple, Type, TypeVar

import zmq

from .. import zmq as instrumented
from ..zmq._state import last_endpoint
from . import zmq_channel
from .zmq_channel import Channel, Recording

logger = logging.getLogger("fdmetrics")

#: What receive_json_once and receive_pyobj_once say when there is no socket to receive from.
CLOSED = "zmq socket has closed"

#: Only who may open files of this host can write to these.
LOCAL_TRANSPORTS = ("ipc://", "inproc://")

_Service = TypeVar("_Service", bound="ZmqServiceBase")


class Nothing(enum.Enum):
    """The type of NOTHING."""

    NOTHING = "nothing"

    def __repr__(self) -> str:
        return "NOTHING"


#: What receive_json and receive_pyobj return when no message is there: no message is ever this.
NOTHING = Nothing.NOTHING


class PickleRefusedError(RuntimeError):
    """Pickle on a transport that other hosts can write to, where it was not asked for by name."""


class ServiceClosedError(RuntimeError):
    """A message for a service that has no socket any more."""


class ZmqServiceBase(abc.ABC):
    """One socket that sends and receives objects as JSON or pickle, and records each message once.

    The socket is made at its first use and stands in `socket`. It may also be given: what goes through any object that
    has send and recv, such as a test's own, is recorded like what goes through the service's own sockets; one of
    fdmetrics.zmq records by itself, in its own carrier and link. Messages travel in the envelope
    {"__meta": {"send_ts": seconds}, "data": data}. What comes without one, or in what only looks like one, is handed
    over as it is, and counted. What a subclass sends and receives through `socket` itself, commands, say, or responses
    in a form of its own, is counted, too, where that is one that the service has made.

    A service belongs to one thread at a time, and is not carried over a fork.
    """

    # On the class too: a subclass may assign its own before it comes to __init__, or not come there at all.
    socket: Any = None
    context: Any = None
    address: Optional[str] = None
    running = True
    _recording = Recording()
    _carrier = "envelope"
    _pickle = False
    _owns_context = False
    _own_socket: Any = None
    _channel_now: Optional[Channel] = None

    def __init__(
        self,
        *,
        socket: Any = None,
        context: Optional[instrumented.Context] = None,
        carrier: str = "envelope",
        pickle: bool = False,
        link: Optional[str] = None,
        prefix: Optional[str] = None,
        registry: object = None,
    ) -> None:
        """Nothing is opened yet.

        socket is used in place of one that the service makes; context in place of a context of its own. carrier is that
        of the socket that it makes. pickle=True allows send_pyobj and recv_pyobj on other transports than ipc and
        inproc: whoever can write to the socket then runs code in this process. link is the label `address` where the
        two ends have different names for one link; prefix and registry are those of fdmetrics.zmq.Socket.
        """
        self.socket = socket
        self.context = context
        self.running = True
        self._carrier = carrier
        self._pickle = pickle
        self._recording = Recording(link, prefix, registry)
        self._owns_context = False
        self._channel_now = None

    @abc.abstractmethod
    def _create_socket(self) -> Any:
        """Makes the socket, bound or connected."""

    def _ensure_socket(self) -> None:
        """Makes the socket where there is none; a closed service stays closed."""
        if self.socket is None and self.running:
            self.socket = self._own_socket = self._create_socket()

    def _new_socket(self, mode: int) -> instrumented.Socket:
        """A socket of the service's context that records."""
        if self.context is None:
            self.context = instrumented.Context()
            self._owns_context = True
        socket: instrumented.Socket = self.context.socket(mode)
        if isinstance(socket, instrumented.Socket):
            socket.carrier = self._carrier
            self._recording.apply(socket)
        return socket

    def _channel(self) -> Channel:
        """What sends and receives through the socket that there is now. Errors: ServiceClosedError."""
        channel = self._channel_now
        if channel is not None and channel.socket is self.socket and channel.address == self.address:
            return channel
        self._ensure_socket()
        if self.socket is None:
            raise ServiceClosedError(f"{self!r} has no socket: it was closed; make another {type(self).__name__}.")
        channel = self._channel_now = zmq_channel.opened(self.socket, self.address, self._recording)
        return channel

    def _allow_pickle(self) -> None:
        if self._pickle:
            return
        address = self.address
        if self.socket is not self._own_socket and isinstance(self.socket, zmq.Socket):
            # A given one may be bound or connected to anything.
            address = last_endpoint(self.socket) or address
        if address is None or not address.startswith(LOCAL_TRANSPORTS):
            raise PickleRefusedError(
                f"{self!r} does not pickle: whoever can write to {address or 'its socket'} would run code here. Send "
                "JSON, or make the service with pickle=True where every peer is trusted."
            )

    def send_json(self, data: Any, flags: int = 0) -> Any:
        """Sends an object as JSON; returns what the socket's send returns.

        Errors: the socket's (zmq.Again, zmq.ZMQError), those of the serialisation, ServiceClosedError. All count as one
        failed send, without bytes.
        """
        return self._channel().send_json(data, flags)

    def recv_json(self, flags: int = 0) -> Any:
        """Receives an object that came as JSON. Errors: the socket's; ValueError for no JSON, which is counted."""
        return self._channel().recv_json(flags)

    def send_pyobj(self, data: Any, flags: int = 0) -> None:
        """Sends an object as a pickle (of multiprocessing.reduction). Errors: as send_json, and PickleRefusedError."""
        self._allow_pickle()
        self._channel().send_pyobj(data, flags)

    def recv_pyobj(self, flags: int = 0) -> Any:
        """Receives an object that came as a pickle.

        Errors: the socket's; whatever the message raises that is no pickle, which is counted; PickleRefusedError.
        """
        self._allow_pickle()
        return self._channel().recv_pyobj(flags)

    def receive_json(self, block: bool = False) -> Any:
        """As recv_json, but NOTHING where no message is there, so that JSON's null (None) can be told from it."""
        return self._received(self.recv_json, block)

    def receive_pyobj(self, block: bool = False) -> Any:
        """As recv_pyobj, but NOTHING where no message is there, so that None can be told from it."""
        return self._received(self.recv_pyobj, block)

    def receive_json_once(self, block: bool = False) -> Tuple[Optional[str], Any]:
        """One message, as a pair of an error text and the data.

        (None, data); (None, None) where no message is there; (text, None) after an error, which closes the service, and
        from a closed one. A message that is JSON's null is (None, None) too: where that matters, use receive_json.
        """
        return self._received_once(self.receive_json, block)

    def receive_pyobj_once(self, block: bool = False) -> Tuple[Optional[str], Any]:
        """As receive_json_once, for a pickle. Errors: PickleRefusedError, which closes nothing."""
        self._allow_pickle()
        return self._received_once(self.receive_pyobj, block)

    def _received(self, receive: Callable[[int], Any], block: bool) -> Any:
        try:
            return receive(0 if block else zmq.NOBLOCK)
        except zmq.Again:
            return NOTHING

    def _received_once(self, receive: Callable[[bool], Any], block: bool) -> Tuple[Optional[str], Any]:
        try:
            self._ensure_socket()
            # `is True`: an object with send and recv alone need not have the attribute, a test's stand-in has anything.
            if not self.running or self.socket is None or getattr(self.socket, "closed", False) is True:
                return CLOSED, None
            data = receive(block)
        except Exception as error:
            logger.warning("fdmetrics: %r is closed, because receiving failed: %s", self, error)
            self.close()
            return str(error) or type(error).__name__, None
        return None, None if data is NOTHING else data

    def close(self) -> None:
        """Closes socket and context at once: what was not sent yet is dropped. Raises nothing; later calls do nothing.

        A given socket is closed too, a given context is left to its owner.
        """
        if not self.running:
            return
        self.running = False
        try:
            self._close_socket()
            if self._owns_context and not self.context.closed:
                self.context.term()
        except Exception as error:
            logger.warning("fdmetrics: %r could not be closed: %s", self, error)

    def _close_socket(self) -> None:
        socket = self.socket
        if socket is None or getattr(socket, "closed", False) is True:
            return
        if isinstance(socket, zmq.Socket):
            socket.close(linger=0)
        elif hasattr(socket, "close"):
            socket.close()

    def __enter__(self: _Service) -> _Service:
        return self

    def __exit__(self, _kind: Optional[Type[BaseException]], *_rest: object) -> None:
        self.close()

    def __repr__(self) -> str:
        with contextlib.suppress(AttributeError):
            return f"<{type(self).__name__} {self.address}{'' if self.running else ', closed'}>"
        return f"<{type(self).__name__}>"
