# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Many connections that hang, from a process of their own.

crowd.py PORT COUNT TEXT   opens COUNT connections, sends TEXT on each, and says "open" when all were opened; then opens
                           each again that the server closes, and says how many that were when standard input ends
"""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import sys


def main() -> None:
    port, count, text = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode().decode("unicode_escape").encode()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 200, hard), hard))
    poll = select.epoll()
    clients: dict[int, socket.socket] = {}

    def connect() -> None:
        client = socket.socket()
        client.settimeout(30)
        # Many are closed by the server at once, to make room for others.
        with contextlib.suppress(ConnectionError, TimeoutError):
            client.connect(("127.0.0.1", port))
            client.sendall(text)
            client.setblocking(False)
            clients[client.fileno()] = client
            poll.register(client.fileno(), select.EPOLLIN | select.EPOLLRDHUP)

    for _ in range(count):
        connect()
    print("open", flush=True)
    again = 0
    is_asked = False
    while not is_asked:
        # Not more than some hundred a second: it is the number that counts, not the speed.
        for descriptor, _event in poll.poll(0, maxevents=20):
            poll.unregister(descriptor)
            clients.pop(descriptor).close()
            connect()
            again += 1
        is_asked = bool(select.select([sys.stdin], [], [], 0.05)[0])
    print(again, flush=True)


if __name__ == "__main__":
    main()
