# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""python -m fdmetrics run -- COMMAND...: a program whose prometheus_client records into a store, unchanged.
python -m fdmetrics render [DIRECTORY]: what a store has, as text.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from typing import MutableMapping, Optional, Sequence

from . import FDMetricsError, __version__, _environment, render_directory
from ._environment import DIRECTORY, PROMETHEUS_DIRECTORY

_HOOK_VARIABLE = "FDMETRICS_INSTALL"
_HOOK_FILE = "fdmetrics_hook.pth"
_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fdmetrics", description="Metrics of a service of many processes.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="{run,render}")
    run = commands.add_parser(
        "run",
        help="run a program whose prometheus_client records into one store, in all of its processes",
        description="Runs a program, in place of this process. In it and in every Python process that it starts, "
        "metrics of prometheus_client record into one store, and registries show the totals of all processes.",
    )
    run.add_argument(
        "--directory",
        metavar="DIR",
        help=f"the store's directory (else {DIRECTORY}, else "
        f"{PROMETHEUS_DIRECTORY}, else one in memory that is removed at the end)",
    )
    run.add_argument(
        "program", metavar="COMMAND", nargs=argparse.REMAINDER, help="the program and its arguments, after --"
    )
    render = commands.add_parser("render", help="print what a store has, in the Prometheus text format")
    render.add_argument(
        "directory",
        metavar="DIR",
        nargs="?",
        help=f"the store's directory (else {DIRECTORY}, else {PROMETHEUS_DIRECTORY})",
    )
    render.add_argument("--pid-label", action="store_true", help="tell gauges of processes apart by pid, not by worker")
    return parser


def _run(parser: argparse.ArgumentParser, directory: Optional[str], program: Sequence[str]) -> int:
    command = list(program[1:] if program[:1] == ["--"] else program)
    if not command or not command[0]:
        parser.error("run needs a COMMAND: python -m fdmetrics run -- COMMAND...")
    try:
        prepare(os.environ, directory)
    except OSError as error:
        print(f"{parser.prog} run: the store's directory cannot be had: {error.strerror}", file=sys.stderr)
        return 1
    try:
        os.execvp(command[0], command)
    except OSError as error:
        # The codes that shells use.
        print(f"{parser.prog} run: {command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126


def prepare(environment: MutableMapping[str, str], directory: Optional[str] = None) -> None:
    """Puts into an environment what its programs need to record into one store."""
    _environment.prepare()
    if directory:
        environment[DIRECTORY] = os.path.abspath(directory)
    environment[_HOOK_VARIABLE] = "1"
    root = os.path.dirname(_PACKAGE)
    if not os.path.exists(os.path.join(root, _HOOK_FILE)) or not _is_site_directory(root):
        # A .pth file counts in site directories alone.
        added = [os.path.join(_PACKAGE, "_startup")]
        if not _is_site_directory(root):
            added.append(root)
        former = [
            entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry and entry not in added
        ]
        environment["PYTHONPATH"] = os.pathsep.join([*added, *former])


def _is_site_directory(path: str) -> bool:
    import site

    return os.path.realpath(path) in map(os.path.realpath, [*site.getsitepackages(), site.getusersitepackages()])


def _render(parser: argparse.ArgumentParser, directory: Optional[str], pid_label: bool) -> int:
    chosen = directory or _environment.chosen_directory()
    if not chosen:
        parser.error(f"render needs a DIR, where neither {DIRECTORY} nor {PROMETHEUS_DIRECTORY} is set")
    try:
        text = render_directory(chosen, pid_label=pid_label)
    except FDMetricsError as error:
        print(f"{parser.prog} render: {error}", file=sys.stderr)
        return 1
    try:
        _print(text)
    except BrokenPipeError:
        return 1  # The reader has what it wanted.
    except OSError as error:
        print(f"{parser.prog} render: standard output cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _print(text: bytes) -> None:
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))  # It was closed, and its number may be another file's.
    # Through no buffer of the interpreter's, which would fail a second time at its end.
    while text:
        text = text[os.write(sys.stdout.fileno(), text) :]


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Does what the arguments say; the process's exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.command == "run":
        return _run(parser, chosen.directory, chosen.program)
    if chosen.command == "render":
        return _render(parser, chosen.directory, chosen.pid_label)
    parser.print_help()
    return 0


if __name__ == "__main__":
    sys.exit(main())
