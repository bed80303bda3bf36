# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Which directory the store is in, and its name for the case that nobody sets one, without loading the library.

Children that are started before the first metric find that name in their environment and so share it; FDMETRICS_DIR and
PROMETHEUS_MULTIPROC_DIR still count when they are set later.

The workers of a server often have no ancestor that imports us: gunicorn forks its workers before they load the
application, and uvicorn spawns them. So the name is not random but made of a secret that exactly the processes of one
service have, by a one-way function:

- a process that multiprocessing started, by whatever method, has the authentication key of its parent's parents;
- every other process has the 16 random bytes that the kernel gives to each program at exec (AT_RANDOM), which fork
  copies. Two programs that were started apart never have the same.
"""

from __future__ import annotations

import ctypes
import os
import sys

#: Where the store is. Set by the user, or by the process that attached first.
DIRECTORY = "FDMETRICS_DIR"
#: Where prometheus_client's multi-process mode has its files, and the store is where FDMETRICS_DIR is not set.
PROMETHEUS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
#: The former name of that variable, which prometheus_client still takes where the upper case one is not set.
OLD_PROMETHEUS_DIRECTORY = "prometheus_multiproc_dir"
#: The variables by which a user says where the store is; the first one that is set and not empty counts.
DIRECTORY_VARIABLES = (DIRECTORY, PROMETHEUS_DIRECTORY, OLD_PROMETHEUS_DIRECTORY)
#: Where the store would be if nobody set a directory.
AUTOMATIC_DIRECTORY = "FDMETRICS_AUTO_DIR"
#: The process at the root of those that share that name, which removes the directory at its end. Not the one that made
#: the store: that may be a short-lived child, and the others have not attached yet.
AUTOMATIC_PROCESS = "FDMETRICS_AUTO_PID"

_AT_RANDOM = 25  # linux/auxvec.h
#: The last user id of the system's own: the default of systemd, and of SYS_UID_MAX in login.defs(5).
_LAST_SYSTEM_USER = 999


def prepare() -> None:
    """What the import of fdmetrics does: names that are set become absolute, and a directory is planned."""
    make_absolute()
    plan_directory()


def make_absolute() -> None:
    """Makes the directories' names in the environment absolute, each under its own variable.

    So that a later chdir, and children that are started elsewhere, do not lead to another store. Does nothing where
    the working directory is gone; attaching the store then says so.
    """
    for name in DIRECTORY_VARIABLES:
        told = os.environ.get(name)
        if told and not told.startswith("/"):
            try:
                os.environ[name] = os.path.abspath(told)
            except OSError:
                return


def chosen_directory(variables: tuple[str, ...] = DIRECTORY_VARIABLES) -> str | None:
    """The directory that the user says, in the first of these variables that is set; None where none of them is."""
    return next(filter(None, map(os.environ.get, variables)), None)


def prometheus_directory() -> str | None:
    """The directory that the user says to prometheus_client; None where there is none."""
    return chosen_directory((PROMETHEUS_DIRECTORY, OLD_PROMETHEUS_DIRECTORY))


def is_store_of(path: str, directory: str | os.PathLike[str]) -> bool:
    """Whether a store's path is that of the store in a directory.

    In a directory that is not this user's alone the library makes a private one, fdmetrics-<uid>, for the store.
    """
    store, outer = os.path.realpath(path), os.path.realpath(directory)
    return store in (outer, os.path.join(outer, f"fdmetrics-{os.geteuid()}"))


class Found:
    """Where the default store was found, to see whether it is to be looked for anew."""

    __slots__ = ("identity", "path", "told")

    def __init__(self, path: str) -> None:
        #: What DIRECTORY and the user's other variables say.
        self.told = _told()
        #: The store's directory, and which one on its file system that is.
        self.path = path
        self.identity = _identity(path)

    def successor(self) -> str | None:
        """The directory that the environment names now, where the store's own one is gone; None otherwise."""
        told = _told()
        if told == self.told or _identity(self.path) == self.identity:
            return None
        changed = [now for now, before in zip(told, self.told) if now and now != before]
        return os.path.abspath(changed[0]) if changed else None


def _told() -> tuple[str | None, ...]:
    return tuple(map(os.environ.get, DIRECTORY_VARIABLES))


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def plan_directory() -> str:
    """Puts a name into FDMETRICS_AUTO_DIR where it has none, and returns it. Makes nothing on disk."""
    planned = os.environ.get(AUTOMATIC_DIRECTORY)
    if planned:
        return planned
    secret, root = _of_multiprocessing() or _of_program()
    os.environ[AUTOMATIC_DIRECTORY] = planned = os.path.join(_automatic_parent(), f"fdmetrics-{_one_way(secret)}")
    os.environ[AUTOMATIC_PROCESS] = str(root)
    return planned


