# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's two ZeroMQ links, and what a worker writes into its ledger for a message of one.

engine: the workers' DEALER sockets and the Swift engine's ROUTER, with requests and their replies.
usage:  the workers' REQ sockets and the C recorder's REP, with what each request has used.

Nobody calls a metric for a message: the sockets record by themselves.
"""

from __future__ import annotations

from typing import Any, Tuple

import zmq

#: The type of a worker's socket by the link that it is for.
LINKS = {"engine": zmq.DEALER, "usage": zmq.REQ}


def sent(link: str) -> str:
    """A message that is sent."""
    return f'inc fastdeploy:zmq:msg_send_total{{address="{link}"}} 1'


def received(link: str) -> Tuple[str, str]:
    """A message that is received, which says when it was sent."""
    series = f'{{address="{link}"}} 1'
    return f"inc fastdeploy:zmq:msg_recv_total{series}", f"inc fastdeploy:zmq:latency_count{series}"


def connected(link: str) -> Tuple[str, str]:
    """A connection that is made."""
    series = f'{{address="{link}"}} 1'
    return f"inc fastdeploy:zmq:connected_total{series}", f"set fastdeploy:zmq:connections{series}"


def disconnected(link: str) -> Tuple[str, str]:
    """A connection that is ended."""
    series = f'{{address="{link}"}}'
    return f"inc fastdeploy:zmq:disconnected_total{series} 1", f"set fastdeploy:zmq:connections{series} 0"


def carrier(name: str) -> str:
    """How the messages of a worker say when they were sent: as one more frame, or around the JSON.

    Whoever receives them takes both. Two workers use the one, then two the other.
    """
    return "trailer" if (int(name.rpartition("-")[2]) - 1) % 4 < 2 else "envelope"


def connect(context: Any, name: str, link: str, endpoint: str) -> Any:
    """A worker's socket for a link; the context is one of fdmetrics.zmq, or of fdmetrics.zmq.asyncio."""
    # Both ends give the link the same name, and so share its series; without one it would be the endpoint.
    socket = context.socket(LINKS[link], carrier=carrier(name), link=link)
    socket.routing_id = name.encode()
    # Opt-in: a thread that counts what becomes of the connection.
    socket.watch_connections()
    socket.connect(endpoint)
    return socket
