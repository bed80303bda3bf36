# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Servers: the ends that bind. What they answer requests with is in zmq_responses."""

from __future__ import annotations

import contextlib
import os
import sys
from multiprocessing.reduction import ForkingPickler
from typing import Any, Dict, Optional

import zmq

from . import envs, zmq_channel, zmq_packing
from .zmq_channel import Channel
from .zmq_packing import Response, _msgpack_default, pickled
from .zmq_responses import Responding
from .zmq_service import ServiceClosedError, ZmqServiceBase, late, llm_logger

__all__ = [
    "IPC_DIRECTORY",
    "ForkingPickler",
    "Response",
    "ZmqIpcServer",
    "ZmqServerBase",
    "ZmqTcpServer",
    "_msgpack_default",
    "llm_logger",
    "pickled",
]

#: Where the sockets of ipc services are, unless another directory is given.
IPC_DIRECTORY = "/dev/shm"


def __getattr__(name: str) -> object:
    return late(__name__, name)


def ipc_path(directory: str, name: str, router: bool) -> str:
    """The path of an ipc service's socket."""
    return os.path.join(directory, f"router_{name}.ipc" if router else f"{name}.socket")


class ZmqServerBase(Responding):
    """A service whose socket is bound; see ZmqServiceBase and Responding."""

    _module = sys.modules[__name__]
    _side = "server"


