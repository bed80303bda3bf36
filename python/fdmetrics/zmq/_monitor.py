# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the connections of a socket, from what libzmq's monitor says of it."""

from __future__ import annotations

import itertools
import struct
import threading
import weakref
from collections import defaultdict
from typing import Any, Callable, DefaultDict, Dict, Optional, Set, Tuple

import zmq

from .. import _constants as c
from .. import _link, _log
from ..errors import REFUSALS
from ..registry import Registry
from ._known import shadowed, state_of
from ._libzmq import as_text
from ._state import SocketState, note_monitor

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

# Of the backend: what a program calls is in _settings.
_monitor: Callable[..., Any] = zmq.backend.Socket.monitor

#: The registries whose log has said that connections of a socket are not counted.
_told: weakref.WeakSet[Registry] = weakref.WeakSet()

#: Counts an event of a connection; see FDM_ZMQ_CONNECTED and its like in fdmetrics.h.
Report = Callable[[int], None]


class Connections:
    """What the events of one socket's monitor add up to. An accepted connection counts at once, one of our own when the
    peer has shown to be one; whatever was counted is counted as lost once, for the link that it was counted for.

    Belongs to the monitor's thread, but for give_up.
    """

    def __init__(self, current: Callable[[], Report], has_handshakes: bool = True) -> None:
        """current is asked at each event for what counts it."""
        self._current = current
        #: Whether peers shake hands; not over raw TCP.
        self.has_handshakes = has_handshakes
        self._lock = threading.Lock()
        #: Connections that are counted, and those whose handshake is not done, by their file descriptors.
        self._live: Dict[int, Tuple[bytes, Report]] = {}
        self._reached: Dict[int, bytes] = {}
        #: Handshakes whose connection was not told of yet: the two are told by different threads where there are some.
        self._early: DefaultDict[bytes, int] = defaultdict(int)
        #: Where connections are accepted, whose handshakes say nothing new.
        self._accepting: Set[bytes] = set()

    def take(self, event: int, descriptor: int, endpoint: bytes) -> None:
        """An event with its value, a file descriptor for most."""
        report = self._current()
        with self._lock:
            if event == zmq.EVENT_CONNECTED:
                # A descriptor that is in use again is that of a connection whose end was not told of.
                self._end(descriptor)
                if self._early[endpoint]:
                    self._early[endpoint] -= 1
                elif self.has_handshakes:
                    self._reached[descriptor] = endpoint
                    return
                self._begin(descriptor, endpoint, c.FDM_ZMQ_CONNECTED, report)
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                # Its value is no descriptor: any connection to its endpoint will do, they are only counted.
                reached = next((number for number, known in self._reached.items() if known == endpoint), None)
                if reached is not None:
                    self._begin(reached, endpoint, c.FDM_ZMQ_CONNECTED, report)
                elif endpoint not in self._accepting:
                    self._early[endpoint] += 1
            elif event == zmq.EVENT_ACCEPTED:
                self._accepting.add(endpoint)
                self._early.pop(endpoint, None)
                self._end(descriptor)
                self._begin(descriptor, endpoint, c.FDM_ZMQ_ACCEPTED, report)
            elif event == zmq.EVENT_DISCONNECTED:
                self._end(descriptor)
            elif event == zmq.EVENT_CONNECT_RETRIED:
                report(c.FDM_ZMQ_CONNECT_RETRIED)
            elif event & _REFUSED:
                report(c.FDM_ZMQ_HANDSHAKE_FAILED)

    def _begin(self, descriptor: int, endpoint: bytes, event: int, report: Report) -> None:
        self._reached.pop(descriptor, None)
        self._live[descriptor] = endpoint, report
        report(event)

    def _end(self, descriptor: int) -> None:
        self._reached.pop(descriptor, None)
        counted = self._live.pop(descriptor, None)
        if counted is not None:
            counted[1](c.FDM_ZMQ_DISCONNECTED)

    def give_up(self, endpoint: bytes) -> None:
        """The socket was unbound or disconnected, of which libzmq tells nothing. Called by the socket's thread."""
        with self._lock:
            self._accepting.discard(endpoint)
            self._early.pop(endpoint, None)
            ended = [number for number, known in self._reached.items() if known == endpoint]
            ended += [number for number, (known, _) in self._live.items() if known == endpoint]
            for descriptor in ended:
                self._end(descriptor)

    def end(self) -> None:
        """The socket was closed, and its connections with it."""
        with self._lock:
            for descriptor in list(self._live):
                self._end(descriptor)


