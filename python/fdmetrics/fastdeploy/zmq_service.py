# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a client and a server share: one socket, its messages, and its end."""

from __future__ import annotations

import abc
import contextlib
import enum
import logging
import sys
from typing import Any, Callable, ClassVar, Optional, Tuple, Type, TypeVar

import zmq

from .. import zmq as instrumented
from ..zmq._libzmq import last_endpoint
from . import zmq_channel
from .zmq_channel import Channel, Recording

#: FastDeploy's name of the log; here that of the package.
llm_logger = logging.getLogger("fdmetrics")

#: What receive_json_once and receive_pyobj_once say when there is no socket to receive from: FastDeploy's words, which
#: programs compare with.
CLOSED = "zmp socket has closed"

#: Only who may open files of this host can write to these.
LOCAL_TRANSPORTS = ("ipc://", "inproc://")

# What a module of services must have in the place of its name zmq, so that contexts are made by fdmetrics.zmq.
_PLAIN_CONTEXT = zmq.Context

_Service = TypeVar("_Service", bound="ZmqServiceBase")


def late(module: str, name: str) -> object:
    """A module's main_process_metrics: the services need it only where a program puts another object in its place.

    Errors: AttributeError for any other name.
    """
    if name != "main_process_metrics":
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    from .metrics import main_process_metrics

    return main_process_metrics


def __getattr__(name: str) -> object:
    return late(__name__, name)


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

    The socket stands in `socket`. It may also be given: what goes through any object that has send and recv, such as a
    test's own, is recorded like what goes through the service's own sockets; one of fdmetrics.zmq records by itself, in
    its own carrier and link. Messages travel in the envelope {"__meta": {"send_ts": seconds}, "data": data}. What comes
    without one, or in what only looks like one, is handed over as it is, and counted. What a subclass sends and
    receives through `socket` itself, commands, say, or responses in a form of its own, is counted, too, where that is
    one that the service has made.

    The names zmq, llm_logger and main_process_metrics of the module of a class (zmq_server, zmq_client) are looked up
    at each use: what a program or a test puts in their place is used. An object that is no MetricsManager and takes the
    place of main_process_metrics is told of each call, by its record_zmq_stats(stats, address).

    A service belongs to one thread at a time, and is not carried over a fork.
    """

    #: The module whose names are used.
    _module: ClassVar[Any] = sys.modules[__name__]
    #: What the log says of closing it.
    _side: ClassVar[str] = "service"

    # On the class too: a subclass may assign its own before it comes to __init__, or not come there at all.
    socket: Any = None
    context: Any = None
    address: Optional[str] = None
    running = True
    _closed = False
    _recording = Recording()
    _carrier = "envelope"
    _pickle = False
    _given_context: Any = None
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
        inproc: whoever can write to the socket then runs code in this process. An object that stands for a socket may
        pickle unless the address names such a transport. link is the label `address` where the
        two ends have different names for one link; prefix and registry are those of fdmetrics.zmq.Socket.
        """
        self.socket = socket
        self.context = self._given_context = context
        self.running = True
        self._carrier = carrier
        self._pickle = pickle
        self._recording = Recording(link, prefix, registry)
        self._channel_now = None

    @abc.abstractmethod
    def _create_socket(self) -> Any:
        """Makes the socket, bound or connected."""

    def _ensure_socket(self) -> None:
        """Makes the socket where there is none; a closed service stays closed."""
        if self.socket is None and not self._closed:
            self.socket = self._own_socket = self._create_socket()

    def _new_socket(self, mode: int) -> Any:
        """A socket of the service's context; it records, unless a program's own Context made it."""
        if self.context is None:
            context = self._module.zmq.Context
            self.context = instrumented.Context() if context is _PLAIN_CONTEXT else context()
        socket = self.context.socket(mode)
        if isinstance(socket, instrumented.Socket):
            socket.carrier = self._carrier
            self._recording.of(self._metrics()).apply(socket)
        return socket

    def _metrics(self) -> Any:
        """What a program has put in the place of main_process_metrics; None: nothing."""
        return vars(self._module).get("main_process_metrics")

    def _channel(self) -> Channel:
        """What sends and receives through the socket that there is now. Errors: ServiceClosedError."""
        channel = self._channel_now
        if channel is not None and self._is_current(channel, self.socket, self.address):
            return channel
        self._ensure_socket()
        if self.socket is None:
            raise ServiceClosedError(f"{self!r} has no socket: it was closed; make another {type(self).__name__}.")
        channel = self._channel_now = zmq_channel.opened(self.socket, self.address, self._recording, self._metrics())
        return channel

    def _is_current(self, channel: Channel, socket: Any, address: Optional[str]) -> bool:
        return channel.socket is socket and channel.address == address and channel.metrics is self._metrics()

    def _allow_pickle(self) -> None:
        if self._pickle:
            return
        address = self.address
        if isinstance(self.socket, zmq.Socket):
            # A given one may be bound or connected to anything.
            if self.socket is not self._own_socket:
                address = last_endpoint(self.socket) or address
        elif self.socket is not None and (address is None or "://" not in address):
            # What stands for a socket, and says nothing of a transport.
            return
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
            return receive(0 if block else self._module.zmq.NOBLOCK)
        except self._module.zmq.Again:
            return NOTHING

    def _received_once(self, receive: Callable[[bool], Any], block: bool) -> Tuple[Optional[str], Any]:
        try:
            self._ensure_socket()
            # `is True`: an object with send and recv alone need not have the attribute, a test's stand-in has anything.
            if self._closed or self.socket is None or getattr(self.socket, "closed", False) is True:
                return CLOSED, None
            data = receive(block)
        except Exception as error:
            self._module.llm_logger.warning("fdmetrics: %r is closed, because receiving failed: %s", self, error)
            self.close()
            return str(error) or type(error).__name__, None
        return None, None if data is NOTHING else data

    def close(self) -> None:
        """Closes socket and context at once: what was not sent yet is dropped. Raises nothing; later calls do nothing.

        A given socket is closed too, a given context is left to its owner.
        """
        if self._closed:
            return
        self._closed = True
        self.running = False
        try:
            self._close_sockets()
            self._end_context()
        except Exception as error:
            self._module.llm_logger.warning("ZMQ %s failed to close connection - %s", self._side, error)

    def _end_context(self) -> None:
        context = self.context
        if context is None or context is self._given_context:
            return
        # `is not True`, as everywhere: what stands for one may have anything there.
        if getattr(context, "closed", False) is not True:
            context.term()

    def _close_sockets(self) -> None:
        self._close_socket(self.socket)

    def _close_socket(self, socket: Any) -> None:
        if socket is None or getattr(socket, "closed", False) is True:
            return
        if hasattr(socket, "setsockopt"):
            socket.setsockopt(self._module.zmq.LINGER, 0)
        if hasattr(socket, "close"):
            socket.close()

    def __enter__(self: _Service) -> _Service:
        return self

    def __exit__(self, _kind: Optional[Type[BaseException]], *_rest: object) -> None:
        self.close()

    def __repr__(self) -> str:
        with contextlib.suppress(AttributeError):
            return f"<{type(self).__name__} {self.address}{'' if self.running else ', closed'}>"
        return f"<{type(self).__name__}>"
