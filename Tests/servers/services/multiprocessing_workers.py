# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A supervisor that keeps four workers running with multiprocessing. It does not import fdmetrics itself.

multiprocessing_workers.py fork|spawn|forkserver SOCKET
"""

from __future__ import annotations

import multiprocessing
import signal
import socket
import sys
import types
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

WORKERS = 4


def work(listener: socket.socket) -> None:
    """What a worker does; the import is its own."""
    # A forked worker has the supervisor's handler, and each the signals that it had blocked.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    import plain_service

    plain_service.serve(listener)


def supervise(method: str, path: str) -> None:
    """Replaces workers that have ended, for ever."""
    context = multiprocessing.get_context(method)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(128)
    workers: list[BaseProcess] = []

    def end(_signal: int, _frame: types.FrameType | None) -> None:
        for each in workers:
            each.terminate()
            each.join()
        sys.exit()

    signal.signal(signal.SIGTERM, end)
    while True:
        while len(workers) < WORKERS:
            # A signal in between would leave a worker that nobody ends.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            worker = context.Process(target=work, args=(listener,))  # type: ignore[attr-defined]
            worker.start()
            workers.append(worker)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        ended = wait([each.sentinel for each in workers])
        for each in [each for each in workers if each.sentinel in ended]:
            each.join()
            workers.remove(each)


if __name__ == "__main__":
    supervise(*sys.argv[1:3])
