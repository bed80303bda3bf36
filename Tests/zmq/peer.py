# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""peer.py bind|connect TYPE CARRIER ENDPOINT COUNT SEED [check|dump|json|watch] [plain]

One end of a conversation, as peer.c, where the arguments are explained; `watch` is in watcher.c. With `plain` at the
end it is a program over pyzmq alone, and CARRIER is what the other end uses.
"""

from __future__ import annotations

import json
import select
import sys
from typing import Any

import zmq

TOPIC = b"topic"
HELLO = b'"hello"'
SIZES = (0, 1, 23, 24, 25, 33, 34, 255, 1000, 5000)
TIMEOUT_MILLISECONDS = 30_000


class PeerError(Exception):
    """Something else came than was expected."""


def expect(condition: object, what: str) -> None:
    """Ends the program unless this is so."""
    if not condition:
        raise PeerError(f"expected {what}")


def payload(seed: int, number: int, is_json: bool) -> list[bytes]:
    """Message `number` of a conversation; the same as payload.h makes."""
    state = (seed * 2654435761 + number * 40503 + 1) & 0xFFFFFFFF or 1

    def advance() -> int:
        nonlocal state
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        return state

    count = 1 + advance() % 3
    frames = []
    for _ in range(1 if is_json else count):
        size = SIZES[advance() % len(SIZES)]
        block = b"".join(advance().to_bytes(4, "little") for _ in range(4))
        if is_json:
            block = bytes(97 + byte % 26 for byte in block)
        frame = (block * (size // 16 + 1))[:size]
        frames.append(b'"' + frame + b'"' if is_json else frame)
    return frames


class Wire:
    """Whole messages over an instrumented socket."""

    def __init__(self, socket: Any, carrier: str) -> None:
        self.socket = socket
        self.carrier = carrier
        self.choose()

    def choose(self) -> None:
        """Sets the socket's carrier."""
        self.socket.carrier = self.carrier

    def send(self, frames: list[bytes], is_json: bool) -> None:
        """Sends a message whose last frame may be JSON."""
        if not is_json:
            self.socket.send_multipart(frames)
            return
        for frame in frames[:-1]:
            self.socket.send(frame, zmq.SNDMORE)
        self.socket.send_json(json.loads(frames[-1]))

    def receive(self, is_json: bool) -> tuple[list[bytes], int]:
        """Receives a message, and says how many bytes it has without what the carrier added."""
        if not is_json:
            frames = self.socket.recv_multipart()
            return frames, sum(map(len, frames))
        frames = []
        # The frames before the JSON are those of a head: a routing id, a delimiter, a topic.
        for _ in range(self.head):
            frames.append(self.socket.recv())
        frames.append(json.dumps(self.socket.recv_json()).encode())
        return frames, sum(map(len, frames))

    #: Frames before the payload of a message that is received.
    head = 0


class PlainWire(Wire):
    """The same over pyzmq alone: checks and takes off what the carrier of the instrumented peer adds."""

    def choose(self) -> None:
        """pyzmq's sockets have no carrier."""

    def receive(self, is_json: bool) -> tuple[list[bytes], int]:
        """Receives a message, and says how many bytes of it the peer counts."""
        frames = self.socket.recv_multipart()
        if self.carrier == "trailer":
            trailer = frames.pop()
            expect(frames and len(trailer) == 24 and trailer[:4] == b"FDM1", f"a trailer, got {trailer!r}")
        size = sum(map(len, frames))
        if is_json:
            envelope = json.loads(frames[-1])
            expect(envelope["__meta"]["send_ts"] > 0, f"a time stamp in {frames[-1]!r}")
            frames[-1] = json.dumps(envelope["data"]).encode()
        return frames, size


