# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What recording adds to a message of 256 bytes of JSON between two Python processes, over ipc.

    python_zmq.py DIRECTORY

The environment must have FDMETRICS_DIR, PROMETHEUS_MULTIPROC_DIR, FDMETRICS_LIBRARY and a PYTHONPATH with fdmetrics.

Each way to send a message has a socket of its own; all are in one context, so that they share its thread. They take
turns message by message, in an order that changes with each turn: what is compared is milliseconds apart. The sender
sends all turns while the receiver sleeps, then the receiver takes what has arrived while the sender sleeps, so that
neither is timed while it waits. The figure is the median of the differences to the plain message of the same turn.

Much of a send is to wake the context's thread, which costs more the longer that has slept, so it depends on the call
before. Every call comes after every other one equally often, and the median is of many. Afterwards every counter of
both ends must be exact.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

TURNS = 250
BATCHES = 8
WARM_UP = 50
#: Messages of each way, one after the other as fast as they go.
FLAT_OUT = 4000
#: control is plain once more: what it seems to add is the error to expect of the others.
WAYS = ("plain", "control", "peer", "counting", "trailer", "envelope", "service")
#: How many bytes the payload has as JSON.
PAYLOAD_BYTES = 256

Call = Callable[..., Any]


def say(line: dict[str, Any]) -> None:
    """Prints a line in one piece: both processes print."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def payload() -> dict[str, str]:
    """The message."""
    from zmq.utils import jsonapi

    message = {"request_id": "chatcmpl-0123456789abcdef", "text": ""}
    message["text"] = "x" * (PAYLOAD_BYTES - len(jsonapi.dumps(message)))
    return message


class End:
    """One process's sockets, one for each way. Made after the fork."""

    def __init__(self, directory: str, sends: bool) -> None:
        import zmq
        from zmq_peer import Peer

        import fdmetrics.zmq
        from fdmetrics.fastdeploy import ZmqIpcClient, ZmqIpcServer

        cpus = sorted(os.sched_getaffinity(0))
        self.context = fdmetrics.zmq.Context()
        self.context.set(zmq.THREAD_AFFINITY_CPU_ADD, cpus[-1])
        os.sched_setaffinity(0, {cpus[0]})
        kind = zmq.PUSH if sends else zmq.PULL
        self.sockets: list[Any] = []
        self.calls: dict[str, Call] = {}
        for way in WAYS:
            address = f"ipc://{directory}/{way}"
            if way == "service":
                keywords: dict[str, Any] = {"directory": directory, "context": self.context}
                service: Any = (ZmqIpcClient if sends else ZmqIpcServer)(way, kind, **keywords)
                if sends:
                    service.connect()
                service.socket.setsockopt(zmq.SNDHWM if sends else zmq.RCVHWM, 0)
                self.calls[way] = service.send_json if sends else service.recv_json
                self.sockets.append(service)
                continue
            plain = way in ("plain", "control", "peer")
            socket: Any = zmq.Socket(self.context, kind) if plain else self.context.socket(kind)
            socket.setsockopt(zmq.SNDHWM if sends else zmq.RCVHWM, 0)
            socket.setsockopt(zmq.LINGER, 0)
            if way in ("trailer", "envelope"):
                socket.carrier = way
            if sends:
                socket.connect(address)
            else:
                socket.bind(address)
            self.calls[way] = socket.send_json if sends else socket.recv_json
            if way == "peer":
                peer = Peer(address)
                self.calls[way] = self.through(peer.send_json if sends else peer.recv_json, socket)
            self.sockets.append(socket)

    @staticmethod
    def through(call: Call, socket: Any) -> Call:
        """The peer's call with its socket. A closure, as cheap as can be: the peer pays for it."""
        return lambda *arguments: call(socket, *arguments)

    def close(self) -> None:
        for socket in self.sockets:
            socket.close()
        self.context.term()


