# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A Python worker: sends requests to the engine, and what they have used to the recorder. async_worker.py is the same
for asyncio.

worker.py NAME SEED ENGINE_ENDPOINT USAGE_ENDPOINT
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import Any

import fdmetrics.zmq
from ledger import say, step
from links import connect, connected, disconnected, received, sent
from traffic import PATIENCE, Requests


class Worker:
    """Two connections, with one request at a time."""

    def __init__(self, name: str, seed: str, engine: str, usage: str) -> None:
        self.requests = Requests(seed)
        self.context = fdmetrics.zmq.Context()
        with step(*connected("engine")):
            self.engine = connect(self.context, name, "engine", engine)
        with step(*connected("usage")):
            self.usage = connect(self.context, name, "usage", usage)

    def exchange(self) -> None:
        """One request and its reply, each counted where it happens."""
        request = self.requests.next()
        reply = self.ask(self.engine, "engine", request)
        usage = self.requests.answer(request, reply)
        self.requests.acknowledge(self.ask(self.usage, "usage", usage))
        time.sleep(self.requests.pause())

    def ask(self, socket: fdmetrics.zmq.Socket, link: str, question: Any) -> Any:
        """Sends a message and waits for the answer."""
        with step(sent(link)):
            socket.send_json(question)
        if not socket.poll(PATIENCE):
            self.requests.missing()
        with step(*received(link)):
            return socket.recv_json()

    def close(self) -> None:
        """Gives up the connections. The context waits for the threads that count that."""
        with step(*disconnected("engine"), *disconnected("usage")):
            self.context.destroy(linger=0)


def main() -> None:
    """Obeys run.py: `g` goes, `s` stops, the end of the input ends."""
    # Where nobody reads the ledger any more, there is nothing left to do.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    worker = Worker(*sys.argv[1:5])
    say("ready")
    while command := os.read(0, 1):
        if command == b"s":
            say("idle")
            continue
        while not select.select([0], [], [], 0)[0]:
            worker.exchange()
    worker.close()


if __name__ == "__main__":
    main()
