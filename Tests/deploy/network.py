# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A network of hosts, each a network namespace of its own, joined by a bridge in one more.

No namespace has a name: only these tests, and what they start there, keep them. So they go when all of that has ended,
however it does. The network of the machine is not touched.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


def _checked(result: int, what: str) -> None:
    if result:
        reason = os.strerror(ctypes.get_errno())
        raise AssertionError(f"cannot {what}: {reason}; run the tests as root, in a container with CAP_SYS_ADMIN")


class Host:
    """A network namespace."""

    def __init__(self, address: str = "") -> None:
        self.address = address
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_LIBC.unshare(_CLONE_NEWNET), "make a network namespace")
            self.file = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            _checked(_LIBC.setns(outside, _CLONE_NEWNET), "return from a network namespace")
        finally:
            os.close(outside)
        self.ip("link set lo up")

    @contextlib.contextmanager
    def entered(self) -> Iterator[Host]:
        """This thread is there meanwhile: its sockets are, and the processes that it starts."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_LIBC.setns(self.file, _CLONE_NEWNET), "enter a network namespace")
            try:
                yield self
            finally:
                _checked(_LIBC.setns(outside, _CLONE_NEWNET), "return from a network namespace")
        finally:
            os.close(outside)

    def ip(self, arguments: str) -> None:
        """Runs `ip` there."""
        with self.entered():
            done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True)
        assert done.returncode == 0, f"ip {arguments}: {done.stderr}"

    def close(self) -> None:
        """Gives the namespace up."""
        os.close(self.file)


@contextlib.contextmanager
def network(addresses: list[str], bits: int = 24) -> Iterator[list[Host]]:
    """Hosts with these addresses in one network, each of which reaches the others."""
    with contextlib.ExitStack() as stack:
        bridge = Host()
        stack.callback(bridge.close)
        bridge.ip("link add bridge type bridge")
        bridge.ip("link set bridge up")
        hosts = []
        for number, address in enumerate(addresses):
            host = Host(address)
            stack.callback(host.close)
            there = f"/proc/{os.getpid()}/fd/{host.file}"
            bridge.ip(f"link add port{number} type veth peer name eth0 netns {there}")
            bridge.ip(f"link set port{number} master bridge up")
            host.ip(f"address add {address}/{bits} dev eth0")
            host.ip("link set eth0 up")
            hosts.append(host)
        yield hosts