class Conversation:
    """What this end says and hears, and its totals."""

    def __init__(self, wire: Wire, kind: str, count: int, seed: int) -> None:
        self.wire = wire
        self.socket = wire.socket
        self.kind = kind
        self.count = count
        self.seed = seed
        self.is_json = wire.carrier == "envelope"
        self.totals = {"sent": 0, "sent_bytes": 0, "received": 0, "received_bytes": 0, "failed": 0}

    def send(self, frames: list[bytes]) -> None:
        """Sends a message."""
        self.wire.send(frames, self.is_json)
        self.totals["sent"] += 1
        self.totals["sent_bytes"] += sum(map(len, frames))

    def receive(self) -> list[bytes]:
        """Receives a message."""
        frames, size = self.wire.receive(self.is_json)
        self.totals["received"] += 1
        self.totals["received_bytes"] += size
        return frames

    def check(self, frames: list[bytes], seed: int, number: int) -> None:
        """The frames are those of this payload."""
        wanted = payload(seed, number, self.is_json)
        expect(frames == wanted, f"message {number} to be {wanted}, got {frames}")

    def send_refused(self, code: int) -> None:
        """A send that libzmq must refuse: it counts as failed, and nothing else happens."""
        try:
            self.socket.send(b"refused", zmq.SNDMORE if self.kind == "router" else 0)
        except zmq.ZMQError as error:
            expect(error.errno == code, f"errno {code}, got {error}")
            self.totals["failed"] += 1
        else:
            raise PeerError("a send was not refused")

    def send_all(self) -> None:
        """PUSH, PUB, XPUB."""
        head = [] if self.kind == "push" else [TOPIC]
        if self.kind == "pub":
            self.send([*head, HELLO])
            while not select.select([sys.stdin], [], [], 0.005)[0]:
                self.send([*head, HELLO])
        elif self.kind == "xpub":
            subscription = self.socket.recv_multipart()
            expect(subscription == [b"\1" + TOPIC], f"a subscription, got {subscription}")
        for number in range(self.count):
            self.send([*head, *payload(self.seed, number, self.is_json)])

    def receive_all(self) -> None:
        """PULL, SUB, XSUB."""
        head = [] if self.kind == "pull" else [TOPIC]
        self.wire.head = len(head)
        if self.kind == "xsub":
            self.socket.send(b"\1" + TOPIC)
        else:
            self.send_refused(zmq.ENOTSUP)
        number = 0
        is_ready = False
        while number < self.count:
            frames = self.receive()
            expect(frames[: len(head)] == head, f"a topic, got {frames}")
            if self.kind == "sub" and frames[1:] == [HELLO]:
                if not is_ready:
                    print("ready", flush=True)
                is_ready = True
                continue
            self.check(frames[len(head) :], self.seed, number)
            number += 1

    def request_all(self) -> None:
        """REQ, DEALER, and the PAIR that connects."""
        head = [b""] if self.kind == "dealer-rep" else []
        self.wire.head = len(head)
        for number in range(self.count):
            self.send(head + payload(self.seed, number, self.is_json))
            if number == 0 and self.kind == "req":
                self.send_refused(zmq.EFSM)
            frames = self.receive()
            expect(frames[: len(head)] == head, f"the head {head}, got {frames}")
            self.check(frames[len(head) :], self.seed + 1, number)

    def serve_all(self) -> None:
        """REP, ROUTER, and the PAIR that binds."""
        head = {"router": 1, "router-req": 2}.get(self.kind, 0)
        self.wire.head = head
        if self.kind == "rep":
            self.send_refused(zmq.EFSM)
        elif self.kind == "router":
            self.send_refused(zmq.EHOSTUNREACH)
        for number in range(self.count):
            frames = self.receive()
            self.check(frames[head:], self.seed, number)
            self.send(frames[:head] + payload(self.seed + 1, number, self.is_json))

    def hold(self, binds: bool) -> None:
        """Says and hears everything, and prints the totals."""
        base = self.kind.split("-")[0]
        if base in ("push", "pub", "xpub"):
            self.send_all()
        elif base in ("pull", "sub", "xsub"):
            self.receive_all()
        elif base in ("req", "dealer") or (base == "pair" and not binds):
            self.request_all()
        else:
            self.serve_all()
        print(json.dumps(self.totals), flush=True)


def print_messages(socket: Any, count: int) -> None:
    """Prints the frames of each message."""
    for _ in range(count):
        print(" ".join(frame.hex() or "-" for frame in socket.recv_multipart()))


def print_payloads(socket: Any, count: int) -> None:
    """Prints the payload of each JSON message."""
    for _ in range(count):
        try:
            value = socket.recv_json()
        except ValueError:
            print("undecodable")
        else:
            print("value", json.dumps(value).encode().hex())


def watch(socket: Any, endpoint: str, binds: bool) -> None:
    """Does what it is told, as watcher.c."""
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "close\n":
            return
        if line == "send\n":
            socket.send(b"x")
        else:
            (socket.unbind if binds else socket.disconnect)(endpoint)
        print("done", flush=True)


def main(arguments: list[str]) -> None:
    """Runs the program."""
    role, kind, carrier, endpoint, count, seed = arguments[:6]
    mode = arguments[6] if len(arguments) > 6 else "check"
    is_plain = arguments[-1] == "plain"
    if is_plain:
        context: Any = zmq.Context()
    else:
        import fdmetrics.zmq

        context = fdmetrics.zmq.Context(monitor=mode == "watch")
    socket = context.socket(getattr(zmq, kind.split("-")[0].upper()))
    socket.setsockopt(zmq.RCVTIMEO, TIMEOUT_MILLISECONDS)
    socket.setsockopt(zmq.SNDTIMEO, TIMEOUT_MILLISECONDS)
    socket.setsockopt(zmq.RECONNECT_IVL, 5)
    if mode == "watch":
        socket.linger = 0
    if kind.startswith("router"):
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    if kind == "sub":
        socket.subscribe(TOPIC)
    wire = PlainWire(socket, carrier) if is_plain else Wire(socket, carrier)
    (socket.bind if role == "bind" else socket.connect)(endpoint)
    if mode == "dump":
        print_messages(socket, int(count))
    elif mode == "json":
        print_payloads(socket, int(count))
    elif mode == "watch":
        watch(socket, endpoint, role == "bind")
    else:
        Conversation(wire, kind, int(count), int(seed)).hold(role == "bind")
    socket.close()
    context.term()


if __name__ == "__main__":
    main(sys.argv[1:])
