# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the connections of a socket, from what libzmq's monitor says of it."""

from __future__ import annotations

import itertools
import struct
import threading
from collections import defaultdict
from typing import Any, Callable, DefaultDict, List, Optional, Set

import zmq

from .. import _constants as c
from .. import _link
from ..errors import FDMetricsError
from ._state import SocketState, state_of

_REFUSED = (
    int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
    | int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
    | int(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
)
_WATCHED = (
    int(zmq.EVENT_CONNECTED)
    | int(zmq.EVENT_ACCEPTED)
    | int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    | int(zmq.EVENT_DISCONNECTED)
    | int(zmq.EVENT_CONNECT_RETRIED)
    | int(zmq.EVENT_MONITOR_STOPPED)
    | _REFUSED
)
_EVENT = struct.Struct("=Hi")

#: How long events wait for the return of the bind or connect that they belong to, in seconds.
_ATTACH_SECONDS = 10.0

_numbers = itertools.count(1)


class Connections:
    """What the events of one socket's monitor add up to. An accepted connection counts at once, one of our own when
    the peer has shown to be one; whatever was counted is counted as lost once."""

    def __init__(self, report: Callable[[int], None]) -> None:
        self._report = report
        self._connecting: DefaultDict[bytes, List[int]] = defaultdict(list)
        self._live: Set[int] = set()

    def take(self, event: int, descriptor: int, endpoint: bytes) -> None:
        """An event with its value, a file descriptor for most."""
        if event == zmq.EVENT_CONNECTED:
            self._connecting[endpoint].append(descriptor)
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            # Its value is no descriptor. On the side that accepted, there is nothing to be found here.
            if self._connecting[endpoint]:
                self._live.add(self._connecting[endpoint].pop(0))
                self._report(c.FDM_ZMQ_CONNECTED)
        elif event == zmq.EVENT_ACCEPTED:
            self._live.add(descriptor)
            self._report(c.FDM_ZMQ_ACCEPTED)
        elif event == zmq.EVENT_DISCONNECTED:
            if descriptor in self._live:
                self._live.remove(descriptor)
                self._report(c.FDM_ZMQ_DISCONNECTED)
            elif descriptor in self._connecting[endpoint]:
                self._connecting[endpoint].remove(descriptor)
        elif event == zmq.EVENT_CONNECT_RETRIED:
            self._report(c.FDM_ZMQ_CONNECT_RETRIED)
        elif event & _REFUSED:
            self._report(c.FDM_ZMQ_HANDSHAKE_FAILED)

    def end(self) -> None:
        """The socket was closed, and its connections with it."""
        for _ in range(len(self._live)):
            self._report(c.FDM_ZMQ_DISCONNECTED)
        self._live.clear()


class ConnectionWatcher(threading.Thread):
    """Reads a socket's monitor until the socket is closed, or its context ends."""

    def __init__(self, socket: zmq.Socket[Any], state: SocketState) -> None:
        super().__init__(name="fdmetrics-zmq-monitor", daemon=True)
        # Not the socket's own recorder, which belongs to the socket's thread.
        self._link: Optional[_link.LinkRecorder] = None
        self._attached = threading.Event()
        self.follow(state)
        address = f"inproc://fdmetrics.monitor-{next(_numbers)}"
        socket.monitor(address, _WATCHED)
        # Of the backend, and of a shadow of the context: neither records, and neither is closed with the context.
        context: Any = zmq.Context.shadow(socket.context.underlying)
        self._monitor: Any = zmq.backend.Socket(context, zmq.PAIR)
        self._monitor.connect(address)

    def follow(self, state: SocketState) -> None:
        """Records for the link that the socket now has. Called by the socket's thread."""
        address = state.address
        if address is None:
            return
        link = _link.LinkRecorder()
        link.choose(registry=state.settings.registry, prefix=state.settings.prefix, name=address)
        calls = link.calls()
        if calls is not None:
            try:
                calls.watch()
            except FDMetricsError as error:
                state.settings.registry._refuse(error, f"the connections of {address}")
        self._link = link
        self._attached.set()

    def run(self) -> None:
        """The thread's body."""
        connections = Connections(self._report)
        try:
            while True:
                event, descriptor = _EVENT.unpack(self._monitor.recv())
                endpoint = self._monitor.recv()
                if event == zmq.EVENT_MONITOR_STOPPED:
                    break
                connections.take(event, descriptor, endpoint)
        except zmq.ZMQError:
            pass  # The context ends.
        finally:
            connections.end()
            self._monitor.close(linger=0)

    def _report(self, event: int) -> None:
        self._attached.wait(_ATTACH_SECONDS)
        link = self._link
        calls = None if link is None else link.calls()
        if calls is not None:
            calls.connection_event(event)


def watch(socket: Any) -> None:
    """See Settings.watch_connections."""
    state = state_of(socket)
    if state.watcher is None or not state.watcher.is_alive():
        state.watcher = ConnectionWatcher(socket, state)
        state.watcher.start()