class Turns:
    """The times of one end's calls, turn by turn."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {way: [] for way in WAYS}
        self.random = random.Random(20)

    def take(self, calls: dict[str, Call], *arguments: Any) -> None:
        clock = time.perf_counter
        order = list(WAYS)
        for _ in range(TURNS):
            self.random.shuffle(order)
            for way in order:
                call = calls[way]
                start = clock()
                call(*arguments)
                end = clock()
                self.times[way].append(end - start)

    def report(self, end: str) -> None:
        plain = self.times["plain"]
        for way in WAYS:
            line = {"program": "zmq-python", "op": way, f"{end}_ns": median(self.times[way]) * 1e9}
            line[f"{end}_added_ns"] = median(a - b for a, b in zip(self.times[way], plain)) * 1e9
            say(line)


def wait(pipe: int) -> None:
    """Until the other process says so; its end is the end of this one."""
    if os.read(pipe, 1) != b".":
        sys.exit("the other process has ended")


def send(directory: str, go: int, went: int) -> None:
    """The process that sends."""
    end, message, turns = End(directory, sends=True), payload(), Turns()
    wait(go)
    for way in WAYS:
        for _ in range(WARM_UP):
            end.calls[way](message)
    gc.collect()
    gc.disable()
    for _ in range(BATCHES):
        turns.take(end.calls, message)
        os.write(went, b".")
        wait(go)
    turns.report("send")
    # Left to itself the scheduler places the two processes and their threads, as it does in a service.
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    for way in WAYS:
        wait(go)
        call = end.calls[way]
        for _ in range(FLAT_OUT + 1):
            call(message)
    wait(go)
    end.close()


def receive(directory: str, go: int, went: int) -> None:
    """The process that receives, and says when."""
    end, message, turns = End(directory, sends=False), payload(), Turns()
    os.write(go, b".")
    for way in WAYS:
        for _ in range(WARM_UP):
            if end.calls[way]() != message:
                sys.exit(f"{way}: the message is not the one that was sent")
    gc.collect()
    gc.disable()
    for _ in range(BATCHES):
        wait(went)
        time.sleep(0.02)  # The last messages arrive.
        turns.take(end.calls)
        os.write(go, b".")
    turns.report("receive")
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    for way in WAYS:
        call = end.calls[way]
        os.write(go, b".")
        call()
        start = time.perf_counter()
        for _ in range(FLAT_OUT):
            call()
        elapsed = (time.perf_counter() - start) / FLAT_OUT * 1e9
        say({"program": "zmq-python", "op": way, "flat_out_ns": elapsed})
    os.write(go, b".")
    end.close()


def samples(text: str) -> dict[str, float]:
    """The samples of a rendered text."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def verify(directory: str) -> None:
    """Ends the process when a library did not record what was sent."""
    import prometheus_client
    from prometheus_client import multiprocess

    import fdmetrics

    registry = prometheus_client.CollectorRegistry()
    collect: Any = multiprocess.MultiProcessCollector  # It has no annotations.
    collect(registry)
    found = samples(fdmetrics.generate_latest().decode() + prometheus_client.generate_latest(registry).decode())
    expected = WARM_UP + BATCHES * TURNS + FLAT_OUT + 1
    for way in WAYS[2:]:
        label = f'{{address="ipc://{directory}/{way}{".socket" if way == "service" else ""}"}}'
        prefix = "peer_zmq_" if way == "peer" else "fastdeploy:zmq:msg_"
        latency = "peer_zmq_latency" if way == "peer" else "fastdeploy:zmq:latency"
        counts = {f"{prefix}send_total{label}": expected, f"{prefix}recv_total{label}": expected}
        counts[f"{latency}_count{label}"] = 0 if way == "counting" else expected
        for name, count in counts.items():
            if found.get(name, 0.0) != count:
                sys.exit(f"{name} is {found.get(name)}, but {count} messages were sent")


def main() -> None:
    directory = sys.argv[1]
    go, went = os.pipe(), os.pipe()
    children = []
    for run, pipes, unused in (
        (send, (go[0], went[1]), (go[1], went[0])),
        (receive, (go[1], went[0]), (go[0], went[1])),
    ):
        child = os.fork()
        if child == 0:
            for pipe in unused:
                os.close(pipe)
            run(directory, *pipes)
            os._exit(0)
        children.append(child)
    for pipe in (*go, *went):
        os.close(pipe)
    for child in children:
        if os.waitpid(child, 0)[1] != 0:
            sys.exit("a process failed")
    verify(directory)


if __name__ == "__main__":
    main()
