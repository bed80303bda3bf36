# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""link.py ask|answer NAME ENDPOINT COUNT: one end of a REQ/REP link, in Python."""

from __future__ import annotations

import sys

import zmq

import fdmetrics.zmq


def main(action: str, name: str, endpoint: str, count: str) -> None:
    """Asks or answers so many times."""
    # pyzmq as ever, but for the Context. With the trailer the receiver knows the latency. The messages are counted in
    # the store of all processes of the service: FDMETRICS_DIR.
    with fdmetrics.zmq.Context() as context, context.socket(zmq.REQ if action == "ask" else zmq.REP) as socket:
        socket.carrier = "trailer"
        # Without a name the link is called as its endpoint.
        socket.link = name
        if action == "ask":
            socket.connect(endpoint)
            for number in range(int(count)):
                socket.send_string(f"message {number} from Python")
                socket.recv_string()
        else:
            socket.bind(endpoint)
            for _ in range(int(count)):
                socket.recv_string()
                socket.send_string("answer from Python")


if __name__ == "__main__":
    main(*sys.argv[1:])
