# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Servers: the ends that bind, and the responses that a ROUTER sends to those who asked."""

from __future__ import annotations

import collections
import contextlib
import os
import threading
import time
from multiprocessing.reduction import ForkingPickler
from typing import Any, Callable, DefaultDict, Dict, List, Optional, Protocol, Sequence

import zmq

from .zmq_channel import Channel
from .zmq_service import ServiceClosedError, ZmqServiceBase, logger

#: Where the sockets of ipc services are, unless another directory is given.
IPC_DIRECTORY = "/dev/shm"

#: Seconds between two looks for a client that asks for its responses.
POLL_SECONDS = 0.001


def ipc_path(directory: str, name: str, router: bool) -> str:
    """The path of an ipc service's socket."""
    return os.path.join(directory, f"router_{name}.ipc" if router else f"{name}.socket")


def send_high_water_mark() -> int:
    """FD_ZMQ_SNDHWM: how many messages wait for one peer before a send blocks; 0, the default: without limit.

    Errors: ValueError where it is no number.
    """
    text = os.environ.get("FD_ZMQ_SNDHWM", "0")
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"FD_ZMQ_SNDHWM is {text!r}: a whole number of messages is expected, 0 for no limit") from None


class Response(Protocol):
    """One part of the answer to a request."""

    finished: bool

    def to_dict(self) -> Dict[str, Any]:
        """What is sent of it."""


Pack = Callable[[Sequence[Any]], Any]


def pickled(responses: Sequence[Response]) -> Any:
    """What goes over the wire for some responses, unless the server is given another way."""
    return ForkingPickler.dumps([response.to_dict() for response in responses])


class ZmqServerBase(ZmqServiceBase):
    """A service whose socket is bound; see ZmqServiceBase.

    As a ROUTER it answers requests: a client asks for the responses to a request by sending [b"", request id], which
    recv_result_handle takes, and gets [b"", responses] for every send_response of that request, those before it asked
    included. These two and send_response may be called from different threads.
    """

    _pack: Pack = staticmethod(pickled)

    def __init__(self, *, pack: Optional[Pack] = None, **keywords: Any) -> None:
        """Nothing is bound yet. pack makes one frame of a list of responses; without it they are pickled, which has to
        be asked for on tcp. The other keywords are those of ZmqServiceBase.
        """
        super().__init__(**keywords)
        if pack is not None:
            self._pack = pack
        self._packs_itself = pack is None
        #: The identity of the client that asked for a request's responses.
        self.req_dict: Dict[str, bytes] = {}
        #: The responses that nobody has asked for yet.
        self.cached_results: DefaultDict[str, List[Sequence[Any]]] = collections.defaultdict(list)
        #: Guards these two.
        self.mutex = threading.Lock()
        #: Guards the ROUTER socket.
        self.response_token_lock = threading.Lock()

    def _response_channel(self) -> Channel:
        try:
            channel = self._channel()
        except ServiceClosedError as error:
            raise RuntimeError(f"Router socket not created. {error}") from error
        if self._packs_itself:
            self._allow_pickle()
        return channel

    def send_response(self, req_id: str, data: Sequence[Any]) -> None:
        """Sends responses to the client that asked for those of this request, or keeps them until one asks.

        What cannot be sent is counted as one failed message and logged, not raised. After a response that is
        `finished` the request is forgotten. Errors: RuntimeError without a socket, PickleRefusedError.
        """
        self._send_response_per_query(req_id, data)

    def _send_response_per_query(self, req_id: str, data: Sequence[Any]) -> None:
        channel = self._response_channel()
        responses: List[Any] = []
        with self.mutex:
            client = self.req_dict.get(req_id)
            if client is None:
                self.cached_results[req_id].append(data)
            else:
                for kept in self.cached_results.pop(req_id, ()):
                    responses.extend(kept)
        if client is None:
            return
        responses.extend(data)
        self._send_packed(channel, client, responses)
        if responses and responses[-1].finished:
            with self.mutex:
                self.req_dict.pop(req_id, None)

    def _send_packed(self, channel: Channel, client: bytes, responses: Sequence[Any]) -> None:
        try:
            try:
                packed = self._pack(responses)
            except Exception:
                channel.send_failed()
                raise
            with self.response_token_lock:
                channel.send_multipart([client, b"", packed])
        except Exception as error:
            logger.error("fdmetrics: %r could not send a response: %s", self, error)

    def recv_result_handle(self) -> None:
        """Takes clients that ask for responses, until the service is closed. Meant for a thread of its own."""
        while self.running:
            try:
                if not self.receive_result_handle_once():
                    time.sleep(POLL_SECONDS)
            except (zmq.ZMQError, RuntimeError) as error:
                # Ordinary when the service is closed meanwhile.
                if self.running:
                    logger.error("fdmetrics: %r takes no more requests for responses: %s", self, error)
                return

    def receive_result_handle_once(self) -> bool:
        """Takes one client that asks for responses and sends it what is kept for it; False where none is there.

        A message of another shape is counted, logged and dropped. Errors: the socket's, and those of send_response.
        """
        channel = self._response_channel()
        try:
            with self.response_token_lock:
                frames = channel.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        try:
            client, _, request = frames
            req_id = request.decode("utf-8")
        except ValueError as error:
            logger.error("fdmetrics: %r was asked for responses by no request id: %s", self, error)
            return True
        with self.mutex:
            self.req_dict[req_id] = client
            kept = self.cached_results.get(req_id)
            finished = bool(kept and kept[-1] and kept[-1][-1].finished)
        if finished:
            # Nothing more comes for this request that would send what is kept.
            self._send_response_per_query(req_id, [])
        return True


