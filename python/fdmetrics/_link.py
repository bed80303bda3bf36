# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What one ZeroMQ link records, and the envelope. Knows nothing of pyzmq."""

from __future__ import annotations

import ctypes
import functools
import math
import time
import weakref
from typing import Any, Callable, Dict, MutableSet, NamedTuple, Optional

from . import _builtins, _library, _log
from . import _constants as c
from ._library import Library
from .errors import REFUSALS, check_status
from .registry import REGISTRY, Registry

# Of links: the first message then imports nothing.
_library.import_rare_prototypes()

#: What the names of the series begin with.
DEFAULT_PREFIX = "fastdeploy"


class Calls(NamedTuple):
    """The recording functions of one open link; see fdm_zmq_* in fdmetrics.h."""

    sent: Callable[[int], None]
    send_failed: Callable[[], None]
    send_blocked: Callable[[float], None]
    received: Callable[[int], None]
    received_stamped: Callable[[int, float], None]
    received_trailer: Callable[[int, bytes], None]
    receive_failed: Callable[[], None]
    watch: Callable[[], None]
    connection_event: Callable[[int], None]
    trailer: Callable[[], bytes]


def _nothing(*_arguments: object) -> None: ...


#: The functions of a link that records nothing.
NOTHING = Calls(
    sent=_nothing,
    send_failed=_nothing,
    send_blocked=_nothing,
    received=_nothing,
    received_stamped=_nothing,
    received_trailer=_nothing,
    receive_failed=_nothing,
    watch=_nothing,
    connection_event=_nothing,
    trailer=bytes,
)

# The functions that are called once a message, as builtins.
_BUILTINS: Dict[str, str] = {
    "sent": "sent(size)",
    "send_failed": "send_failed()",
    "received": "received(size)",
    "received_stamped": "received_stamped(size, seconds)",
    "received_trailer": "received_trailer(size, trailer)",
    "trailer": "trailer() -> bytes",
}


def _calls(library: Library, link: int) -> Calls:
    def watch() -> None:
        check_status(library, library.fdm_zmq_link_watch(link))

    calls: Dict[str, Callable[..., Any]] = {
        name: functools.partial(getattr(library, f"fdm_zmq_{name}"), link)
        for name in Calls._fields
        if name not in ("watch", "trailer")
    }
    calls["watch"] = watch
    calls["trailer"] = functools.partial(_trailer, library)
    if _builtins.available(library):
        for name, doc in _BUILTINS.items():
            calls[name] = _builtins.make(library, f"fdm_py_zmq_{name}", link, doc)
    return Calls(**calls)


# A program's own recording --------------------------------------------------------------------------------------------

#: The families that a program may record into by itself, as FastDeploy does: all of one message, so one is enough.
_OWN_FAMILIES = ("msg_send", "msg_send_failed", "msg_bytes_send", "msg_recv", "msg_bytes_recv", "latency")

# Those that may have to give way to the program, and which of them were told of in the log.
_giving_way: MutableSet[LinkRecorder] = weakref.WeakSet()
_told: MutableSet[Registry] = weakref.WeakSet()


def _is_recorded_by_program(registry: Registry, prefix: str) -> bool:
    return any(f"{prefix}:zmq:{family}" in registry._own_records for family in _OWN_FAMILIES)


def _give_way(registry: Registry, _name: str) -> None:
    for recorder in list(_giving_way):
        if recorder.settings.registry is registry:
            recorder._detach()