def is_left_to_remove() -> bool:
    """Whether this process is the root of those that share the name, and others of them have made the directory."""
    return (
        os.environ.get(AUTOMATIC_PROCESS) == str(os.getpid())
        and not os.environ.get(DIRECTORY)
        and os.path.isdir(os.environ.get(AUTOMATIC_DIRECTORY, ""))
    )


def _automatic_parent() -> str:
    """Where automatic directories are: /dev/shm, which is memory, unless logind may remove what is there.

    Then it is TMPDIR, or /tmp: memory on many systems, and elsewhere a disk, to which the kernel writes the store's
    changed pages from time to time. Each is the other's substitute where it is not writable.
    """
    temporary = os.environ.get("TMPDIR") or "/tmp"
    if not temporary.startswith("/"):
        temporary = os.path.abspath(temporary)
    places = (temporary, "/dev/shm") if is_cleared_at_logout(os.geteuid()) else ("/dev/shm", temporary)
    return next((place for place in places if os.access(place, os.W_OK | os.X_OK)), "/tmp")


def is_cleared_at_logout(user: int, run: str = "/run/systemd") -> bool:
    """Whether logind may remove the user's files from /dev/shm at the last logout, also those in use.

    It does so by default (RemoveIPC= in logind.conf(5)), but not with those of root and the system's users. A user
    that logind does not know may log in later, so that where systemd runs all others count; elsewhere (elogind) those
    whose sessions it knows. In a container neither is there. Costs two stat calls at most.
    """
    if user <= _LAST_SYSTEM_USER:
        return False
    return os.path.exists(os.path.join(run, "system")) or os.path.exists(os.path.join(run, "users", str(user)))


def _of_multiprocessing() -> tuple[bytes, int] | None:
    """multiprocessing's authentication key, and the process that made it as far as is known.

    None in a process that multiprocessing did not start and that has started none with it yet: such a one may be a
    sibling by fork, which made a key of its own when it imported the module.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return None
    parent = process.parent_process()
    # Not active_children(), which would also reap those that have ended.
    if parent is None and not getattr(process, "_children", None):
        return None
    root = os.getpid() if parent is None else int(parent.pid or os.getppid())
    return b"multiprocessing" + bytes(process.current_process().authkey), root


def _of_program() -> tuple[bytes, int]:
    """The program's random bytes from the kernel, and the first of the processes that have them by fork."""
    secret = b""
    try:
        getauxval = ctypes.CDLL(None).getauxval
        getauxval.restype = ctypes.c_ulong
        getauxval.argtypes = (ctypes.c_ulong,)
        address = getauxval(_AT_RANDOM)
        secret = ctypes.string_at(address, 16) if address else b""
    except (OSError, AttributeError):  # A C library without getauxval.
        pass
    if not secret:
        # A name that only children find, in their environment.
        return os.urandom(16), os.getpid()
    root = os.getpid()
    stack = _stack(root)
    while stack is not None:
        parent = _parent(root)
        if parent is None or _stack(parent) != stack:
            break
        root = parent
    return b"program" + secret, root


def _stat(process: int) -> list[bytes]:
    """The fields of /proc/<pid>/stat from the third on; empty where there is no such process or no /proc."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The command, in parentheses, may hold anything.
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def _stack(process: int) -> bytes | None:
    """Where a process's stack begins: a random address of the exec, which fork copies. None: not to be known."""
    fields = _stat(process)
    address = fields[25] if len(fields) > 25 else b"0"  # Field 28, startstack.
    return None if address == b"0" else address


def _parent(process: int) -> int | None:
    fields = _stat(process)
    return int(fields[1]) if len(fields) > 1 and int(fields[1]) > 0 else None


def _one_way(secret: bytes) -> str:
    """The name that a secret gives, which does not give the secret away: it guards a program's stack, or its pipes."""
    try:
        from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            # Before Python 3.12. hashlib, which everybody has, takes longer to import than all of fdmetrics.
            from _sha256 import sha256  # type: ignore[import-not-found,no-redef,unused-ignore]
        except ImportError:
            from hashlib import sha256
    digest = bytearray(sha256(b"fdmetrics" + secret).digest()[:16])
    # A UUID of version 8 of RFC 9562: random bits by a method of one's own.
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