class ZmqIpcServer(ZmqServerBase):
    """Binds a PULL or ROUTER socket to a path of this host, and removes it when it is closed."""

    def __init__(self, name: str, mode: int, *, directory: str = IPC_DIRECTORY, **keywords: Any) -> None:
        """Binds ipc://<directory>/<name>.socket, or router_<name>.ipc there in mode zmq.ROUTER. The keywords are those
        of ZmqServerBase.

        Errors: zmq.ZMQError where it cannot be bound; ValueError for FD_ZMQ_SNDHWM.
        """
        super().__init__(**keywords)
        self.name = name
        self.mode = mode
        self.file_name = ipc_path(directory, name, router=mode == zmq.ROUTER)
        self.address = f"ipc://{self.file_name}"
        self.ZMQ_SNDHWM = send_high_water_mark()
        self._bound_file: Optional[os.stat_result] = None
        self._ensure_socket()

    def _create_socket(self) -> Any:
        socket = _bound(self, self.address or "", self.ZMQ_SNDHWM, self.mode)
        with contextlib.suppress(OSError):
            self._bound_file = os.stat(self.file_name)
        return socket

    def close(self) -> None:
        """As ZmqServiceBase.close; the socket's file is removed, unless another server has put its own there since."""
        if not self.running:
            return
        super().close()
        self._clear_ipc(self.file_name)

    def _clear_ipc(self, name: str) -> None:
        bound = self._bound_file
        try:
            there = os.stat(name)
            if bound is not None and os.path.samestat(there, bound):
                os.remove(name)
        except FileNotFoundError:
            pass  # libzmq has removed it.
        except OSError as error:
            logger.warning("fdmetrics: %r could not remove %s: %s", self, name, error)


class ZmqTcpServer(ZmqServerBase):
    """Binds a socket to a port of every interface of this host."""

    def __init__(self, port: int, mode: int, **keywords: Any) -> None:
        """Binds tcp://*:<port>; port 0 is one that is free, which `port` then has. The keywords are those of
        ZmqServerBase; without pickle=True there is no pickle: other hosts can write here.

        Errors: zmq.ZMQError where it cannot be bound; ValueError for FD_ZMQ_SNDHWM.
        """
        super().__init__(**keywords)
        self.mode = mode
        self.port = port
        self.address = f"tcp://*:{port}"
        self.ZMQ_SNDHWM = send_high_water_mark()
        self._ensure_socket()

    def _create_socket(self) -> Any:
        socket = _bound(self, self.address or "", self.ZMQ_SNDHWM, self.mode)
        if self.port == 0:
            endpoint: bytes = socket.getsockopt(zmq.LAST_ENDPOINT)
            self.port = int(endpoint.rstrip(b"\0").rsplit(b":", 1)[1])
            self.address = f"tcp://*:{self.port}"
        return socket


def _bound(server: ZmqServerBase, address: str, high_water_mark: int, mode: int) -> Any:
    """A socket of a server that is bound; where it cannot be, nothing stays open."""
    socket = server._new_socket(mode)
    try:
        socket.setsockopt(zmq.SNDHWM, high_water_mark)
        socket.setsockopt(zmq.SNDTIMEO, -1)
        socket.bind(address)
    except BaseException:
        server.socket = socket
        ZmqServiceBase.close(server)
        raise
    return socket
