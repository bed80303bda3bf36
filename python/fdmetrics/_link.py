# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What one ZeroMQ socket records, and the JSON envelope. Knows nothing of pyzmq."""

from __future__ import annotations

import ctypes
import math
import time
from typing import Any, Callable, NamedTuple, Optional, Type

from . import _library
from . import registry as registries
from .errors import FDMetricsError, check_status
from .registry import REGISTRY, Registry

#: What the names of the series begin with.
DEFAULT_PREFIX = "fastdeploy"


class _Calls(NamedTuple):
    """The recording functions of the library, and the link that they take."""

    link: int
    sent: Callable[[int, int], None]
    send_failed: Callable[[int], None]
    received: Callable[[int, int], None]
    received_stamped: Callable[[int, int, float], None]


class LinkRecorder:
    """The link of one socket, and the frames of messages that are not complete yet.

    A socket has no link until it is bound or connected, and then one: that of its first endpoint, or of the name that
    it was given. It is opened at the first message. Like the socket, it belongs to one thread at a time. Where the
    store refuses the link, nothing is recorded, the cause is logged once, and after a second it is tried again.
    """

    __slots__ = ("__weakref__", "_calls", "_retry_at", "_unreceived", "_unsent", "endpoint", "failed", "settings")

    class Settings(NamedTuple):
        """What may be chosen before the first message."""

        registry: Registry = REGISTRY
        prefix: str = DEFAULT_PREFIX
        name: Optional[str] = None

    def __init__(self) -> None:
        self.settings = self.Settings()
        #: The endpoint that the socket was bound or connected to first.
        self.endpoint: Optional[str] = None
        #: Sends that failed, in this socket.
        self.failed = 0
        self._calls: Optional[_Calls] = None
        self._retry_at = 0.0
        self._unsent = 0
        self._unreceived = 0

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

    def sent(self, size: int, more: bool) -> None:
        """libzmq took a frame."""
        self._unsent += size
        if more:
            return
        size, self._unsent = self._unsent, 0
        calls = self._calls or self._open()
        if calls is not None:
            calls.sent(calls.link, size)

    def send_failed(self) -> None:
        """A frame, and with it the message, was refused."""
        self.failed += 1
        self._unsent = 0
        calls = self._calls or self._open()
        if calls is not None:
            calls.send_failed(calls.link)

    def received(self, size: int, more: bool, send_seconds: Optional[float] = None) -> None:
        """A frame arrived; send_seconds is the time stamp that the message carries, if any."""
        self._unreceived += size
        if more:
            return
        size, self._unreceived = self._unreceived, 0
        calls = self._calls or self._open()
        if calls is None:
            return
        if send_seconds is None:
            calls.received(calls.link, size)
        else:
            calls.received_stamped(calls.link, size, send_seconds)

    def _open(self) -> Optional[_Calls]:
        registry, prefix, name = self.settings
        address = name or self.endpoint
        if address is None or time.monotonic() < self._retry_at:
            return None
        store = registry._attach_quietly()
        if store is None:
            return None
        library = store.library
        link = ctypes.c_void_p()
        try:
            encoded = address.encode("utf-8", "surrogatepass")
            status = library.fdm_zmq_link_open(store.pointer, prefix.encode(), encoded, ctypes.byref(link))
            check_status(library, status)
        except FDMetricsError as error:
            self._retry_at = time.monotonic() + registries.RETRY_SECONDS
            registry._refuse(error, f"the ZeroMQ link {address}")
            return None
        assert link.value is not None
        self._calls = _Calls(
            link.value,
            library.fdm_zmq_sent,
            library.fdm_zmq_send_failed,
            library.fdm_zmq_received,
            library.fdm_zmq_received_stamped,
        )
        registry._holds(self)
        return self._calls

    def _detach(self) -> None:
        self._calls = None
        self._retry_at = 0.0


class Sending:
    """A block that ends in LinkRecorder.sent or send_failed; where it raises before, a failure is counted."""

    __slots__ = ("_failed", "_recorder")

    def __init__(self, recorder: LinkRecorder) -> None:
        self._recorder = recorder
        self._failed = recorder.failed

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Optional[Type[BaseException]], *_rest: object) -> None:
        if kind is not None and issubclass(kind, Exception) and self._recorder.failed == self._failed:
            self._recorder.send_failed()


def now() -> Optional[float]:
    """Seconds of the clock of time stamps; None where the library cannot be loaded."""
    try:
        seconds: float = _library.load().fdm_zmq_now()
    except FDMetricsError:
        return None
    return seconds


def wrapped(payload: object, send_seconds: Optional[float]) -> object:
    """A payload in the JSON envelope that says when its send began; as it is, where that is not known."""
    if send_seconds is None:
        return payload
    return {"__meta": {"send_ts": send_seconds}, "data": payload}


class Unwrapped(NamedTuple):
    """A payload, and when its send began if it came in an envelope."""

    payload: Any
    send_seconds: Optional[float]


def unwrapped(message: Any) -> Unwrapped:
    """Takes a decoded message out of its envelope.

    What only looks like an envelope is handed over as it came: without "data", or with a stamp that is no finite
    number, not positive, or later than now.
    """
    plain = Unwrapped(message, None)
    if not isinstance(message, dict) or "data" not in message:
        return plain
    meta = message.get("__meta")
    stamp = meta.get("send_ts") if isinstance(meta, dict) else None
    if isinstance(stamp, bool) or not isinstance(stamp, (int, float)) or not math.isfinite(stamp):
        return plain
    current = now()
    if current is None or not 0 < stamp <= current:
        return plain
    return Unwrapped(message["data"], float(stamp))