class LinkRecorder:
    """The link of one socket, and the frames of messages that are not complete yet.

    A socket has no link until it is bound or connected, and then one: that of its first endpoint, or of the name that
    it was given. It is opened at the first message. Like the socket, it belongs to one thread at a time. Where the
    store refuses the link, nothing is recorded, the cause is logged, and after a second it is tried again.
    """

    __slots__ = ("__weakref__", "_calls", "_retry_at", "endpoint", "failed", "settings", "unreceived", "unsent")

    class Settings(NamedTuple):
        """What may be chosen before the first message."""

        registry: Registry = REGISTRY
        prefix: str = DEFAULT_PREFIX
        name: Optional[str] = None
        #: Whether the program's own recording into the same families takes precedence.
        gives_way: bool = False

    def __init__(self) -> None:
        self.settings = self.Settings()
        #: The endpoint that the socket was bound or connected to first.
        self.endpoint: Optional[str] = None
        #: Sends that failed, in this socket.
        self.failed = 0
        #: Bytes of the frames of a message that is not complete, at either side.
        self.unsent = 0
        self.unreceived = 0
        self._calls: Optional[Calls] = None
        self._retry_at = 0.0

    def choose(self, **settings: Any) -> None:
        """Changes settings; the link is then opened anew."""
        self.settings = self.settings._replace(**settings)
        self._detach()

    def attach(self, endpoint: str) -> None:
        """The socket was bound or connected."""
        if self.endpoint is None:
            self.endpoint = endpoint
            self._detach()

    def give_up(self, endpoint: str) -> None:
        """The socket was unbound or disconnected: what is still queued counts for the old link, the next one is new."""
        if endpoint == self.endpoint:
            self.endpoint = None

    @property
    def address(self) -> Optional[str]:
        """The label `address`; None where there is none yet."""
        return self.settings.name or self.endpoint

    def calls(self) -> Optional[Calls]:
        """The functions of the open link; None where it has no address, or the store refuses it."""
        return self._calls or self._open()

    def sent(self, size: int, more: bool) -> None:
        """libzmq took a frame."""
        size += self.unsent
        if more:
            self.unsent = size
            return
        self.unsent = 0
        calls = self._calls or self._open()
        if calls is not None:
            calls.sent(size)

    def send_failed(self) -> None:
        """A frame, and with it the message, was refused."""
        self.failed += 1
        self.unsent = 0
        calls = self._calls or self._open()
        if calls is not None:
            calls.send_failed()

    def send_blocked(self, seconds: float) -> None:
        """A send waited for room."""
        calls = self._calls or self._open()
        if calls is not None:
            calls.send_blocked(seconds)

    def received(
        self, size: int, more: bool, send_seconds: Optional[float] = None, trailer: Optional[bytes] = None
    ) -> None:
        """A frame arrived; send_seconds or the trailer is the time stamp that the message carries, if any.

        A stamp that cannot be right, NaN for one, is counted as skipped.
        """
        size += self.unreceived
        if more:
            self.unreceived = size
            return
        self.unreceived = 0
        self.received_message(size, send_seconds, trailer)

    def received_message(self, size: int, send_seconds: Optional[float], trailer: Optional[bytes]) -> None:
        """As received, for the bytes of a whole message, whatever other message may not be complete."""
        calls = self._calls or self._open()
        if calls is None:
            return
        if trailer is not None:
            calls.received_trailer(size, trailer)
        elif send_seconds is None:
            calls.received(size)
        else:
            calls.received_stamped(size, send_seconds)

    def receive_failed(self) -> None:
        """A message that was counted as received could not be decoded."""
        calls = self._calls or self._open()
        if calls is not None:
            calls.receive_failed()

    def _open(self) -> Optional[Calls]:
        registry, prefix, _, gives_way = self.settings
        address = self.address
        if address is None or time.monotonic() < self._retry_at:
            return None
        if gives_way:
            if _give_way not in registry._on_own_record:
                registry._on_own_record.append(_give_way)
            _giving_way.add(self)
            if _is_recorded_by_program(registry, prefix):
                return self._leave_to_program()
        store = registry._attach_quietly()
        if store is None:
            return None
        library = store.library
        link = ctypes.c_void_p()
        try:
            encoded = address.encode("utf-8", "surrogatepass")
            status = library.fdm_zmq_link_open(store.pointer, prefix.encode(), encoded, ctypes.byref(link))
            check_status(library, status)
            assert link.value is not None
            self._calls = _calls(library, link.value)
        except REFUSALS as error:
            self._retry_at = registry._refuse(error, f"the ZeroMQ link {address}")
            return None
        registry._holds(self)
        return self._calls

    def _leave_to_program(self) -> Optional[Calls]:
        registry, prefix = self.settings.registry, self.settings.prefix
        if registry not in _told:
            _told.add(registry)
            _log.warn(
                "fdmetrics: this process records into %s:zmq:* by itself, so its instrumented sockets do not: each "
                "message counts once. To have both, choose another prefix: fdmetrics.zmq.instrument(prefix=...).",
                prefix,
            )
        try:
            # The trailers are for the peers.
            self._calls = NOTHING._replace(trailer=functools.partial(_trailer, _library.load()))
        except REFUSALS:
            return None
        return self._calls

    def _detach(self) -> None:
        self._calls = None
        self._retry_at = 0.0


# Trailers -------------------------------------------------------------------------------------------------------------

TRAILER_MAGIC = b"FDM1"
TRAILER_SIZE = c.FDM_ZMQ_TRAILER_SIZE


def _trailer(library: Library) -> bytes:
    buffer = ctypes.create_string_buffer(TRAILER_SIZE)
    library.fdm_zmq_write_trailer(buffer)
    return buffer.raw


# Envelopes ------------------------------------------------------------------------------------------------------------


def now() -> Optional[float]:
    """Seconds of the clock of time stamps; None where the library cannot be loaded."""
    try:
        seconds: float = _library.load().fdm_zmq_now()
    except REFUSALS:
        return None
    return seconds


def wrapped(payload: object, send_seconds: Optional[float]) -> object:
    """A payload in the envelope that says when its send began; as it is, where that is not known."""
    if send_seconds is None:
        return payload
    return {"__meta": {"send_ts": send_seconds}, "data": payload}


class Unwrapped(NamedTuple):
    """A payload, and when its send began: None where it says nothing of it, NaN where what it says is not right."""

    payload: Any
    send_seconds: Optional[float]


def unwrapped(message: Any) -> Unwrapped:
    """Takes a decoded message out of its envelope.

    What only looks like an envelope is handed over as it came, with NaN: with "__meta" but without "data", or with a
    stamp that is no finite number, not positive, or later than now.
    """
    if not isinstance(message, dict) or "__meta" not in message:
        return Unwrapped(message, None)
    plain = Unwrapped(message, math.nan)
    meta = message["__meta"]
    stamp = meta.get("send_ts") if isinstance(meta, dict) else None
    if "data" not in message or isinstance(stamp, bool) or not isinstance(stamp, (int, float)):
        return plain
    try:
        seconds = float(stamp)
    except OverflowError:
        return plain
    current = now()
    # A comparison with NaN is False.
    if current is None or not 0 < seconds <= current:
        return plain
    return Unwrapped(message["data"], seconds)
