# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""python -m fdmetrics dump and check: what fdmctl's commands of these names print, with the same exit codes."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys

from . import _inspection
from .errors import FDMetricsError

_DAMAGED = 1
_NO_STORE = 2
_CANNOT_WRITE = 74  # EX_IOERR


def dump(program: str, directory: str, options: argparse.Namespace) -> int:
    """Prints what is in a store; the exit code."""
    try:
        text = _inspection.dump(directory, as_json=options.json, removed=options.all)
    except FDMetricsError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return _NO_STORE
    return _printed(program, text, 0)


def check(program: str, directory: str, options: argparse.Namespace) -> int:
    """Prints what is wrong with a store; the exit code."""
    try:
        text, errors = _inspection.check(directory, notes=options.notes)
    except FDMetricsError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return _NO_STORE
    return _printed(program, text, _DAMAGED if errors else 0)


def _printed(program: str, text: bytes, code: int) -> int:
    # A reader that has what it wanted ends this as it ends any program, and is not taken for a finding.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        write_out(text)
    except OSError as error:
        print(f"{program}: standard output cannot be written: {error.strerror}", file=sys.stderr)
        return _CANNOT_WRITE
    return code


def write_out(text: bytes) -> None:
    """Writes to standard output. Errors: OSError."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))  # It was closed, and its number may be another file's.
    # Through no buffer of the interpreter's, which would fail a second time at its end.
    while text:
        text = text[os.write(sys.stdout.fileno(), text) :]
