# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A socket has one monitor: the program's own, where it has one; else the one that counts connections."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, List

import pytest
import zmq
import zmq.asyncio
from zmq.utils.monitor import recv_monitor_message

import fdmetrics.zmq
from fdmetrics import Registry
from fdmetrics.zmq import _monitor

from .support import environment
from .test_zmq_monitor import connections, reach

# Each in a process of its own, which can be ended where it hangs. What is printed are the events that the program sees.
STORY = """
import asyncio, json, sys, zmq, zmq.asyncio
from zmq.utils.monitor import parse_monitor_message, recv_monitor_message
import fdmetrics.zmq

order, way, address = sys.argv[1:]

def monitor_of(context, socket):
    if way != "monitor":
        return socket.get_monitor_socket()
    socket.monitor("inproc://events", zmq.EVENT_ALL)
    reader = context.socket(zmq.PAIR)
    reader.connect("inproc://events")
    return reader

def instrument():
    fdmetrics.zmq.instrument(monitor=True)

def begin(context, socket):
    if order == "instrument, monitor":
        instrument()
    if order != "instrument, bind, monitor":
        reader = monitor_of(context, socket)
        if order == "monitor, instrument":
            instrument()
        socket.bind(address)
    else:
        instrument()
        socket.bind(address)
        reader = monitor_of(context, socket)
    client = zmq.Context.instance().socket(zmq.PUSH)
    client.linger = 0
    client.connect(address)
    client.send(b"x")
    return reader, client

LAST = zmq.EVENT_DISCONNECTED

async def in_tasks():
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.PULL)
    reader, client = begin(context, socket)
    events = []
    assert await socket.recv() == b"x"
    client.close()
    while LAST not in events:
        events.append(int(parse_monitor_message(await reader.recv_multipart())["event"]))
    context.destroy(linger=0)
    return events

def blocking():
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    reader, client = begin(context, socket)
    events = []
    assert socket.recv() == b"x"
    client.close()
    while LAST not in events:
        events.append(int(recv_monitor_message(reader)["event"]))
    context.destroy(linger=0)
    return events

print(json.dumps(asyncio.run(in_tasks()) if way == "asyncio" else blocking()))
"""


@pytest.mark.parametrize("way", ["get_monitor_socket", "monitor", "asyncio"])
@pytest.mark.parametrize("order", ["instrument, monitor", "instrument, bind, monitor", "monitor, instrument", "plain"])
def test_the_program_sees_the_events_that_it_would_see(order: str, way: str, tmp_path: Path) -> None:
    if (order, way) == ("monitor, instrument", "monitor"):
        # Nobody can know of that one; see docs/zmq.md.
        order = "instrument, monitor"
    ended = subprocess.run(
        [sys.executable, "-c", STORY, order, way, f"ipc://{tmp_path}/s"],
        env={**environment(), "FDMETRICS_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    expected: List[int] = [zmq.EVENT_ACCEPTED, zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_DISCONNECTED]
    if order != "instrument, bind, monitor":
        expected.insert(0, zmq.EVENT_LISTENING)
    assert json.loads(ended.stdout) == expected


def watchers() -> List[threading.Thread]:
    return [thread for thread in threading.enumerate() if isinstance(thread, _monitor.ConnectionWatcher)]


def events_until(reader: Any, last: int) -> List[int]:
    events: List[int] = []
    while last not in events:
        events.append(int(recv_monitor_message(reader)["event"]))
    return events


def test_ours_ends_where_the_program_s_begins(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"ipc://{tmp_path}/s"

    def client_of(plain: Any) -> Any:
        client = plain.socket(zmq.PUSH)
        client.linger = 0
        client.connect(address)
        return client

    with (
        caplog.at_level(logging.WARNING, "fdmetrics"),
        zmq.Context() as plain,
        fdmetrics.zmq.Context(registry=registry) as context,
        context.socket(zmq.PULL, monitor=True) as server,
    ):
        server.bind(address)
        with client_of(plain):
            reach(registry, address, accepted=1, connections=1)
            # There is none of the program's: it ends nothing.
            server.disable_monitor()
            # No endpoint of a monitor: nothing has changed.
            with pytest.raises(zmq.ZMQError):
                server.monitor("tcp://127.0.0.1:1")
            assert len(watchers()) == 1 and caplog.records == []
            with server.get_monitor_socket() as reader:
                reader.rcvtimeo = 30_000
                # It can follow its connections no longer, and so has none.
                reach(registry, address, accepted=1, disconnected=1, connections=0)
                # Neither asking again nor another object of the same socket takes the program's monitor away.
                server.watch_connections()
                fdmetrics.zmq.Socket.shadow(server).watch_connections()
                with client_of(plain):
                    # That of the first client may come before.
                    handshake = zmq.EVENT_HANDSHAKE_SUCCEEDED
                    events = [event for event in events_until(reader, zmq.EVENT_ACCEPTED) if event != handshake]
                    # Before it closes, which may be sooner than that.
                    events += events_until(reader, handshake)
                assert events + events_until(reader, zmq.EVENT_DISCONNECTED) == [
                    zmq.EVENT_ACCEPTED,
                    handshake,
                    zmq.EVENT_DISCONNECTED,
                ]
                assert connections(registry, address)["accepted"] == 1
                assert [record.levelname for record in caplog.records] == ["WARNING"]
                assert "a PULL socket has a monitor of the program's own" in caplog.text
                server.disable_monitor()
        # Where the program's has ended, ours may begin again.
        server.watch_connections()
        with client_of(plain):
            reach(registry, address, accepted=2, connections=1)
        reach(registry, address, disconnected=2, connections=0)


@pytest.mark.parametrize("shadows", [False, True])
def test_a_monitor_from_before_is_found(shadows: bool, registry: Registry, tmp_path: Path) -> None:
    events: List[Any] = []

    async def story() -> None:
        with zmq.asyncio.Context() as context, context.socket(zmq.PULL) as socket:
            reader = socket.get_monitor_socket()
            reader.rcvtimeo = 30_000
            known: Any = zmq.Socket.shadow(socket) if shadows else socket
            with fdmetrics.zmq.instrument(registry=registry, monitor=True):
                known.bind(f"ipc://{tmp_path}/s")
                events.append(await recv_monitor_message(reader))
                assert watchers() == []
            reader.close()

    asyncio.run(story())
    assert [event["event"] for event in events] == [zmq.EVENT_LISTENING]
