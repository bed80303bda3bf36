# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Whether recording messages takes memory, in Python: what is allocated after very many, less what was before.

The environment must have FDMETRICS_DIR, FDMETRICS_LIBRARY and a PYTHONPATH with fdmetrics. Allocated is what malloc has
given out, libzmq's and the library's own memory included, and the blocks of Python's own allocator. Each loop has run
before it is looked at: what is made once, at the first message, is no growth.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from array import array
from collections.abc import Callable

import zmq

import fdmetrics
import fdmetrics.zmq
from fdmetrics import _link

RECORDINGS = 10_000_000
MESSAGES = 500_000
PAYLOAD = b"x" * 256
#: A block of Python's allocator is at least that large.
BLOCK_BYTES = 16


class _MallInfo(ctypes.Structure):
    """struct mallinfo2."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in _names.split()]


_mallinfo2 = ctypes.CDLL(None).mallinfo2
_mallinfo2.restype = _MallInfo


def note(readings: array[int], place: int) -> None:
    """Notes what is allocated now, where it takes no memory: malloc's bytes, and Python's blocks."""
    gc.collect()
    info = _mallinfo2()
    readings[place] = info.uordblks + info.hblkhd
    del info
    readings[place + 1] = sys.getallocatedblocks()


def grown(op: str, loop: Callable[[int], None], count: int) -> None:
    """Prints by how much a loop makes the process grow."""
    readings = array("q", [0] * 4)
    note(readings, 0)
    loop(count // 10)
    note(readings, 0)
    loop(count)
    note(readings, 2)
    malloc, blocks = readings[2] - readings[0], readings[3] - readings[1]
    line = {"program": "zmq-python", "op": op, "messages": count, "malloc_bytes": malloc, "blocks": blocks}
    print(json.dumps({**line, "growth_bytes": malloc + BLOCK_BYTES * blocks}), flush=True)


def recording() -> Callable[[int], None]:
    """A loop that records messages which nobody sends: sent, and received with a trailer."""
    recorder = _link.LinkRecorder()
    recorder.choose(name="direct")
    calls = recorder.calls()
    if calls is None:
        sys.exit("the library gives no link")
    sent, received_trailer, trailer = calls.sent, calls.received_trailer, calls.trailer

    def record(count: int) -> None:
        for _ in range(count):
            sent(256)
            received_trailer(256, trailer())

    return record


def main() -> None:
    grown("heap_recordings", recording(), RECORDINGS)
    context = fdmetrics.zmq.Context()
    totals = {"direct": RECORDINGS + RECORDINGS // 10}
    for carrier, op in (("none", "heap_counting"), ("trailer", "heap_trailer")):
        address = f"inproc://{carrier}"
        totals[address] = MESSAGES + MESSAGES // 10
        with context.socket(zmq.PULL) as receiver, context.socket(zmq.PUSH) as sender:
            sender.carrier = carrier
            receiver.bind(address)
            sender.connect(address)
            send, receive = sender.send, receiver.recv

            def pass_on(count: int, send: Callable[..., object] = send, receive: Callable[[], bytes] = receive) -> None:
                for _ in range(count):
                    send(PAYLOAD)
                    receive()

            grown(op, pass_on, MESSAGES)
    context.term()
    lines = (line.rsplit(" ", 1) for line in fdmetrics.generate_latest().decode().splitlines() if line[:1] != "#")
    found = {name: float(value) for name, value in lines}
    for address, total in totals.items():
        for name in ("msg_send", "msg_recv"):
            counted = found.get(f'fastdeploy:zmq:{name}_total{{address="{address}"}}')
            if counted != total:
                sys.exit(f"{address}: fastdeploy:zmq:{name}_total is {counted}, but {total} were recorded")


if __name__ == "__main__":
    main()
