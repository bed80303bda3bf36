# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What all instrumented sockets have, beside pyzmq's: their settings, and their link."""

from __future__ import annotations

from typing import Any, Callable, Optional

import zmq

from ..registry import Registry, registry_of
from ._known import state_of
from ._libzmq import ROUTER_RAW, as_text, last_endpoint, like_pyzmq
from ._monitor import gave_up, monitor_for_program, watch
from ._state import SocketState, checked_carrier, checked_text

_set: Callable[..., Any] = zmq.Socket.set
_bind: Callable[..., Any] = zmq.Socket.bind
_connect: Callable[..., Any] = zmq.Socket.connect
_unbind: Callable[..., Any] = zmq.Socket.unbind
_disconnect: Callable[..., Any] = zmq.Socket.disconnect


@like_pyzmq
class Settings:
    """The settings of a socket, and where it takes note of its endpoints."""

    # pyzmq takes an assignment to an attribute that no class has for a socket option.
    _recorder: SocketState = None  # type: ignore[assignment]

    @property
    def link(self) -> Optional[str]:
        """The label `address`: the name that was given, else the endpoint of the first bind or connect; None before."""
        return state_of(self).address

    @link.setter
    def link(self, name: Optional[str]) -> None:
        state_of(self).choose(name=checked_text("link", name))

    @property
    def carrier(self) -> str:
        """How messages say when they were sent: one of CARRIERS. Receiving takes all of them, whatever this is."""
        return state_of(self).carrier

    @carrier.setter
    def carrier(self, carrier: str) -> None:
        state_of(self).carrier = carrier

    @property
    def prefix(self) -> str:
        """What the names of the series begin with."""
        return state_of(self).settings.prefix

    @prefix.setter
    def prefix(self, prefix: str) -> None:
        state_of(self).choose(prefix=checked_text("prefix", prefix))

    @property
    def registry(self) -> Registry:
        """The registry whose store is recorded into; by default the process's."""
        return state_of(self).settings.registry

    @registry.setter
    def registry(self, registry: object) -> None:
        state_of(self).choose(registry=registry_of(registry))

    def watch_connections(self) -> None:
        """Counts connections made, accepted, lost, retried and refused from now on, until the socket is closed.

        Call it before bind and connect, so that none is missed. A thread reads the socket's monitor, of which libzmq
        has one a socket. The program's own comes first: where there is one, this does nothing, and get_monitor_socket()
        and monitor() end what this began; one warning in the log says so. Errors: zmq.ZMQError.
        """
        watch(self)

    def _configure(
        self,
        defaults: Any,
        carrier: Optional[str],
        link: Optional[str],
        prefix: Optional[str],
        registry: Optional[object],
        monitor: Optional[bool],
    ) -> None:
        """Takes what was given, else the defaults of the context if that has some."""
        state = state_of(self)
        chosen: Any = {"name": checked_text("link", link)} if link is not None else {}
        if isinstance(defaults, ContextSettings):
            carrier = defaults._carrier if carrier is None else carrier
            prefix = defaults._prefix if prefix is None else prefix
            registry = defaults._registry if registry is None else registry
            monitor = defaults._monitor if monitor is None else monitor
        if prefix is not None:
            chosen["prefix"] = checked_text("prefix", prefix)
        if registry is not None:
            chosen["registry"] = registry_of(registry)
        if chosen:
            state.choose(**chosen)
        if carrier is not None:
            state.carrier = carrier
        if monitor:
            self.watch_connections()

    # Options ----------------------------------------------------------------------------------------------------------

    def set(self, option: int, optval: Any) -> None:
        """As zmq.Socket.set."""
        _set(self, option, optval)
        if option == ROUTER_RAW and optval:
            state_of(self).become_raw()

    setsockopt = set

    # Endpoints --------------------------------------------------------------------------------------------------------

    def bind(self, addr: Any) -> Any:
        """As zmq.Socket.bind."""
        return _attached(self, addr, _bind)

    def connect(self, addr: Any) -> Any:
        """As zmq.Socket.connect."""
        return _attached(self, addr, _connect)

    def monitor(self, addr: Any, events: int = int(zmq.EVENT_ALL)) -> Any:
        """As zmq.Socket.monitor. What connects to the endpoint receives events of libzmq, which do not count."""
        return monitor_for_program(self, addr, events)

    def unbind(self, addr: Any) -> None:
        """As zmq.Socket.unbind."""
        _unbind(self, addr)
        gave_up(state_of(self), addr)

    def disconnect(self, addr: Any) -> None:
        """As zmq.Socket.disconnect."""
        _disconnect(self, addr)
        gave_up(state_of(self), addr)


def _attached(socket: Any, addr: Any, attach: Callable[..., Any]) -> Any:
    # A socket that is closed has no state; pyzmq says so in its own words. Else the state comes first: it may watch.
    state = None if socket.closed else state_of(socket)
    result = attach(socket, addr)
    if state is not None:
        given = as_text(addr)
        state.attach(last_endpoint(socket) or given, given)
    return result


class ContextSettings:
    """What the sockets of a context begin with; None: as if it was not said."""

    _carrier: Optional[str] = None
    _prefix: Optional[str] = None
    _registry: Optional[Registry] = None
    _monitor: bool = False

    def _begin_with(
        self, carrier: Optional[str], prefix: Optional[str], registry: Optional[object], monitor: bool
    ) -> None:
        if carrier is not None:
            self.carrier = carrier
        self._prefix = prefix
        self._registry = None if registry is None else registry_of(registry)
        self._monitor = monitor

    @property
    def carrier(self) -> str:
        """The carrier of sockets that are made from now on: one of CARRIERS."""
        return self._carrier or "none"

    @carrier.setter
    def carrier(self, carrier: str) -> None:
        self._carrier = checked_carrier(carrier)