class ConnectionWatcher(threading.Thread):
    """Reads a socket's monitor until the socket is closed, or its context ends."""

    def __init__(self, socket: zmq.Socket[Any], state: SocketState) -> None:
        super().__init__(name="fdmetrics-zmq-monitor", daemon=True)
        # Not the socket's own recorder, which belongs to the socket's thread.
        self._link: Optional[_link.LinkRecorder] = None
        self._attached = threading.Event()
        self._connections = Connections(self._current)
        self.follow(state)
        address = f"inproc://fdmetrics.monitor-{next(_numbers)}"
        _monitor(socket, address, _WATCHED)
        # Of the backend, and of a shadow of the context: neither records, and neither is closed with the context.
        context: Any = zmq.Context.shadow(socket.context.underlying)
        self._monitor: Any = zmq.backend.Socket(context, zmq.PAIR)
        # Without a limit: libzmq's I/O threads would wait for this one at one.
        self._monitor.set(zmq.RCVHWM, 0)
        self._monitor.connect(address)

    def follow(self, state: SocketState) -> None:
        """Records for the link that the socket now has. Called by the socket's thread."""
        self._connections.has_handshakes = state.kind != zmq.STREAM
        address = state.address
        if address is None or state.internal:
            return
        link = _link.LinkRecorder()
        link.choose(registry=state.settings.registry, prefix=state.settings.prefix, name=address)
        calls = link.calls()
        if calls is not None:
            try:
                calls.watch()
            except REFUSALS as error:
                state.settings.registry._refuse(error, f"the connections of {address}")
        self._link = link
        self._attached.set()

    def run(self) -> None:
        """The thread's body."""
        connections = self._connections
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

    def gave_up(self, endpoint: str) -> None:
        """The socket gave up an endpoint. Called by the socket's thread."""
        self._connections.give_up(endpoint.encode("utf-8", "surrogateescape"))

    def _current(self) -> Report:
        self._attached.wait(_ATTACH_SECONDS)
        link = self._link

        def report(event: int) -> None:
            calls = None if link is None else link.calls()
            if calls is not None:
                calls.connection_event(event)

        return report


def watch(socket: Any) -> None:
    """See Settings.watch_connections."""
    state = state_of(socket)
    if _has_monitor_of_program(socket, state):
        _tell(state)
    elif state.watcher is None or not state.watcher.is_alive():
        state.watcher = ConnectionWatcher(socket, state)
        state.watcher.start()


def monitor_for_program(socket: Any, address: Any, events: int) -> Any:
    """The program's own call of Socket.monitor: its monitor takes the place of ours."""
    # Before libzmq knows of the program's monitor: a new state may begin to watch, and a monitor that nobody reads yet
    # would block when it is replaced.
    if socket.closed:
        return _monitor(socket, address, events)
    state = state_of(socket)
    watcher = state.watcher
    if address is None and watcher is not None and watcher.is_alive():
        return None  # The program has no monitor to be ended.
    result = _monitor(socket, address, events)
    note_monitor(state, address)
    if watcher is not None and address is not None:
        # libzmq has told its thread to end.
        state.watcher = None
        _tell(state)
    return result


def _has_monitor_of_program(socket: Any, state: SocketState) -> bool:
    if state.monitor_endpoint is not None:
        return True
    # From before the socket was instrumented. libzmq does not tell whether a socket has a monitor; pyzmq keeps what
    # get_monitor_socket() has made.
    return any(getattr(known, "_monitor_socket", None) is not None for known in (socket, *shadowed(socket)))


def _tell(state: SocketState) -> None:
    registry = state.settings.registry
    if registry not in _told:
        _told.add(registry)
        _log.warn(
            "fdmetrics: a %s socket has a monitor of the program's own, and libzmq has one monitor a socket: its "
            "connections are not counted. Nothing more is said of other sockets like it.",
            zmq.SocketType(state.kind).name,
        )


def gave_up(state: SocketState, endpoint: Any) -> None:
    """The socket was unbound or disconnected from an endpoint."""
    given = as_text(endpoint)
    state.give_up(given)
    if state.watcher is not None:
        state.watcher.gave_up(given)
