# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What there is to know of libzmq: its numbers, what it tells of a socket, and which endpoints are its own."""

from __future__ import annotations

import ctypes
import functools
import re
import sys
import types
import weakref
from typing import Any, Callable, Optional, TypeVar

import zmq

# Plain ints: pyzmq takes them faster than members of its enumerations.
RCVMORE = int(zmq.RCVMORE)
EVENTS = int(zmq.EVENTS)
DONTWAIT = int(zmq.DONTWAIT)
SNDMORE = int(zmq.SNDMORE)
POLLIN = int(zmq.POLLIN)
PAIR = int(zmq.PAIR)
XPUB = int(zmq.XPUB)
XSUB = int(zmq.XSUB)
ROUTER = int(zmq.ROUTER)
ROUTER_RAW = int(zmq.ROUTER_RAW)
STREAM = int(zmq.STREAM)
REQ = int(zmq.REQ)
REP = int(zmq.REP)

#: Types whose messages have several frames and belong to ZMTP: a trailer can be one of them.
WITH_TRAILER = frozenset(
    int(kind)
    for kind in (
        zmq.PAIR,
        zmq.PUB,
        zmq.SUB,
        zmq.REQ,
        zmq.REP,
        zmq.DEALER,
        zmq.ROUTER,
        zmq.PULL,
        zmq.PUSH,
        zmq.XPUB,
        zmq.XSUB,
    )
)
_WITH_FRAMES = WITH_TRAILER | {STREAM}

#: Sockets whose first frames tell more than the rest: they have no short way to send.
NO_SHORT_SEND = frozenset((XSUB, ROUTER, STREAM))
#: Sockets that receive what libzmq has made.
RECEIVE_MADE = frozenset((XPUB, ROUTER, STREAM))

#: Sockets that send and receive in turn.
TAKES_TURNS = frozenset((REQ, REP))
#: The errors of a send after which no message is half sent. The peer is gone, or the whole context (EAGAIN, ETERM), and
#: with it what was sent of the message. Or none had begun: a ROUTER refuses a routing id (EHOSTUNREACH, EAGAIN), a REQ
#: or REP a first frame (EFSM).
ENDS_MESSAGE = frozenset(int(code) for code in (zmq.EAGAIN, zmq.EHOSTUNREACH, zmq.EFSM, zmq.ETERM))

#: What a subscription begins with, or the end of one.
SUBSCRIBES = (b"\0", b"\1")

get_option: Callable[[Any, int], Any] = zmq.backend.Socket.get


_Class = TypeVar("_Class", bound=type)


def like_pyzmq(owner: _Class) -> _Class:
    """A class whose methods stand in the place of zmq.Socket's, with their names in tracebacks and TypeErrors."""
    for name, member in vars(owner).items():
        if isinstance(member, types.FunctionType):
            member.__qualname__ = f"Socket.{name}"
    return owner


def as_text(endpoint: Any) -> str:
    """An endpoint as a program gives it to pyzmq."""
    return endpoint.decode("utf-8", "surrogateescape") if isinstance(endpoint, bytes) else str(endpoint)


def is_number(flags: Any) -> bool:
    """Whether pyzmq takes this for flags."""
    return hasattr(flags, "__int__") or hasattr(flags, "__index__")


def _find(loader: Any, name: str, **options: bool) -> Any:
    """A function of the very libzmq that pyzmq has loaded; None where its symbols are hidden."""
    backend: Any = zmq.backend.Socket
    try:
        function = getattr(loader(sys.modules[backend.__module__].__file__, **options), name)
    except (AttributeError, KeyError, OSError):
        return None
    function.restype = ctypes.c_int
    return function


#: zmq_send(handle, bytes, c_size_t, flags), with errno in ctypes.get_errno(). Unlike pyzmq's, no handler of a signal
#: runs in it: it returns -1 where libzmq took nothing, and nothing else does.
send_frame: Any = _find(ctypes.CDLL, "zmq_send", use_errno=True)

# pyzmq's own way to ask for RCVMORE costs more than receiving a message. The interpreter's lock is kept: the answer is
# a field of the socket, and no other thread may use that.
_getsockopt: Optional[Callable[..., int]] = _find(ctypes.PyDLL, "zmq_getsockopt")
_RCVMORE = ctypes.c_int(RCVMORE)


def asker(socket: Any, kind: int, more: ctypes.c_int) -> Callable[[], int]:
    """What puts into `more` whether the frame that a socket gave last has more after it, and returns 0 if it could.

    Does not keep the socket alive.
    """
    if kind not in _WITH_FRAMES:
        return int
    if _getsockopt is not None:
        size = ctypes.c_size_t(ctypes.sizeof(more))
        handle = ctypes.c_void_p(socket.underlying)
        return functools.partial(_getsockopt, handle, _RCVMORE, ctypes.byref(more), ctypes.byref(size))
    owner = weakref.ref(socket)

    def ask() -> int:
        living = owner()
        more.value = 0 if living is None else get_option(living, RCVMORE)
        return 0

    return ask


# Endpoints of libzmq's own and of pyzmq's: there are no messages of the program in them. They are the peers of libzmq's
# authentication, pyzmq's collector of sent buffers, and what get_monitor_socket connects. libzmq's own end would take a
# trailer for a wrong answer.
_INTERNAL = re.compile(r"inproc://(?:zeromq\.zap\.01$|pyzmq\.gc\.|monitor\.s-|fdmetrics\.monitor-)")
# The pipe of pyzmq's ThreadAuthenticator, two PAIR sockets; the number is that object's address in memory.
_AUTHENTICATOR = re.compile(r"inproc://[0-9]{8,}\.inproc$")


def is_own_endpoint(kind: int, endpoint: str) -> bool:
    """Whether a socket of this type at this endpoint is libzmq's own or pyzmq's."""
    if kind == PAIR and _AUTHENTICATOR.match(endpoint):
        return True
    return _INTERNAL.match(endpoint) is not None


def last_endpoint(socket: Any) -> Optional[str]:
    """The endpoint that a socket was bound or connected to last, wildcards resolved; None where there is none."""
    try:
        endpoint: bytes = get_option(socket, zmq.LAST_ENDPOINT)
    except zmq.ZMQError:
        return None
    return endpoint.rstrip(b"\0").decode("utf-8", "surrogateescape") or None
