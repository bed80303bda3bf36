# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Behaviour is pyzmq's: every scenario is run with pyzmq's own classes, then with ours, and must go the same way."""

from __future__ import annotations

import copy
import gc
import pickle
import re
import weakref
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest
import zmq

import fdmetrics
import fdmetrics.zmq

Call = Callable[[], Any]


class Stage:
    """Makes sockets, and writes down how calls end."""

    def __init__(self, context: Any, path: Path) -> None:
        self.context = context
        self.path = path
        self.sockets: List[Any] = []
        self.transcript: List[Tuple[str, Any]] = []

    def socket(self, kind: int, **options: Any) -> Any:
        socket = self.context.socket(kind)
        self.sockets.append(socket)
        socket.linger = 0
        socket.rcvtimeo = socket.sndtimeo = 30_000
        for name, value in options.items():
            setattr(socket, name, value)
        return socket

    def pair(self, left: int, right: int, **options: int) -> Tuple[Any, Any]:
        """Two connected sockets."""
        sockets = self.socket(left, **options), self.socket(right, **options)
        sockets[1].bind(f"ipc://{self.path}/s")
        sockets[0].connect(f"ipc://{self.path}/s")
        return sockets

    def note(self, name: str, call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Calls, and writes down the result or the exception."""
        try:
            result = call(*arguments, **keywords)
        except Exception as error:
            context = None if error.__context__ is None else type(error.__context__)
            self.transcript.append((name, (type(error), _text(error), getattr(error, "errno", None), context)))
            return None
        self.transcript.append((name, _plain(result)))
        return result

    def close(self) -> None:
        for socket in self.sockets:
            socket.close()


# Modules of the classes, addresses of objects, endpoints.
_OWN_NAMES = re.compile(
    r"(fdmetrics\.)?(zmq\.)?(sugar\.socket\.)?\bSocket\b"
    r"|0x[0-9a-f]+"
    r"|/[^' )]*/s\b"
)


def _text(value: object) -> str:
    return _OWN_NAMES.sub("_", str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, zmq.Frame):
        return ("frame", value.bytes, value.more, value.tracker is None)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, zmq.MessageTracker):
        return ("tracker", value is zmq._FINISHED_TRACKER)
    if isinstance(value, (bytes, int, float, dict, type(None))):
        return value
    return _text(value)


def refused_data(stage: Stage) -> None:
    left, _ = stage.pair(zmq.PUSH, zmq.PULL)
    for data in ("text", 1, None, object, [b"x"]):
        stage.note("send", left.send, data)
        stage.note("send without a copy", left.send, data, copy=False)
        stage.note("send more", left.send, data, zmq.SNDMORE)
    stage.note("multipart", lambda: left.send_multipart([b"a", "text"]))
    stage.note("multipart of nothing", lambda: left.send_multipart([]))
    stage.note("multipart of a set", lambda: left.send_multipart({b"a"}))
    stage.note("string", lambda: left.send_string(b"bytes"))
    stage.note("json", lambda: left.send_json(object))
    stage.note("json keyword", lambda: left.send_json({}, nonsense=1))
    stage.note("pyobj", lambda: left.send_pyobj(lambda: None))
    stage.note("pyobj protocol", lambda: left.send_pyobj({}, 0, 99))
    stage.note("serialized", lambda: left.send_serialized("x", lambda text: text.nothing))
    stage.note("routing id", lambda: left.send(b"x", routing_id=1))
    stage.note("group", lambda: left.send(b"x", group="g"))
    stage.note("argument", lambda: left.send(b"x", nonsense=1))
    stage.note("no argument", lambda: left.send())
    stage.note("untracked frame", lambda: left.send(zmq.Frame(b"x"), track=True))


def refused_flags(stage: Stage) -> None:
    left, right = stage.pair(zmq.PUSH, zmq.PULL)
    for flags in (None, "0", 0.0, b"", zmq.Flag.DONTWAIT, True):
        for name, message in (("send", b"x"), ("send_multipart", [b"x"]), ("send_json", 1), ("send_pyobj", 1)):
            stage.note(name, getattr(left, name), message, flags=flags)
        stage.note("frame", left.send, zmq.Frame(b"x"), flags)
    left.send_multipart([b"1", b"2"])
    for _ in range(2):
        stage.note("poll", right.poll, 10_000)
        for flags in (None, "0", b""):
            for name in ("recv", "recv_multipart", "recv_json", "recv_pyobj", "recv_string"):
                stage.note(name, getattr(right, name), flags=flags)
        stage.note("recv", right.recv, zmq.Flag.DONTWAIT)


def refused_frames(stage: Stage) -> None:
    """What is refused before it comes to libzmq leaves the message as it was."""
    for kind, peer in ((zmq.PUSH, zmq.PULL), (zmq.DEALER, zmq.DEALER), (zmq.PAIR, zmq.PAIR), (zmq.REQ, zmq.REP)):
        with stage.socket(kind) as left, stage.socket(peer) as right:
            right.bind(f"inproc://refused.{kind}")
            left.connect(f"inproc://refused.{kind}")
            for last in (b"b", bytearray(b"b"), zmq.Frame(b"b")):
                left.send(b"a", zmq.SNDMORE)
                stage.note("text", left.send, "text")
                stage.note("more text", left.send, "text", zmq.SNDMORE)
                stage.note("no json", left.send_json, object)
                left.send(last)
                stage.note("whole", right.recv_multipart)
                if kind == zmq.REQ:
                    right.send(b"c", zmq.SNDMORE)
                    stage.note("text", right.send, "text")
                    right.send(last)
                    stage.note("reply", left.recv_multipart)
    dealer, router = stage.socket(zmq.DEALER, identity=b"dealer"), stage.socket(zmq.ROUTER, router_mandatory=1)
    router.bind("inproc://refused.router")
    dealer.connect("inproc://refused.router")
    dealer.send(b"x")
    stage.note("from a dealer", router.recv_multipart)
    for _ in range(2):
        router.send(b"dealer", zmq.SNDMORE)
        stage.note("text", router.send, "text")
        router.send(b"reply")
        stage.note("to a dealer", dealer.recv_multipart)
        stage.note("nobody", router.send, b"nobody", zmq.SNDMORE)
    publisher, subscriber = stage.socket(zmq.XPUB), stage.socket(zmq.SUB)
    publisher.bind("inproc://refused.topics")
    subscriber.subscribe(b"")
    subscriber.connect("inproc://refused.topics")
    publisher.recv()
    publisher.send(b"topic", zmq.SNDMORE)
    stage.note("text", publisher.send, "text")
    publisher.send(b"x")
    stage.note("topic", subscriber.recv_multipart)


def data_of_all_kinds(stage: Stage) -> None:
    left, right = stage.pair(zmq.PUSH, zmq.PULL)
    large = b"x" * 100_000
    for data in (b"", b"x", bytearray(b"yy"), memoryview(b"zzz"), memoryview(b"abcdefgh").cast("I"), large):
        for arguments in ({}, {"copy": False}, {"copy": False, "track": True}, {"track": True}):
            stage.note("send", left.send, data, **arguments)
            stage.note("recv", right.recv)
    for track in (False, True):
        stage.note("frame", left.send, zmq.Frame(large, track=track), track=track)
        stage.note("recv frame", right.recv, copy=False, track=track)
    stage.note("positional", lambda: left.send(b"p", 0, False, True))
    stage.note("positional recv", lambda: right.recv(0, False, True))
    tracker = left.send(large, copy=False, track=True)
    stage.note("what arrives", right.recv)
    stage.note("wait", lambda: tracker.wait(10))
    stage.note("done", lambda: tracker.done)


def frames(stage: Stage) -> None:
    left, right = stage.pair(zmq.PUSH, zmq.PULL)
    for arguments in ({}, {"copy": False}, {"copy": False, "track": True}):
        stage.note("multipart", left.send_multipart, [b"a", b"", b"ccc"], **arguments)
        stage.note("recv multipart", right.recv_multipart, **arguments)
    left.send_multipart([b"1", b"2", b"3", b"4"])
    for arguments in ({"copy": False}, {}, {"copy": False, "track": True}, {"copy": True}):
        stage.note("one frame", right.recv, **arguments)
        stage.note("RCVMORE", lambda: right.getsockopt(zmq.RCVMORE))
        stage.note("get", lambda: right.get(zmq.RCVMORE))
        stage.note("rcvmore", lambda: right.rcvmore)
    stage.note("nothing more", lambda: right.recv(zmq.NOBLOCK))
    left.send(b"a", zmq.SNDMORE)
    left.send(b"b", zmq.SNDMORE, copy=False)
    left.send(zmq.Frame(b"c"))
    stage.note("poll", lambda: right.poll(10_000))
    stage.note("first", right.recv)
    stage.note("the rest", right.recv_multipart)
    left.send_multipart((b"x", bytearray(b"y")), zmq.SNDMORE)
    left.send(b"z")
    stage.note("three", right.recv_multipart)
    left.send_serialized("xy", lambda text: [text.encode(), b"z"])
    stage.note("serialized", lambda: right.recv_serialized(lambda parts: b"".join(parts)))
    left.send_serialized("xy", lambda text: [text.encode(), b"z"], copy=False)
    stage.note("serialized frames", lambda: right.recv_serialized(lambda parts: [f.bytes for f in parts], copy=False))
    left.send_multipart([b"a", b"b"])
    stage.note("string of many", right.recv_string)
    stage.note("the other", right.recv_string)


def buffers(stage: Stage) -> None:
    left, right = stage.pair(zmq.PUSH, zmq.PULL)
    buffer = bytearray(4)
    for size in (0, 2, 4, 6):
        left.send(b"x" * size)
        stage.note("recv into", lambda: right.recv_into(buffer))
        stage.note("buffer", lambda: bytes(buffer))
        left.send_multipart([b"a" * size, b"b" * size, b"c" * size])
        for nbytes in (0, 1, 3):
            stage.note("recv into", right.recv_into, buffer, nbytes=nbytes)
            stage.note("buffer", lambda: bytes(buffer))
            stage.note("more", lambda: right.rcvmore)
    left.send_multipart([b"a", b"bb", b"cc"])
    stage.note("first", right.recv)
    for wrong in (b"read-only", "text", 1):
        stage.note("wrong buffer", right.recv_into, wrong)
    stage.note("negative", lambda: right.recv_into(buffer, nbytes=-1))
    stage.note("too many", lambda: right.recv_into(buffer, nbytes=5))
    stage.note("flags", lambda: right.recv_into(buffer, flags=zmq.NOBLOCK))
    stage.note("into nothing", lambda: right.recv_into(bytearray()))
    stage.note("nothing there", lambda: right.recv_into(buffer, flags=zmq.NOBLOCK))


def objects(stage: Stage) -> None:
    left, right = stage.pair(zmq.PUSH, zmq.PULL)
    value: Any
    for value in ({"a": [1, None, "ä"]}, [], "text", 1.5, None, {"data": 1}):
        stage.note("json", left.send_json, value)
        stage.note("recv json", right.recv_json)
        stage.note("pyobj", left.send_pyobj, value)
        stage.note("recv pyobj", right.recv_pyobj)
    left.send_json({"b": 1, "a": 2}, sort_keys=True, separators=(",", ":"))
    stage.note("keywords", lambda: right.recv_json(parse_int=str))
    left.send_string("ä", encoding="latin-1")
    stage.note("latin", lambda: right.recv_string(encoding="latin-1"))
    left.send_unicode("ö")
    stage.note("unicode", right.recv_unicode)
    for receive in (right.recv_json, right.recv_pyobj, right.recv_string):
        left.send(b"\xff{")
        stage.note("undecodable", receive)
    left.send(b"x")
    stage.note("serialized", lambda: right.recv_serialized(lambda parts: parts[1]))
    left.send_multipart([b"[1]", b"[2]"])
    stage.note("json of the first", right.recv_json)
    stage.note("more", lambda: right.rcvmore)
    stage.note("json of the second", right.recv_json)
    left.send_pyobj({"a": 1}, zmq.SNDMORE)
    left.send_json({"a": 2})
    stage.note("two objects", lambda: [right.recv_pyobj(), right.recv_json()])


def nothing_there(stage: Stage) -> None:
    for kind in (zmq.PULL, zmq.DEALER, zmq.ROUTER, zmq.REP, zmq.SUB, zmq.PAIR):
        socket = stage.socket(kind)
        socket.bind(f"inproc://{kind}")
        for name in ("recv", "recv_multipart", "recv_json", "recv_pyobj", "recv_string"):
            stage.note(name, getattr(socket, name), zmq.NOBLOCK)
        socket.rcvtimeo = 10
        stage.note("timeout", socket.recv)
        stage.note("poll", socket.poll, 0)
        stage.note("EVENTS", int, socket.EVENTS & zmq.POLLIN)


def nobody_there(stage: Stage) -> None:
    for kind in (zmq.PUSH, zmq.DEALER, zmq.REQ, zmq.PAIR):
        socket = stage.socket(kind)
        socket.bind(f"inproc://{kind}")
        stage.note("send", socket.send, b"x", zmq.NOBLOCK)
        stage.note("multipart", socket.send_multipart, [b"x", b"y"], zmq.NOBLOCK)
        stage.note("json", socket.send_json, {}, zmq.NOBLOCK)
        socket.sndtimeo = 10
        stage.note("timeout", socket.send, b"x")
        socket.sndtimeo = 0
        stage.note("no time at all", socket.send, b"x")
    router = stage.socket(zmq.ROUTER, router_mandatory=1)
    router.bind("inproc://router")
    stage.note("unknown peer", lambda: router.send_multipart([b"nobody", b"x"]))
    stage.note("wrong direction", lambda: stage.socket(zmq.PULL).send(b"x"))
    stage.note("wrong direction", lambda: stage.socket(zmq.PUSH).recv())


def full_queue(stage: Stage) -> None:
    left, right = stage.socket(zmq.PUSH, sndhwm=2), stage.socket(zmq.PULL, rcvhwm=2)
    right.bind("inproc://full")
    left.connect("inproc://full")
    for number in range(6):
        stage.note("send", left.send, bytes([number]), zmq.NOBLOCK)
        stage.note("frames", left.send_multipart, [bytes([number]), b"x"], zmq.NOBLOCK)
    left.sndtimeo = 20
    stage.note("timeout", left.send, b"late")
    stage.note("timeout of frames", left.send_multipart, [b"late", b"x"])
    stage.note("timeout of a frame", left.send, zmq.Frame(b"late"), copy=False)
    stage.note("all arrive", lambda: [right.recv_multipart(zmq.NOBLOCK) for _ in range(4)])
    stage.note("no more", right.recv, zmq.NOBLOCK)
    stage.note("room again", left.send, b"y")
    stage.note("arrives", right.recv)


def requests(stage: Stage) -> None:
    client, server = stage.pair(zmq.REQ, zmq.REP)
    stage.note("out of turn", client.recv)
    stage.note("out of turn", lambda: server.send(b"x"))
    for parts in ([b"a"], [b"a", b"b"], [b""]):
        client.send_multipart(parts)
        stage.note("twice", lambda: client.send(b"x"))
        stage.note("request", server.recv_multipart)
        server.send_multipart([*parts, b"reply"])
        stage.note("reply", client.recv_multipart)
    # Out of turn as long as frames are left.
    for count in (2, 3):
        parts = [b"%d" % number for number in range(count)]
        client.send_multipart(parts)
        for part in parts:
            stage.note("send", server.send, b"x")
            stage.note("send more", server.send, b"x", zmq.SNDMORE)
            stage.note("json", server.send_json, {})
            stage.note(f"request {part!r}", server.recv)
        server.send_multipart(parts)
        for part in parts:
            stage.note("send", client.send, b"x")
            stage.note("send more", client.send, b"x", zmq.SNDMORE)
            stage.note(f"reply {part!r}", client.recv)


def routing(stage: Stage) -> None:
    dealer = stage.socket(zmq.DEALER, identity=b"dealer")
    requester = stage.socket(zmq.REQ, identity=b"requester")
    router = stage.socket(zmq.ROUTER)
    router.bind("inproc://router")
    dealer.connect("inproc://router")
    requester.connect("inproc://router")
    for parts in ([b"x"], [b"", b"x"], [b"", b"x", b"y"], [b""]):
        dealer.send_multipart(parts)
        message = stage.note("from a dealer", router.recv_multipart)
        router.send_multipart(message)
        stage.note("back", dealer.recv_multipart)
    requester.send_multipart([b"x", b"y"])
    message = stage.note("from a requester", lambda: router.recv_multipart(copy=False))
    router.send_multipart(message)
    stage.note("back", requester.recv_multipart)
    dealer.send(b"frame by frame")
    stage.note("identity", router.recv)
    stage.note("more", lambda: router.rcvmore)
    stage.note("payload", lambda: router.recv(copy=False))
    stage.note("no more", lambda: router.rcvmore)


def topics(stage: Stage) -> None:
    publisher, subscriber = stage.socket(zmq.XPUB), stage.socket(zmq.SUB)
    publisher.bind("inproc://topics")
    subscriber.subscribe = b"a"
    subscriber.connect("inproc://topics")
    stage.note("subscription", publisher.recv)
    publisher.send_multipart([b"b", b"1"])
    publisher.send_multipart([b"a", b"2"])
    publisher.send(b"a3")
    stage.note("topic", subscriber.recv_multipart)
    stage.note("topic", subscriber.recv_multipart)
    stage.note("sub sends", lambda: subscriber.send(b"x"))
    subscriber.unsubscribe("a")
    stage.note("unsubscription", publisher.recv)
    upward = stage.socket(zmq.XSUB)
    upward.connect("inproc://topics")
    upward.send(b"\x01z")
    stage.note("by message", publisher.recv_multipart)
    publisher.send(b"z")
    stage.note("of a message", upward.recv_multipart)


def endpoints(stage: Stage) -> None:
    socket = stage.socket(zmq.PULL)
    for address in ("nonsense", "tcp://", "ipc://", "inproc:", "tcp://127.0.0.1:99999999", 1, None, b"\xff"):
        stage.note("bind", socket.bind, address)
        stage.note("connect", socket.connect, address)
        stage.note("unbind", socket.unbind, address)
        stage.note("disconnect", socket.disconnect, address)
    with socket.bind("inproc://managed") as bound:
        stage.note("bound", lambda: bound is socket)
        other = stage.socket(zmq.PULL)
        stage.note("taken", lambda: other.bind("inproc://managed"))
    stage.note("free", lambda: type(other.bind("inproc://managed")).__name__)
    with other.connect("inproc://other"):
        pass
    stage.note("disconnected", lambda: other.disconnect("inproc://other"))
    stage.note("a port", lambda: 0 < socket.bind_to_random_port("tcp://127.0.0.1") < 65536)
    stage.note("no port", lambda: socket.bind_to_random_port("tcp://127.0.0.1", 1, 2, 1))


def options(stage: Stage) -> None:
    socket = stage.socket(zmq.PUSH)
    socket.sndhwm = 17
    socket.set_hwm(18)
    socket.setsockopt(zmq.IDENTITY, b"me")
    stage.note("attribute", lambda: (socket.sndhwm, socket.identity, socket.hwm))
    stage.note("get", lambda: (socket.get(zmq.SNDHWM), socket.getsockopt(zmq.SNDHWM), socket.get_hwm()))
    stage.note("string", lambda: socket.get_string(zmq.IDENTITY))
    stage.note("no option", lambda: socket.get(99999))
    stage.note("unknown", lambda: setattr(socket, "no_such_option", 1))
    stage.note("unknown", lambda: socket.no_such_option)
    stage.note("write-only", lambda: socket.SUBSCRIBE)
    stage.note("type", lambda: (socket.type, socket.TYPE, socket.get(zmq.TYPE)))
    stage.note("dir", lambda: "SNDHWM" in dir(socket))
    stage.context.setsockopt(zmq.LINGER, 5)
    stage.note("default option", lambda: stage.socket(zmq.PUSH).get(zmq.LINGER) in (0, 5))
    stage.note("no such type", lambda: stage.context.socket(77))


def closing(stage: Stage) -> None:
    socket = stage.socket(zmq.PULL)
    socket.bind("inproc://closing")
    with socket as entered:
        stage.note("entered", lambda: entered is socket)
    stage.note("closed", lambda: (socket.closed, _text(socket)))
    calls: Dict[str, Call] = {
        "send": lambda: socket.send(b"x"),
        "send more": lambda: socket.send(b"x", zmq.SNDMORE),
        "multipart": lambda: socket.send_multipart([b"x"]),
        "json": lambda: socket.send_json({}),
        "recv": lambda: socket.recv(),
        "recv frame": lambda: socket.recv(copy=False),
        "recv json": lambda: socket.recv_json(),
        "recv multipart": lambda: socket.recv_multipart(),
        "recv into": lambda: socket.recv_into(bytearray(1)),
        "poll": lambda: socket.poll(0),
        "get": lambda: socket.get(zmq.RCVMORE),
        "getsockopt": lambda: socket.getsockopt(zmq.TYPE),
        "bind": lambda: socket.bind("inproc://x"),
        "unbind": lambda: socket.unbind("inproc://x"),
        "close": lambda: socket.close(),
    }
    for name, call in calls.items():
        stage.note(name, call)


def never_used(stage: Stage) -> None:
    for name in ("bind", "connect", "unbind", "disconnect"):
        socket = stage.socket(zmq.PULL)
        socket.close()
        stage.note(name, getattr(socket, name), "inproc://x")
    calls: Dict[str, Callable[[Any], Any]] = {
        "send": lambda socket: socket.send(b"x"),
        "json": lambda socket: socket.send_json({}),
        "recv": lambda socket: socket.recv(),
        "recv json": lambda socket: socket.recv_json(),
        "monitor": lambda socket: socket.monitor("inproc://events"),
        "no monitor": lambda socket: socket.monitor(None),
        "poll": lambda socket: socket.poll(0),
        "copy": lambda socket: copy.copy(socket),
        "linger": lambda socket: socket.close("soon"),
        "close": lambda socket: socket.close(),
    }
    for name, call in calls.items():
        socket = stage.socket(zmq.PULL)
        socket.close()
        stage.note(name, call, socket)


def copies(stage: Stage) -> None:
    left, right = stage.pair(zmq.PUSH, zmq.PULL)
    made = {
        "copy": copy.copy(right),
        "deepcopy": copy.deepcopy(right),
        "address": type(right).shadow(right.underlying),
        "shadow": type(right).shadow(right),
        "constructor": type(right)(right),
        "copy of a copy": copy.copy(copy.copy(right)),
    }
    for name, other in made.items():
        for one, two in ((right, other), (other, right)):
            left.send_multipart([b"1", b"2", b"3", b"4"])
            for socket in (one, two, one):
                stage.note(name, socket.recv)
                for known in (right, other):
                    stage.note("more", known.get, zmq.RCVMORE)
                    stage.note("poll", known.poll, 0)
            stage.note(name, two.recv)
    sender = copy.copy(left)
    sender.send(b"a", zmq.SNDMORE)
    left.send(b"b", zmq.SNDMORE)
    sender.send(b"c")
    stage.note("sent by both", right.recv_multipart)


def lifetimes(stage: Stage) -> None:
    socket = stage.context.socket(zmq.PULL)
    socket.bind("inproc://lifetimes")
    stage.note("repr", lambda: repr(socket))
    stage.note("hash", lambda: socket in {socket} and socket == socket and socket != stage.context)
    stage.note("pickle", lambda: pickle.dumps(socket))
    shadows = [copy.copy(socket)]
    stage.note("copy", lambda: (type(shadows[0]) is type(socket), shadows[0] == socket, shadows[0].closed))
    stage.note("of the same", lambda: shadows[0].underlying == socket.underlying)
    stage.note("shadow", lambda: type(socket).shadow(socket.underlying).get(zmq.TYPE))
    stage.note("constructor", lambda: type(socket)(socket).get(zmq.TYPE))
    stage.note("shadow of shadow", lambda: type(socket).shadow(shadows[0]).last_endpoint)
    shadows.clear()
    stage.note("still open", lambda: socket.closed)
    reference = weakref.ref(socket)
    gc.disable()
    with pytest.warns(ResourceWarning, match="Unclosed socket"):
        del socket
    stage.note("gone at once", lambda: reference() is None)
    gc.enable()
    other = type(stage.context).shadow(stage.context)
    stage.note("shadow context", lambda: (type(other) is type(stage.context), other.underlying))
    stage.transcript.pop()
    with other.socket(zmq.PUSH) as socket:
        stage.note("through a shadow", lambda: _text(socket))


SCENARIOS = [
    refused_data,
    refused_flags,
    refused_frames,
    never_used,
    copies,
    data_of_all_kinds,
    frames,
    buffers,
    objects,
    nothing_there,
    nobody_there,
    full_queue,
    requests,
    routing,
    topics,
    endpoints,
    options,
    closing,
    lifetimes,
]


def run(scenario: Callable[[Stage], None], context: Any, path: Path) -> List[Tuple[str, Any]]:
    path.mkdir()
    stage = Stage(context, path)
    try:
        scenario(stage)
    finally:
        stage.close()
        context.term()
    return stage.transcript


@pytest.mark.parametrize("carrier", ["none", "envelope", "trailer"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_our_classes(
    scenario: Callable[[Stage], None], carrier: str, registry: fdmetrics.Registry, tmp_path: Path
) -> None:
    expected = run(scenario, zmq.Context(), tmp_path / "pyzmq")
    context = fdmetrics.zmq.Context(carrier=carrier, registry=registry)
    assert run(scenario, context, tmp_path / "ours") == expected
    assert expected


@pytest.mark.parametrize("carrier", ["none", "envelope", "trailer"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_pyzmq_s_classes_while_they_are_instrumented(
    scenario: Callable[[Stage], None], carrier: str, registry: fdmetrics.Registry, tmp_path: Path
) -> None:
    expected = run(scenario, zmq.Context(), tmp_path / "pyzmq")
    with fdmetrics.zmq.instrument(carrier=carrier, registry=registry):
        assert run(scenario, zmq.Context(), tmp_path / "ours") == expected
    assert run(scenario, zmq.Context(), tmp_path / "again") == expected
