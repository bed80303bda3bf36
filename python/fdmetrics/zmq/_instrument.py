# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the sockets of an existing program record, and takes it back."""

from __future__ import annotations

import threading
import types
import weakref
from typing import Any, Dict, List, Mapping, Optional, Tuple

import zmq
import zmq._future
import zmq.sugar.poll

from .._link import DEFAULT_PREFIX
from ..registry import REGISTRY, registry_of
from . import _known
from ._async_recording import AsyncRecording
from ._monitor import watch
from ._receiving import Receiving, polled
from ._sending import Sending
from ._serialized import SerializedSends
from ._settings import Settings
from ._state import SocketState, checked_carrier, checked_text

_MISSING: Any = object()

# What sockets have beside pyzmq's: not put into pyzmq's classes.
_OURS = frozenset({"_configure", "watch_connections"})

_lock = threading.Lock()
_active: List[Instrumentation] = []


def instrument(
    prefix: str = DEFAULT_PREFIX,
    carrier: str = "none",
    registry: object = REGISTRY,
    links: Optional[Mapping[str, str]] = None,
    monitor: bool = False,
) -> Instrumentation:
    """Makes all sockets of pyzmq in this process record, until undo() of what this returns or the end of a with block.

    The methods of pyzmq's classes are replaced, not their names. So sockets record that were made before, or in other
    modules, or through `from zmq import Context`, or by subclasses that end in pyzmq's methods; those of zmq.asyncio
    too. Their classes stay the same. What goes round those methods does not record: zmq.proxy and zmq.devices.

    A wrapper that somebody puts round those methods from then on is called; one from before is passed by.

    libzmq's and pyzmq's own sockets (authentication, monitors, the collector of buffers) are left alone. Where the
    program itself records its messages into the families of the prefix, as FastDeploy does, its sockets do not: see
    docs/zmq.md.

    prefix, carrier and registry are those of each socket; see Socket. links gives endpoints the names of their links,
    as the program gives them to bind or connect, or as libzmq resolves them: {"tcp://*:5555": "engine"}. monitor
    watches the connections of every socket that is bound or connected from now on and has no monitor of the program's
    own; see Socket.watch_connections. Sockets of fdmetrics.zmq keep their own settings.

    Call instrument and undo while no thread is within a message of several frames.
    Errors: InvalidArgumentError (no such carrier); TypeError for a prefix or a link's name that is no text;
    RuntimeError where pyzmq is instrumented already.
    """
    checked_text("prefix", prefix)
    for endpoint, name in (links or {}).items():
        checked_text(f"The link of {endpoint}", name)
    instrumentation = Instrumentation(prefix, checked_carrier(carrier), registry, links or {}, monitor)
    with _lock:
        if _active:
            raise RuntimeError("pyzmq is instrumented already: call undo() of the first instrument() before the next")
        instrumentation._begin()
        _active.append(instrumentation)
    return instrumentation


class Instrumentation:
    """What instrument() did. As a context manager, it takes it back at the end of the block."""

    def __init__(self, prefix: str, carrier: str, registry: object, links: Mapping[str, str], monitor: bool) -> None:
        """See instrument."""
        self._prefix = prefix
        self._carrier = carrier
        self._registry = registry_of(registry)
        self._links = dict(links)
        self._monitor = monitor
        self._replaced: List[Tuple[Any, str, Any, Any]] = []
        self._sockets: weakref.WeakSet[Any] = weakref.WeakSet()

    def undo(self) -> None:
        """Gives pyzmq its methods back. Sockets go on as plain ones. A second call does nothing.

        What somebody else has put in the place of a method since instrument() stays there; ours, if it calls that, then
        does what pyzmq's does.
        """
        with _lock:
            if self not in _active:
                return
            _active.remove(self)
            _known.on_state.remove(self._prepare)
            kept = False
            for owner, name, method, former in reversed(self._replaced):
                if vars(owner).get(name, _MISSING) is not method:
                    kept = True
                elif former is not _MISSING:
                    setattr(owner, name, former)
                elif name != "_recorder" or not kept:
                    # Methods that others keep ask for it.
                    delattr(owner, name)
            self._replaced.clear()
            for socket in list(self._sockets):
                socket.__dict__.pop("_recorder", None)

    def __enter__(self) -> Instrumentation:
        return self

    def __exit__(self, *_error: object) -> None:
        self.undo()

    def _begin(self) -> None:
        _known.on_state.append(self._prepare)
        blocking = _methods(Settings, SerializedSends, Receiving, Sending)
        self._replace(zmq.Socket, {"_recorder": None, **blocking})
        self._replace(zmq._future._AsyncSocket, _methods(SerializedSends, AsyncRecording))
        # Of zmq.Poller, zmq.select and their like in zmq.green and zmq.asyncio.
        self._replace(zmq.sugar.poll, {"zmq_poll": polled})

    def _replace(self, owner: Any, methods: Dict[str, Any]) -> None:
        for name, method in methods.items():
            self._replaced.append((owner, name, method, vars(owner).get(name, _MISSING)))
            setattr(owner, name, method)

    def _prepare(self, state: SocketState, socket: Any, new: bool) -> None:
        if isinstance(socket, Settings):
            return
        self._sockets.add(socket)
        if new:
            state.names = self._links
            state.choose(prefix=self._prefix, registry=self._registry, gives_way=True)
            state.carrier = self._carrier
            if type(socket).__module__.startswith("zmq.green"):
                # It tries each send without waiting first: a full queue is no failure.
                state.quiet = 1
        # An asyncio socket's _shadow_sock has no context.
        if self._monitor and state.watcher is None and socket.context is not None:
            watch(socket)


def _methods(*owners: type) -> Dict[str, Any]:
    """What classes define, the later ones before the earlier ones."""
    return {
        name: member
        for owner in owners
        for name, member in vars(owner).items()
        if isinstance(member, types.FunctionType) and name not in _OURS
    }
