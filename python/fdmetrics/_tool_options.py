# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The arguments of python -m fdmetrics serve, dump and check, the commands that fdmctl has too."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Callable, Dict, NoReturn, Tuple

_WRONG_ARGUMENTS = 64  # EX_USAGE, as of fdmctl, whose 2 is that of no store.


class CommandParser(argparse.ArgumentParser):
    """Of a command."""

    #: The exit code for arguments that make no sense.
    wrong_arguments = 2

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(self.wrong_arguments, f"{self.prog}: error: {message}\n")


def _serve(parser: CommandParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    add("--port", default=9919, type=_port, help="the port to listen on; 0: any free one (%(default)s)")
    add("--allowed-host", metavar="NAME", action="append", default=[], help="a name that clients may call it by")
    add("--tls-cert", metavar="FILE", help="encrypt: the server's certificate chain, as PEM")
    add("--tls-key", metavar="FILE", help="the key of the certificate, as PEM")
    add("--client-ca", metavar="FILE", help="clients must show a certificate of one of these authorities (PEM)")
    add(
        "--process-metrics",
        choices=("none", "total", "worker"),
        default="total",
        help="metrics of the service's processes, all added up or one sample for each (%(default)s)",
    )
    add("--pid-label", action="store_true", help="tell processes apart by pid, not by worker")
    add("--no-self-metrics", action="store_true", help="leave out what the store says of itself (fdmetrics_...)")


def _dump(parser: CommandParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--all", action="store_true", help="also print removed series")


def _check(parser: CommandParser) -> None:
    parser.add_argument(
        "--notes", action="store_true", help="also print what killed processes leave behind, which is harmless"
    )


_COMMANDS: Dict[str, Tuple[Callable[[CommandParser], None], str, str]] = {
    "serve": (
        _serve,
        "serve a store to Prometheus over HTTP",
        "Serves a store at /metrics, with read access alone, until SIGINT or SIGTERM. A store that is not there yet "
        "has no metrics. Exits 0; 1 where it cannot listen or use a file for TLS; 2 where no directory is known.",
    ),
    "dump": (
        _dump,
        "print header, processes, families, and series with the values of each lane and process",
        "Prints what is in a store, of live or dead processes. Exits 2 where there is no store.",
    ),
    "check": (
        _check,
        "verify every invariant of a store",
        'Prints one line, "ok: ...", and exits 0; or prints what is wrong, one finding a line, and exits 1. Exits 2 '
        "where there is no store. A store that is written to meanwhile raises no false alarm.",
    ),
}


def add_to(commands: argparse._SubParsersAction[CommandParser], add_directory: Callable[[CommandParser], Any]) -> None:
    """Adds the commands to those that there are."""
    for name, (add_options, what, description) in _COMMANDS.items():
        command = commands.add_parser(name, help=what, description=description)
        command.wrong_arguments = _WRONG_ARGUMENTS
        command.set_defaults(wrong_arguments=_WRONG_ARGUMENTS)
        add_directory(command)
        add_options(command)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


_port.__name__ = "port"  # What argparse calls a value that is none.
