# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""How a service's messages are serialised, put into the envelope, sent, received and recorded.

There are two ways to the same result: through a socket of fdmetrics.zmq, which records by itself, and through any other
object that has send and recv, around which the recording is done here. Nothing else of the services records.
"""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler
from typing import Any, Callable, List, NamedTuple, Optional, Protocol, Sequence, Union

import zmq
from zmq.utils import jsonapi

from .. import _link
from .. import zmq as instrumented
from ..registry import registry_of
from ..zmq._known import state_of
from .interface import MetricsManagerInterface
from .stats import ZMQMetricsStats


class Recording(NamedTuple):
    """Where a service's messages are recorded, as far as it was said."""

    link: Optional[str] = None
    prefix: Optional[str] = None
    registry: object = None

    def of(self, metrics: Any) -> Recording:
        """With the registry of a MetricsManager, where none was said."""
        if self.registry is None and _is_manager(metrics):
            return self._replace(registry=getattr(metrics, "registry", None))
        return self

    def apply(self, socket: instrumented.Socket) -> None:
        """Makes a socket record there."""
        if self.link is not None:
            socket.link = self.link
        if self.prefix is not None:
            socket.prefix = self.prefix
        if self.registry is not None:
            socket.registry = registry_of(self.registry)

    def recorder(self, address: Optional[str]) -> _link.LinkRecorder:
        """What records there, for the link of an address. Without both, it records nothing: no name is made up."""
        recorder = _link.LinkRecorder()
        recorder.choose(name=self.link or address, registry=registry_of(self.registry))
        if self.prefix is not None:
            recorder.choose(prefix=self.prefix)
        return recorder


class Channel(Protocol):
    """Sends and receives through one socket; every message is recorded once."""

    @property
    def socket(self) -> Any:
        """What the messages go through."""

    @property
    def address(self) -> Optional[str]:
        """The address that the service had when this was opened."""

    @property
    def metrics(self) -> Any:
        """What was in the place of main_process_metrics then."""

    def send_json(self, data: Any, flags: int, /) -> Any: ...

    def recv_json(self, flags: int, /) -> Any: ...

    def send_pyobj(self, data: Any, flags: int, /) -> None: ...

    def recv_pyobj(self, flags: int, /) -> Any: ...

    def send(self, frame: Any, /) -> None: ...

    def send_multipart(self, frames: Sequence[Any], /) -> None: ...

    def recv_multipart(self, flags: int, /) -> List[bytes]: ...

    def send_failed(self) -> None:
        """A message could not be made."""

    def receive_failed(self) -> None:
        """A message that was received could not be decoded."""


def _is_manager(metrics: object) -> bool:
    # Not isinstance: a mock with the specification of one says that it is one.
    return issubclass(type(metrics), MetricsManagerInterface)


def opened(socket: Any, address: Optional[str], recording: Recording, metrics: Any = None) -> Channel:
    """The channel through a socket, or through what stands for one.

    metrics is what a program has put in the place of main_process_metrics; None: nothing. Of a MetricsManager the
    registry is used. Another object is told of each call, by its record_zmq_stats, beside what a socket itself records.
    """
    channel: Union[InstrumentedChannel, RecordedChannel]
    # zmq.Socket itself is one, too, while fdmetrics.zmq.instrument() is in force.
    instrumented_socket = isinstance(socket, zmq.Socket) and hasattr(type(socket), "_recorder")
    if metrics is not None and not _is_manager(metrics):
        channel = RecordedChannel(socket, address, ToldRecorder(metrics, address))
    elif instrumented_socket:
        # The service does not call record_zmq_stats.
        state_of(socket).choose(gives_way=False)
        channel = InstrumentedChannel(socket, socket, address)
    # Not isinstance: what a subclass does in its own send and recv must be done.
    elif type(socket) is zmq.Socket:
        recording_socket = instrumented.Socket.shadow(socket)
        recording_socket.carrier = "envelope"
        recording._replace(link=recording.link or address).of(metrics).apply(recording_socket)
        channel = InstrumentedChannel(socket, recording_socket, address)
    else:
        channel = RecordedChannel(socket, address, recording.of(metrics).recorder(address))
    channel.metrics = metrics
    return channel


