# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What fdmetrics knows of one pyzmq socket: its link, its carrier, and the message that is half sent or received."""

from __future__ import annotations

import ctypes
import weakref
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Set

import zmq

from .. import _link
from ..errors import InvalidArgumentError
from ._libzmq import (
    DONTWAIT,
    ENDS_MESSAGE,
    NO_SHORT_SEND,
    RECEIVE_MADE,
    REQ,
    ROUTER,
    SNDMORE,
    STREAM,
    SUBSCRIBES,
    TAKES_TURNS,
    WITH_TRAILER,
    XPUB,
    asker,
    get_option,
    is_own_endpoint,
    last_endpoint,
)

if TYPE_CHECKING:
    from ._monitor import ConnectionWatcher

#: How a message says when it was sent: not at all; in {"__meta": {"send_ts": seconds}, "data": payload}, which the
#: structured calls (send_json, send_pyobj) make; or in one more frame at its end.
CARRIERS = ("none", "envelope", "trailer")

#: Endpoints at which sockets say their events, whatever the program calls them.
monitored: weakref.WeakValueDictionary[str, SocketState] = weakref.WeakValueDictionary()

#: So many routing ids of peers are known to a ROUTER; then it begins anew.
MOST_PEERS = 65_536


def _nothing(_size: int, _trailer: object) -> None: ...


