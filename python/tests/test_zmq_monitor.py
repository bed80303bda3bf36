# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Connections made, accepted, lost, retried and refused."""

from __future__ import annotations

import asyncio
import signal
import socket as sockets_of_the_system
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest
import zmq

import fdmetrics.zmq
import fdmetrics.zmq.asyncio
from fdmetrics import Registry
from fdmetrics.zmq import _monitor

from .support import Samples, environment

NAMES = ("connected", "accepted", "disconnected", "connect_retried", "handshake_failed")


def connections(registry: Registry, address: str) -> Dict[str, Any]:
    samples = Samples(registry)
    found = {name: samples.get(f"fastdeploy:zmq:{name}_total", address=address) for name in NAMES}
    found["connections"] = samples.get("fastdeploy:zmq:connections", address=address)
    return found


def reach(
    registry: Registry, address: str, meanwhile: Callable[[], None] = lambda: None, **expected: int
) -> Dict[str, Any]:
    """Waits until these are the numbers."""
    limit = time.monotonic() + 20
    while True:
        meanwhile()
        found = connections(registry, address)
        if {name: found[name] for name in expected} == expected:
            return found
        assert time.monotonic() < limit, f"{expected} is expected, not {found}"
        time.sleep(0.01)


@pytest.fixture
def watched(registry: Registry) -> Iterator[Callable[[int], Any]]:
    """Makes sockets that are watched; there is no thread more after the test."""
    context = fdmetrics.zmq.Context(registry=registry, monitor=True)
    context.linger = 0
    opened: List[Any] = []

    def make(kind: int) -> Any:
        opened.append(context.socket(kind))
        return opened[-1]

    yield make
    for socket in opened:
        socket.close()
    context.term()
    limit = time.monotonic() + 20
    while any(isinstance(thread, _monitor.ConnectionWatcher) for thread in threading.enumerate()):
        assert time.monotonic() < limit
        time.sleep(0.01)


