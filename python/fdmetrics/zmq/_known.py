# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Which state a socket has: one for all Python objects that stand for the same socket of libzmq."""

from __future__ import annotations

import weakref
from typing import Any, Callable, Iterator, List, Optional

import zmq

from ._state import SocketState

#: The states of libzmq's sockets by their addresses, until they are closed: libzmq gives an address again.
by_address: weakref.WeakValueDictionary[int, SocketState] = weakref.WeakValueDictionary()

#: Called when a socket gets its state, with both and whether the state is new; see instrument.
on_state: List[Callable[[SocketState, Any, bool], None]] = []


def state_of(socket: Any) -> SocketState:
    """The state of a socket, made at the first call. A shadow has that of the socket that it shadows.

    Where nothing is instrumented any more, and another library has kept a method of ours, it is one for this call alone
    that changes nothing.
    """
    state: Optional[SocketState] = socket._recorder
    if state is None:
        state = _inherited(socket)
        new = state is None
        if state is None:
            state = SocketState(socket)
            if not _records(socket):
                state.internal = True
                state._settle()
                return state
            by_address[socket.underlying] = state
        # Not through __setattr__, which takes a name that no class has for a socket option.
        socket.__dict__["_recorder"] = state
        try:
            for prepare in on_state:
                prepare(state, socket, new)
        except zmq.ZMQError:
            raise
        except BaseException:
            # Interrupted by a signal's handler: the next call begins anew.
            socket.__dict__.pop("_recorder", None)
            if new:
                by_address.pop(socket.underlying, None)
            raise
    return state


def _records(socket: Any) -> bool:
    """Whether a socket records: one of fdmetrics.zmq, or any while pyzmq is instrumented."""
    return bool(on_state) or hasattr(type(socket), "_configure")


def close(socket: Any, linger: Optional[int], close_socket: Callable[..., None]) -> None:
    """Closes a socket, which is then no longer known by its address."""
    address = socket.underlying
    state = by_address.pop(address, None)
    try:
        close_socket(socket, linger)
    except BaseException:
        if state is not None and not socket.closed:
            by_address[address] = state
        raise


def shadowed(socket: Any) -> Iterator[Any]:
    """The other Python objects that a socket knows to stand for the same socket of libzmq."""
    members = socket.__dict__
    # An asyncio socket sends and receives through _shadow_sock.
    for other in (members.get("_shadow_sock"), members.get("_shadow_obj")):
        if isinstance(other, zmq.Socket):
            yield other


def _inherited(socket: Any) -> Optional[SocketState]:
    for other in shadowed(socket):
        if hasattr(type(other), "_recorder") and _records(other):
            return state_of(other)
    if not _records(socket) or (hasattr(type(socket), "_configure") and not socket._shadow):
        return None  # One of ours has its state from the beginning.
    # pyzmq's copies of a socket know its address only.
    state = by_address.get(socket.underlying)
    owner = None if state is None else state._owner()
    return None if owner is not None and owner.closed else state