class ZmqIpcServer(ZmqServerBase):
    """Binds a PULL, ROUTER or PUSH socket to a path of this host, and removes it when it is closed."""

    _bound_file: Optional[os.stat_result] = None

    def __init__(self, name: str, mode: int, *, directory: str = IPC_DIRECTORY, **keywords: Any) -> None:
        """Binds ipc://<directory>/<name>.socket in mode zmq.PULL, router_<name>.ipc there in mode ROUTER, and
        response_<name>.push in mode PUSH. The keywords are those of ZmqServerBase.

        Errors: zmq.ZMQError where it cannot be bound; ValueError for another mode, and for FD_ZMQ_SNDHWM.
        """
        super().__init__(**keywords)
        self.name = name
        self.mode = mode
        if mode not in (zmq.PULL, zmq.ROUTER, zmq.PUSH):
            raise ValueError(f"mode of {name!r} is {mode!r}: zmq.PULL, zmq.ROUTER or zmq.PUSH is expected")
        self._directory = directory
        if mode == zmq.PUSH:
            self.file_name = os.path.join(directory, f"response_{name}.push")
        else:
            self.file_name = ipc_path(directory, name, router=mode == zmq.ROUTER)
        self.address = f"ipc://{self.file_name}"
        self.ZMQ_SNDHWM = envs.FD_ZMQ_SNDHWM
        #: The sockets of the workers that a batch was sent to, by their process ids.
        self.worker_push_sockets: Dict[int, Any] = {}
        self._worker_channels: Dict[int, Channel] = {}
        self._ensure_socket()

    def _create_socket(self) -> Any:
        socket = _bound(self, self.address or "", self.ZMQ_SNDHWM, self.mode)
        with contextlib.suppress(OSError):
            self._bound_file = os.stat(self.file_name)
        return socket

    def _get_worker_push_socket(self, worker_pid: int) -> Any:
        """The socket that sends to one worker, who binds a PULL to response_<name>_w<worker_pid>.pull beside ours."""
        with self.mutex:
            socket = self.worker_push_sockets.get(worker_pid)
            if socket is None:
                socket = self.worker_push_sockets[worker_pid] = self._new_socket(zmq.PUSH)
                _configure(socket, self.ZMQ_SNDHWM)
                socket.connect(self._worker_address(worker_pid))
        return socket

    def _worker_address(self, worker_pid: int) -> str:
        return f"ipc://{os.path.join(self._directory, f'response_{self.name}_w{worker_pid}.pull')}"

    def _worker_channel(self, worker_pid: int) -> Channel:
        if self._closed:
            raise ServiceClosedError(f"{self!r} has no sockets: it was closed; make another ZmqIpcServer.")
        socket, address = self._get_worker_push_socket(worker_pid), self._worker_address(worker_pid)
        channel = self._worker_channels.get(worker_pid)
        if channel is None or not self._is_current(channel, socket, address):
            channel = zmq_channel.opened(socket, address, self._recording, self._metrics())
            self._worker_channels[worker_pid] = channel
        return channel

    def close(self) -> None:
        """As ZmqServiceBase.close; the socket's file is removed, unless another server has put its own there since."""
        if self._closed:
            return
        super().close()
        self._clear_ipc(self.file_name)

    def _close_sockets(self) -> None:
        for socket in self.worker_push_sockets.values():
            try:
                self._close_socket(socket)
            except Exception as error:
                self._module.llm_logger.warning("ZMQ server failed to close connection - %s", error)
        self.worker_push_sockets.clear()
        super()._close_sockets()

    def _clear_ipc(self, name: str) -> None:
        bound = self._bound_file
        try:
            there = os.stat(name)
            # Not known: what was bound was no socket of libzmq.
            if bound is None or os.path.samestat(there, bound):
                os.remove(name)
        except FileNotFoundError:
            pass  # libzmq has removed it.
        except OSError as error:
            self._module.llm_logger.warning("Failed to remove IPC file %s - %s", name, error)


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
        self.ZMQ_SNDHWM = envs.FD_ZMQ_SNDHWM
        self._ensure_socket()

    def _create_socket(self) -> Any:
        socket = _bound(self, self.address or "", self.ZMQ_SNDHWM, self.mode)
        if self.port == 0:
            endpoint: bytes = socket.getsockopt(zmq.LAST_ENDPOINT)
            self.port = int(endpoint.rstrip(b"\0").rsplit(b":", 1)[1])
            self.address = f"tcp://*:{self.port}"
        return socket

    def recv_control_cmd(self) -> Optional[Dict[str, Any]]:
        """Takes one command, [b"", msgpack of a dictionary with "task_id"]; None where none is there.

        Its sender is kept for response_for_control_cmd. What is no command is counted, logged and dropped. Errors: the
        socket's; ServiceClosedError; ImportError where msgpack is missing.
        """
        channel = self._channel()
        zmq_packing.msgpack()
        try:
            with self.response_token_lock:
                frames = channel.recv_multipart(self._module.zmq.NOBLOCK)
        except self._module.zmq.Again:
            return None
        try:
            client, _, command = frames
            task: Dict[str, Any] = zmq_packing.unpacked(command)
            with self.mutex:
                self.req_dict[task["task_id"]] = client
        except Exception as error:
            channel.receive_failed()
            self._module.llm_logger.error("recv_control_cmd get no command: %s: %s", type(error).__name__, error)
            return None
        return task

    def response_for_control_cmd(self, task_id: Any, result: Any) -> None:
        """Sends the result of a command to who sent it, as msgpack, and forgets the command.

        What cannot be sent is counted as one failed message and logged, not raised. Errors: RuntimeError without a
        socket; ImportError where msgpack is missing.
        """
        try:
            channel = self._channel()
        except ServiceClosedError as error:
            raise RuntimeError("Router socket not created.") from error
        zmq_packing.msgpack()
        with self.mutex:
            client = self.req_dict.pop(task_id, None)
        if client is None:
            channel.send_failed()
            self._module.llm_logger.error("Send result to zmq client failed: no command %r was received", task_id)
            return
        self._send_result(channel, client, lambda: zmq_packing.packed(result))


def _configure(socket: Any, high_water_mark: int) -> None:
    socket.setsockopt(zmq.SNDHWM, high_water_mark)
    socket.setsockopt(zmq.SNDTIMEO, -1)


def _bound(server: ZmqServerBase, address: str, high_water_mark: int, mode: int) -> Any:
    """A socket of a server that is bound; where it cannot be, nothing stays open."""
    socket = server._new_socket(mode)
    try:
        _configure(socket, high_water_mark)
        socket.bind(address)
    except BaseException:
        server.socket = socket
        ZmqServiceBase.close(server)
        raise
    return socket