PEER = """
import sys, zmq
context = zmq.Context()
socket = context.socket(zmq.PUSH)
socket.connect(sys.argv[1])
socket.send(b"here")
print("here", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_a_peer_that_is_killed_ten_times_counts_ten(
    transport: str, watched: Any, registry: Registry, tmp_path: Path
) -> None:
    server = watched(zmq.PULL)
    server.bind(f"ipc://{tmp_path}/s" if transport == "ipc" else "tcp://127.0.0.1:*")
    address = server.link
    for number in range(1, 11):
        peer = subprocess.Popen(
            [sys.executable, "-c", PEER, address], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert server.recv() == b"here"
        reach(registry, address, accepted=number, connections=1)
        peer.send_signal(signal.SIGKILL)
        peer.communicate()
        reach(registry, address, disconnected=number, connections=0)
    assert connections(registry, address) == {
        "connected": 0,
        "accepted": 10,
        "disconnected": 10,
        "connect_retried": 0,
        "handshake_failed": 0,
        "connections": 0,
    }


def test_both_ends_of_a_connection_count(watched: Any, registry: Registry, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"
    client, server = watched(zmq.DEALER), watched(zmq.ROUTER)
    server.bind(address)
    client.connect(address)
    reach(registry, address, connected=1, accepted=1, connections=2)
    client.close()
    reach(registry, address, disconnected=2, connections=0)


def test_a_socket_that_is_closed_has_no_connections(watched: Any, registry: Registry, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"
    server = watched(zmq.PULL)
    server.bind(address)
    with zmq.Context() as plain, plain.socket(zmq.PUSH) as client:
        client.linger = 0
        client.connect(address)
        reach(registry, address, accepted=1, connections=1)
        server.close()
        reach(registry, address, disconnected=1, connections=0)


def test_retries_and_strangers(watched: Any, registry: Registry) -> None:
    client = watched(zmq.PUSH)
    client.reconnect_ivl = 1
    with sockets_of_the_system.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client.connect(f"tcp://127.0.0.1:{port}")
    limit = time.monotonic() + 20
    while not connections(registry, client.link)["connect_retried"]:
        assert time.monotonic() < limit
        time.sleep(0.01)
    assert connections(registry, client.link)["connected"] == 0
    server = watched(zmq.PULL)
    server.bind("tcp://127.0.0.1:*")
    with sockets_of_the_system.create_connection(("127.0.0.1", int(server.link.rpartition(":")[2]))) as stranger:
        # A greeting of ZMTP 3.0 that wants another mechanism than the server's.
        stranger.sendall(b"\xff" + bytes(8) + b"\x7f\x03\0" + b"PLAIN".ljust(20, b"\0") + bytes(32))
        reach(registry, server.link, accepted=1, handshake_failed=1, disconnected=1, connections=0)


def test_a_connection_that_the_socket_itself_gives_up_has_ended(
    watched: Any, registry: Registry, tmp_path: Path
) -> None:
    address = f"ipc://{tmp_path}/s"
    client = watched(zmq.PUSH)
    client.link = "client"
    with zmq.Context() as plain, plain.socket(zmq.PULL) as server:
        server.bind(address)
        for number in (1, 2):
            client.connect(address)
            reach(registry, "client", connected=number, connections=1)
            # libzmq's monitor tells nothing of this.
            client.disconnect(address)
            assert connections(registry, "client")["disconnected"] == number
            assert connections(registry, "client")["connections"] == 0
    client.close()
    assert connections(registry, "client")["disconnected"] == 2


def test_a_server_that_is_unbound_has_lost_its_clients(watched: Any, registry: Registry, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"
    server, client = watched(zmq.PULL), watched(zmq.PUSH)
    server.link, client.link = "server", "client"
    server.bind(address)
    client.connect(address)
    reach(registry, "server", accepted=1, connections=1)
    reach(registry, "client", connected=1, connections=1)
    server.unbind(address)
    assert connections(registry, "server")["disconnected"] == 1
    assert connections(registry, "server")["connections"] == 0

    def use() -> None:
        with pytest.raises(zmq.Again):
            server.recv(zmq.NOBLOCK)

    # It is so: libzmq lets go of them when the socket is used once its I/O thread has ended the connections.
    reach(registry, "client", use, disconnected=1, connections=0)
    server.close()
    assert connections(registry, "server")["disconnected"] == 1


def test_a_connection_ends_where_it_was_counted(watched: Any, registry: Registry, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"
    server, client = watched(zmq.PULL), watched(zmq.PUSH)
    server.link = "server"
    server.bind(address)
    client.connect(address)
    reach(registry, address, connected=1, connections=1)
    client.link = "named later"
    client.close()
    reach(registry, address, disconnected=1, connections=0)
    assert set(connections(registry, "named later").values()) <= {0, None}


@pytest.mark.parametrize("kind", [zmq.STREAM, zmq.ROUTER])
def test_raw_tcp_has_no_handshakes(kind: int, watched: Any, registry: Registry) -> None:
    server, client = watched(kind), watched(kind)
    if kind == zmq.ROUTER:
        server.router_raw = client.router_raw = 1
    server.link, client.link = "server", "client"
    port = server.bind_to_random_port("tcp://127.0.0.1")
    client.connect(f"tcp://127.0.0.1:{port}")
    reach(registry, "server", accepted=1, connections=1)
    reach(registry, "client", connected=1, connections=1)
    client.close()
    reach(registry, "server", disconnected=1, connections=0)
    reach(registry, "client", disconnected=1, connections=0)


def test_who_terminates_the_context_finds_all_connections_ended(registry: Registry, tmp_path: Path) -> None:
    for number in range(1, 21):
        with zmq.Context() as plain, plain.socket(zmq.PUSH) as client:
            client.linger = 0
            context = fdmetrics.zmq.Context(registry=registry, monitor=True)
            server = context.socket(zmq.PULL)
            server.link = "server"
            server.bind(f"ipc://{tmp_path}/{number}")
            client.connect(f"ipc://{tmp_path}/{number}")
            reach(registry, "server", accepted=number)
            server.close()
            context.term()
            assert connections(registry, "server")["disconnected"] == number
            assert connections(registry, "server")["connections"] == 0


def ledger(has_handshakes: bool = True) -> Tuple[_monitor.Connections, List[int]]:
    """What counts connections, and the events that it has reported."""
    reported: List[int] = []
    return _monitor.Connections(lambda: reported.append, has_handshakes), reported


def test_a_connection_counts_when_the_peer_has_shown_to_be_one() -> None:
    connections, reported = ledger()
    connections.take(zmq.EVENT_CONNECTED, 7, b"tcp://a")
    connections.take(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, 0, b"tcp://a")
    connections.take(zmq.EVENT_DISCONNECTED, 7, b"tcp://a")
    assert reported == [5]
    connections.take(zmq.EVENT_CONNECTED, 7, b"tcp://a")
    connections.take(zmq.EVENT_HANDSHAKE_SUCCEEDED, 0, b"tcp://a")
    connections.take(zmq.EVENT_DISCONNECTED, 7, b"tcp://a")
    connections.take(zmq.EVENT_DISCONNECTED, 7, b"tcp://a")
    assert reported == [5, 1, 3]
    connections.take(zmq.EVENT_ACCEPTED, 8, b"tcp://b")
    connections.end()
    connections.end()
    assert reported == [5, 1, 3, 2, 3]


def test_a_handshake_may_be_told_of_before_its_connection() -> None:
    connections, reported = ledger()
    connections.take(zmq.EVENT_HANDSHAKE_SUCCEEDED, 0, b"tcp://a")
    assert reported == []
    connections.take(zmq.EVENT_CONNECTED, 7, b"tcp://a")
    assert reported == [1]
    connections.take(zmq.EVENT_CONNECTED, 8, b"tcp://a")
    assert reported == [1]
    connections.take(zmq.EVENT_DISCONNECTED, 8, b"tcp://a")
    connections.take(zmq.EVENT_DISCONNECTED, 7, b"tcp://a")
    assert reported == [1, 3]


def test_a_descriptor_that_is_used_again_is_that_of_a_connection_that_ended() -> None:
    connections, reported = ledger(has_handshakes=False)
    connections.take(zmq.EVENT_CONNECTED, 7, b"tcp://a")
    connections.take(zmq.EVENT_CONNECTED, 7, b"tcp://a")
    connections.take(zmq.EVENT_ACCEPTED, 7, b"tcp://b")
    assert reported == [1, 3, 1, 3, 2]


def test_a_watched_socket_that_is_dropped_ends_its_thread(registry: Registry) -> None:
    for kind in (fdmetrics.zmq.Context, zmq.Context):
        with fdmetrics.zmq.instrument(registry=registry, monitor=True), kind() as context:
            socket: Any = context.socket(zmq.PULL)
            socket.bind_to_random_port("tcp://127.0.0.1")
            if kind is fdmetrics.zmq.Context:
                socket.watch_connections()
            threads = [thread for thread in threading.enumerate() if isinstance(thread, _monitor.ConnectionWatcher)]
            assert len(threads) == 1
            with pytest.warns(ResourceWarning, match="Unclosed socket"):
                del socket
            threads[0].join(20)
            assert not threads[0].is_alive()


def test_asyncio_sockets_are_watched(registry: Registry, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"

    async def story() -> None:
        with (
            fdmetrics.zmq.asyncio.Context(registry=registry) as context,
            context.socket(zmq.PUSH, monitor=True) as left,
            context.socket(zmq.PULL) as right,
        ):
            right.bind(address)
            left.connect(address)
            await left.send(b"x")
            assert await right.recv() == b"x"
            reach(registry, address, connected=1, connections=1)

    asyncio.run(story())
    reach(registry, address, disconnected=1, connections=0)