class InstrumentedChannel:
    """Through a socket that records by itself."""

    metrics: Any = None

    def __init__(self, socket: Any, recording: Any, address: Optional[str]) -> None:
        """socket is the service's; recording is itself, or its shadow that records."""
        self.socket = socket
        self.address = address
        self._recording = recording
        # Without a call in between: these are what a service is for.
        self.send_json: Callable[[Any, int], Any] = recording.send_json
        self.recv_json: Callable[[int], Any] = recording.recv_json
        self.recv_pyobj: Callable[[int], Any] = recording.recv_pyobj

    def send_pyobj(self, data: Any, flags: int) -> None:
        """With multiprocessing's pickler: it knows what is shared between processes."""
        self._recording.send_serialized(data, self._pickled, flags, copy=False)

    def _pickled(self, data: Any) -> List[Any]:
        message = _link.wrapped(data, _link.now()) if self._recording.carrier == "envelope" else data
        return [ForkingPickler.dumps(message)]

    def send(self, frame: Any) -> None:
        self._recording.send(frame, copy=False)

    def send_multipart(self, frames: Sequence[Any]) -> None:
        self._recording.send_multipart(frames, copy=False)

    def recv_multipart(self, flags: int) -> List[bytes]:
        frames: List[bytes] = self._recording.recv_multipart(flags)
        return frames

    def send_failed(self) -> None:
        state_of(self._recording).send_failed()

    def receive_failed(self) -> None:
        state_of(self._recording).receive_failed()


class ToldRecorder:
    """Tells an object that stands in the place of main_process_metrics what a LinkRecorder would record."""

    def __init__(self, metrics: Any, address: Optional[str]) -> None:
        self._metrics = metrics
        self._address = address

    def sent(self, size: int, _more: bool) -> None:
        self._tell(ZMQMetricsStats(msg_send_total=1, msg_bytes_send_total=size))

    def send_failed(self) -> None:
        self._tell(ZMQMetricsStats(msg_send_failed_total=1))

    def received(self, size: int, _more: bool, send_seconds: Optional[float] = None) -> None:
        now = _link.now()
        stats = ZMQMetricsStats(msg_recv_total=1, msg_bytes_recv_total=size)
        # A comparison with NaN is False: what cannot be right is not known.
        if now is not None and send_seconds is not None and send_seconds < now:
            stats.zmq_latency = now - send_seconds
        self._tell(stats)

    def receive_failed(self) -> None:
        """The numbers that it is told have none for this."""

    def _tell(self, stats: ZMQMetricsStats) -> None:
        self._metrics.record_zmq_stats(stats, self._address)


class RecordedChannel:
    """Through an object that has send and recv, and send_multipart and recv_multipart if it is to answer requests."""

    metrics: Any = None

    def __init__(self, socket: Any, address: Optional[str], recorder: Union[_link.LinkRecorder, ToldRecorder]) -> None:
        self.socket = socket
        self.address = address
        self._recorder = recorder

    def send_json(self, data: Any, flags: int) -> Any:
        return self._send(data, jsonapi.dumps, flags)

    def send_pyobj(self, data: Any, flags: int) -> None:
        self._send(data, ForkingPickler.dumps, flags, copy=False)

    def _send(self, data: Any, serialize: Callable[[Any], Any], flags: int, **keywords: Any) -> Any:
        try:
            message = serialize(_link.wrapped(data, _link.now()))
            result = self.socket.send(message, flags=flags, **keywords)
        except Exception:
            self._recorder.send_failed()
            raise
        self._recorder.sent(len(message), bool(flags & zmq.SNDMORE))
        return result

    def recv_json(self, flags: int) -> Any:
        return self._recv(jsonapi.loads, flags)

    def recv_pyobj(self, flags: int) -> Any:
        return self._recv(ForkingPickler.loads, flags)

    def _recv(self, deserialize: Callable[[Any], Any], flags: int) -> Any:
        message = self.socket.recv(flags)
        try:
            payload, send_seconds = _link.unwrapped(deserialize(message))
        except Exception:
            self._recorder.received(len(message), False)
            self._recorder.receive_failed()
            raise
        self._recorder.received(len(message), False, send_seconds)
        return payload

    def send(self, frame: Any) -> None:
        self._send_frames(self.socket.send, frame, [frame])

    def send_multipart(self, frames: Sequence[Any]) -> None:
        self._send_frames(self.socket.send_multipart, frames, frames)

    def _send_frames(self, send: Callable[..., Any], message: Any, frames: Sequence[Any]) -> None:
        try:
            send(message, copy=False)
        except Exception:
            self._recorder.send_failed()
            raise
        self._recorder.sent(_size(frames), False)

    def recv_multipart(self, flags: int) -> List[bytes]:
        frames: List[bytes] = self.socket.recv_multipart(flags)
        self._recorder.received(_size(frames), False)
        return frames

    def send_failed(self) -> None:
        self._recorder.send_failed()

    def receive_failed(self) -> None:
        self._recorder.receive_failed()


def _size(frames: Sequence[Any]) -> int:
    return sum(memoryview(frame).nbytes for frame in frames)
