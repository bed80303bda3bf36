# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""libzmq's authentication works through recording sockets, whatever carrier, mechanism and authenticator there is."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any, Iterator, List

import pytest
import zmq
import zmq.asyncio
import zmq.auth
from zmq.auth.asyncio import AsyncioAuthenticator
from zmq.auth.thread import ThreadAuthenticator

import fdmetrics.zmq
import fdmetrics.zmq.asyncio
from fdmetrics import Registry

from .support import Samples

DOMAIN = "domain"
# As long as a trailer, and beginning like one.
PASSWORD = "FDM1" + "p" * 20


def addresses(registry: Registry) -> List[str]:
    """The addresses that messages were received at."""
    counted = Samples(registry).named("fastdeploy:zmq:msg_recv_total").items()
    return [dict(labels)["address"] for labels, value in counted if value]


class Peers:
    """A server and a client who is let in by password, by key, or by where it is."""

    def __init__(self, context: Any, mechanism: str) -> None:
        self.server, self.client = context.socket(zmq.REP), context.socket(zmq.REQ)
        for socket in (self.server, self.client):
            socket.linger = 0
            socket.rcvtimeo = 30_000
        self.server.zap_domain = DOMAIN.encode()
        if mechanism == "plain":
            self.server.plain_server = True
            self.client.plain_username, self.client.plain_password = b"user", PASSWORD.encode()
        elif mechanism == "curve":
            public, secret = zmq.curve_keypair()
            self.server.curve_server, self.server.curve_secretkey = True, secret
            self.client.curve_serverkey = public
            self.client.curve_publickey, self.client.curve_secretkey = zmq.curve_keypair()
        self.address = f"tcp://127.0.0.1:{self.server.bind_to_random_port('tcp://127.0.0.1')}"
        self.client.connect(self.address)

    def talk(self) -> None:
        self.client.send(b"question")
        assert self.server.recv() == b"question"
        self.server.send(b"answer")
        assert self.client.recv() == b"answer"

    async def talk_in_tasks(self) -> None:
        await self.client.send(b"question")
        assert await asyncio.wait_for(self.server.recv(), 30) == b"question"
        await self.server.send(b"answer")
        assert await asyncio.wait_for(self.client.recv(), 30) == b"answer"

    def close(self) -> None:
        self.server.close()
        self.client.close()


def allow(authenticator: Any, mechanism: str) -> None:
    if mechanism == "plain":
        authenticator.configure_plain(domain=DOMAIN, passwords={"user": PASSWORD})
    elif mechanism == "curve":
        authenticator.configure_curve(domain=DOMAIN, location=zmq.auth.CURVE_ALLOW_ANY)
    else:
        authenticator.allow("127.0.0.1")


class Handler(threading.Thread):
    """What a program writes that has no authenticator: it lets everybody in."""

    def __init__(self, context: Any, kind: int) -> None:
        super().__init__(daemon=True)
        self.socket = context.socket(kind)
        self.socket.rcvtimeo = 30_000
        self.socket.linger = 0
        self.socket.bind("inproc://zeromq.zap.01")
        self.start()

    def run(self) -> None:
        with self.socket:
            request = self.socket.recv_multipart()
            start = request.index(b"1.0")
            assert request[start + 2] == DOMAIN.encode()
            assert request[start + 5] != b"PLAIN" or request[-1] == PASSWORD.encode()
            reply = [b"1.0", request[start + 1], b"200", b"OK", b"user", b""]
            self.socket.send_multipart(request[:start] + reply)


@contextlib.contextmanager
def authenticator(kind: str, context: Any, mechanism: str) -> Iterator[None]:
    if kind in ("REP", "ROUTER"):
        handler = Handler(context, getattr(zmq, kind))
        yield
        handler.join(30)
        return
    made = ThreadAuthenticator(context) if kind == "thread" else AsyncioAuthenticator(context)
    made.start()
    allow(made, mechanism)
    try:
        yield
    finally:
        made.stop()


@pytest.mark.parametrize("mechanism", ["null", "plain", "curve"])
@pytest.mark.parametrize("carrier", fdmetrics.zmq.CARRIERS)
@pytest.mark.parametrize("kind", ["thread", "asyncio", "REP", "ROUTER"])
@pytest.mark.parametrize("way", ["instrument", "classes"])
def test_a_peer_is_let_in(way: str, kind: str, carrier: str, mechanism: str, registry: Registry) -> None:
    with contextlib.ExitStack() as stack:
        in_tasks = kind == "asyncio"
        if way == "instrument":
            stack.enter_context(fdmetrics.zmq.instrument(registry=registry, carrier=carrier))
            context: Any = zmq.asyncio.Context() if in_tasks else zmq.Context()
        else:
            classes: Any = fdmetrics.zmq.asyncio if in_tasks else fdmetrics.zmq
            context = classes.Context(registry=registry, carrier=carrier)
        if in_tasks:

            async def story() -> str:
                with authenticator(kind, context, mechanism):
                    peers = Peers(context, mechanism)
                    await peers.talk_in_tasks()
                    peers.close()
                return peers.address

            address = asyncio.run(story())
        else:
            with authenticator(kind, context, mechanism):
                peers = Peers(context, mechanism)
                peers.talk()
                peers.close()
            address = peers.address
        context.destroy(linger=0)
        assert addresses(registry) == [address]
        samples = Samples(registry)
        assert samples.get("fastdeploy:zmq:msg_recv_total", address=address) == 2
        assert samples.get("fastdeploy:zmq:latency_count", address=address) == (2 if carrier == "trailer" else 0)


def test_no_connections_of_a_handler_are_counted(registry: Registry) -> None:
    with (
        fdmetrics.zmq.instrument(registry=registry, monitor=True),
        zmq.Context() as context,
        authenticator("thread", context, "plain"),
    ):
        peers = Peers(context, "plain")
        peers.talk()
        peers.close()
    watched = Samples(registry).named("fastdeploy:zmq:connections")
    assert {dict(labels)["address"] for labels in watched} == {peers.address}


def test_a_handler_that_was_there_before(registry: Registry) -> None:
    with zmq.Context() as context:
        handler = Handler(context, zmq.REP)
        with fdmetrics.zmq.instrument(registry=registry, carrier="trailer"):
            peers = Peers(context, "plain")
            peers.talk()
            peers.close()
        handler.join(30)
    assert addresses(registry) == [peers.address]