class SocketState(_link.LinkRecorder):
    """The recorder of a socket, shared by all Python objects that stand for it; see LinkRecorder.

    A receive reads one frame ahead where more frames follow, to see whether that is the trailer: the caller never sees
    a trailer, any other frame waits in `ahead`.
    """

    __slots__ = (
        "_carrier",
        "_given_up",
        "_owner",
        "ahead",
        "ahead_more",
        "ask_more",
        "commands",
        "complete",
        "deferring",
        "enveloping",
        "frames",
        "given",
        "handle",
        "handles",
        "internal",
        "interrupted",
        "is_new_peer",
        "kind",
        "least_frames",
        "made",
        "monitor_endpoint",
        "more",
        "names",
        "peers",
        "plain_received",
        "plain_sent",
        "plain_stamp",
        "quiet",
        "record_stamped",
        "sending",
        "stamped_flags",
        "strips",
        "takes_made",
        "trailer",
        "trailer_flags",
        "trailing",
        "watcher",
    )

    def __init__(self, socket: zmq.Socket[Any]) -> None:
        super().__init__()
        self._owner = weakref.ref(socket)
        self._carrier = "none"
        self._given_up: Optional[str] = None
        #: Names of links by their endpoints, and the endpoint as the program gave it.
        self.names: Mapping[str, str] = {}
        self.given: Optional[str] = None
        #: libzmq's socket, and once more for each frame that a message with a trailer has.
        self.handle = ctypes.c_void_p(socket.underlying)
        self.handles = (self.handle, self.handle)
        self.kind = int(get_option(socket, zmq.TYPE))
        #: Whether the socket is libzmq's own or pyzmq's: neither recorded nor changed.
        self.internal = self._is_internal(last_endpoint(socket))
        #: Where the socket says its events.
        self.monitor_endpoint: Optional[str] = None
        #: Whether send_json and send_pyobj make envelopes.
        self.enveloping = False
        #: Whether messages end with a trailer when they are sent, and may when they are received.
        self.trailing = False
        self.strips = self.kind in WITH_TRAILER and not self.internal
        #: How a trailer is sent. Never waiting: should the peer go away after the payload, the next one would get the
        #: trailer alone. A REQ's question has begun all the same, and libzmq drops what is left of it.
        self.trailer_flags = 0 if self.kind == REQ else DONTWAIT
        self.stamped_flags = (DONTWAIT | SNDMORE, self.trailer_flags)
        #: A trailer follows at least so many frames: a message of one frame has none, and a router's begins with the
        #: identity of the peer. Nothing is read ahead before.
        self.least_frames = 2 if self.kind == ROUTER else 1
        #: Whether some of what is sent is for libzmq or the kernel; see _sending.
        self.commands = self.kind in NO_SHORT_SEND
        #: Whether some of what is received was made by libzmq, and whether the message that was received is.
        self.takes_made = self.kind in RECEIVE_MADE
        self.made = False
        #: Of a ROUTER: the peers that it has heard of, and whether the message's is new.
        self.peers: Set[bytes] = set()
        self.is_new_peer = False
        #: Records a message of one frame, where there is nothing else to do for one; else None.
        self.plain_sent: Optional[Callable[[int], None]] = None
        self.plain_received: Optional[Callable[[int], None]] = None
        #: Makes the trailer, where plain_sent is to be called for a message that ends with one.
        self.plain_stamp: Optional[Callable[[], bytes]] = None
        #: Records a message with a trailer, where there is plain_received.
        self.record_stamped: Callable[[int, Any], None] = _nothing
        #: Which failed sends are left to the caller to count: 0 none, 1 those for a full queue, 2 all.
        self.quiet = 0
        #: Whether frames of a message were sent, and it is not complete.
        self.sending = False
        #: The frame that was read ahead, and whether more follow it.
        self.ahead: Any = None
        self.ahead_more = False
        #: Frames of the message that is being received, whether that was the last one, and the message's trailer.
        self.frames = 0
        self.complete = True
        self.trailer: Optional[bytes] = None
        #: Whether an exception that is none of libzmq's ended a receive: it may have taken frames that nobody got.
        self.interrupted = False
        #: Whether the receive call that runs leaves the recording to its caller.
        self.deferring = False
        #: Where the answer of ask_more is. ask_more returns 0, or something else where libzmq refused.
        self.more = ctypes.c_int(0)
        self.ask_more = asker(socket, self.kind, self.more)
        self.watcher: Optional[ConnectionWatcher] = None

    def _is_internal(self, endpoint: Optional[str]) -> bool:
        """Whether a socket at this endpoint is libzmq's own or pyzmq's."""
        return endpoint is not None and (is_own_endpoint(self.kind, endpoint) or endpoint in monitored)

    def follows(self) -> bool:
        """Whether libzmq has more frames of the message whose frame it gave last."""
        return self.ask_more() == 0 and self.more.value != 0

    # Settings ---------------------------------------------------------------------------------------------------------

    @property
    def carrier(self) -> str:
        """One of CARRIERS."""
        return self._carrier

    @carrier.setter
    def carrier(self, carrier: str) -> None:
        self._carrier = checked_carrier(carrier)
        self._settle()

    def become_raw(self) -> None:
        """A ROUTER has the option ROUTER_RAW: libzmq does with it as with a STREAM, and tells nobody of the option."""
        self.kind = STREAM
        self._settle()
        if self.watcher is not None:
            self.watcher.follow(self)

    def _settle(self) -> None:
        self.strips = self.kind in WITH_TRAILER and not self.internal
        self.trailing = self._carrier == "trailer" and self.strips and not self._conflates()
        self.enveloping = self._carrier == "envelope" and not self.internal
        self.allow_plain()

    def allow_plain(self) -> None:
        """Decides whether messages of one frame may take the short way."""
        calls = self._calls
        self.plain_sent = self.plain_received = self.plain_stamp = None
        if calls is None:
            return
        if not self.sending and not self.commands and (self.ahead is None or not self.is_out_of_turn()):
            self.plain_sent = calls.sent
            self.plain_stamp = calls.trailer if self.trailing else None
        if self.complete and not self.deferring and not self.interrupted and self.kind != XPUB:
            self.plain_received = calls.received
            self.record_stamped = calls.received_trailer

    def _conflates(self) -> bool:
        # Such a socket keeps the last frame alone, which must not be a trailer.
        owner = self._owner()
        try:
            return owner is not None and bool(get_option(owner, zmq.CONFLATE))
        except zmq.ZMQError:
            return False

    def attach(self, endpoint: str, given: Optional[str] = None) -> None:
        """The socket was bound or connected: to this endpoint, as libzmq resolved what was given."""
        if self.endpoint is None:
            self.given = given
        if not self.internal and self._is_internal(endpoint):
            self.internal = True
            self._detach()
        super().attach(endpoint)
        self._given_up = None
        # Options that matter may have been set meanwhile.
        self._settle()

    @property
    def address(self) -> Optional[str]:
        """The label `address`; None where there is none yet."""
        if self.settings.name is not None:
            return self.settings.name
        if self.endpoint is None and (owner := self._owner()) is not None:
            # It may have been bound or connected before it was instrumented, or through another object.
            found = last_endpoint(owner)
            self.endpoint = None if found == self._given_up else found
        if self.endpoint is None:
            return None
        resolved = self.names.get(self.endpoint, self.endpoint)
        return resolved if self.given is None else self.names.get(self.given, resolved)

    def give_up(self, endpoint: str) -> None:
        if endpoint == self.given and self.endpoint is not None:
            endpoint = self.endpoint
        if endpoint == self.endpoint:
            self._given_up = endpoint
            self.given = None
        super().give_up(endpoint)
        if self.internal and self._is_internal(endpoint):
            self.internal = False
            self._detach()
            self._settle()

    def _open(self) -> Optional[_link.Calls]:
        if not self.internal and self._is_internal(self.endpoint):
            # It was connected before its name was known to be a monitor's.
            self.internal = True
            self._settle()
        if self.internal:
            self._calls = _link.NOTHING
        else:
            super()._open()
        self.allow_plain()
        return self._calls

    def _detach(self) -> None:
        super()._detach()
        self.plain_sent = self.plain_received = self.plain_stamp = None
        self.record_stamped = _nothing
        if self.watcher is not None:
            self.watcher.follow(self)

    # Sending ----------------------------------------------------------------------------------------------------------

    def sent(self, size: int, more: bool) -> None:
        """libzmq took a frame."""
        super().sent(size, more)
        if more is not self.sending:
            self.sending = more
            self.allow_plain()

    def commanded(self) -> None:
        """libzmq took a message that is for itself: it is not counted."""
        self.unsent = 0
        if self.sending:
            self.sending = False
            self.allow_plain()

    def is_out_of_turn(self) -> bool:
        """Whether a message that begins now is refused, because the program has not received all of the other one.

        libzmq has no frames of it left once the last one is read ahead, and would take the message.
        """
        return self.ahead is not None and self.kind in TAKES_TURNS and not self.sending

    def refused(self, error: BaseException) -> None:
        """A send failed: counts it, unless the caller does."""
        # What never reached libzmq, wrong data say, leaves it within its message.
        if isinstance(error, zmq.ZMQError) and error.errno in ENDS_MESSAGE:
            self.sending = False
        if self.quiet == 0 or (self.quiet == 1 and not isinstance(error, zmq.Again)):
            self.send_failed()
        else:
            self.failed += 1
            self.unsent = self.unsent if self.sending else 0
        self.allow_plain()

    def send_failed(self) -> None:
        unsent = self.unsent
        super().send_failed()
        if self.sending:
            # Of a message that goes on.
            self.unsent = unsent

    def refused_before(self, failed: int) -> None:
        """A call that ends in a send failed; counts it, unless the send did: `failed` was the number before."""
        if self.failed == failed:
            self.send_failed()

    # Receiving --------------------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """An exception that is none of libzmq's has ended a receive: the next one finds out first what it has taken."""
        self.interrupted = True
        self.plain_received = None

    def meet(self, routing_id: bytes) -> None:
        """A ROUTER's message has begun."""
        peers = self.peers
        self.is_new_peer = routing_id not in peers
        if self.is_new_peer:
            if len(peers) >= MOST_PEERS:
                peers.clear()
            peers.add(routing_id)

    def is_made(self, frame: Any, size: int) -> bool:
        """Whether the message that this frame ends was made by libzmq, not by a peer's program.

        A STREAM receives an empty message when a connection is made, and when it ends; an XPUB what a SUB subscribes
        to. A ROUTER's peer with the option PROBE_ROUTER begins with an empty message.
        """
        if self.kind == XPUB:
            return self.frames == 1 and size > 0 and bytes(memoryview(frame)[:1])[:1] in SUBSCRIBES
        return size == 0 and self.frames == 2 and (self.kind == STREAM or self.is_new_peer)

    def record_received(self, send_seconds: Optional[float] = None) -> None:
        """The message whose last frame was taken is recorded, with the stamp of its envelope if it has no trailer."""
        trailer, self.trailer = self.trailer, None
        if self.made:
            self.made = False
            self.unreceived = 0
        else:
            self.received(0, False, send_seconds, trailer)
        if self.plain_received is None:
            self.allow_plain()


def checked_carrier(carrier: str) -> str:
    """A carrier. Errors: InvalidArgumentError, a ValueError."""
    if carrier not in CARRIERS:
        raise InvalidArgumentError(f"{carrier!r} is not a carrier: one of {CARRIERS} is expected")
    return carrier


def checked_text(what: str, text: Optional[str]) -> Optional[str]:
    """A prefix, or a link's name, where there is one. Errors: TypeError."""
    if text is not None and not isinstance(text, str):
        raise TypeError(f"{what} is {text!r}: a str is expected")
    return text


def note_monitor(state: SocketState, endpoint: Any) -> None:
    """The socket says its events at an endpoint from now on; None: nowhere."""
    if state.monitor_endpoint is not None:
        monitored.pop(state.monitor_endpoint, None)
    state.monitor_endpoint = endpoint.decode() if isinstance(endpoint, bytes) else endpoint
    if state.monitor_endpoint is not None:
        monitored[state.monitor_endpoint] = state
