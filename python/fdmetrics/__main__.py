# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""python -m fdmetrics run -- COMMAND...: a program whose prometheus_client records into a store, unchanged.
python -m fdmetrics render [DIRECTORY]: what a store has, as text.
python -m fdmetrics serve [DIRECTORY]: the same over HTTP.
python -m fdmetrics dump [DIRECTORY], check [DIRECTORY]: what is in a store, and whether it is intact, as of fdmctl.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import MutableMapping, Optional, Sequence

from . import FDMetricsError, __version__, _environment, _tool_options, render_directory
from ._environment import DIRECTORY, PROMETHEUS_DIRECTORY
from ._tool_options import CommandParser

_HOOK_VARIABLE = "FDMETRICS_INSTALL"
_HOOK_FILE = "fdmetrics_hook.pth"
_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_NO_DIRECTORY = 2


def _parser() -> CommandParser:
    parser = CommandParser(prog="python -m fdmetrics", description="Metrics of a service of many processes.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
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
    _add_directory(render)
    render.add_argument("--pid-label", action="store_true", help="tell gauges of processes apart by pid, not by worker")
    _tool_options.add_to(commands, _add_directory)
    return parser


def _add_directory(parser: CommandParser) -> None:
    parser.add_argument(
        "directory",
        metavar="DIR",
        nargs="?",
        help=f"the store's directory (else {DIRECTORY}, else {PROMETHEUS_DIRECTORY})",
    )


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
    from ._inspection_commands import write_out

    try:
        text = render_directory(chosen, pid_label=pid_label)
    except FDMetricsError as error:
        print(f"{parser.prog} render: {error}", file=sys.stderr)
        return 1
    try:
        write_out(text)
    except BrokenPipeError:
        return 1  # The reader has what it wanted.
    except OSError as error:
        print(f"{parser.prog} render: standard output cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _tool(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    program = f"{parser.prog} {options.command}"
    directory = options.directory or _environment.chosen_directory()
    if not directory:
        told = f"neither {DIRECTORY} nor {PROMETHEUS_DIRECTORY} is set"
        print(f"{program}: expected a DIR, since {told}", file=sys.stderr)
        return _NO_DIRECTORY
    if options.command == "serve":
        from . import _serve_command

        return _serve_command.run(program, directory, options)
    from . import _inspection_commands

    command = _inspection_commands.dump if options.command == "dump" else _inspection_commands.check
    return command(program, directory, options)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Does what the arguments say; the process's exit code."""
    parser = _parser()
    chosen, rest = parser.parse_known_args(arguments)
    if rest:
        parser.wrong_arguments = getattr(chosen, "wrong_arguments", parser.wrong_arguments)
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if chosen.command == "run":
        return _run(parser, chosen.directory, chosen.program)
    if chosen.command == "render":
        return _render(parser, chosen.directory, chosen.pid_label)
    if chosen.command is not None:
        return _tool(parser, chosen)
    parser.print_help()
    return 0


if __name__ == "__main__":
    sys.exit(main())
