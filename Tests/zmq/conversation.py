# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Two peers that talk to each other: starting them, ending them, and what they say they did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
HANG_SECONDS = 60.0
TOTALS = ("sent", "sent_bytes", "received", "received_bytes", "failed")

#: Socket types of the two ends: the first one binds.
PATTERNS = [
    ("pull", "push"),
    ("push", "pull"),
    ("rep", "req"),
    ("router", "dealer"),
    ("pub", "sub"),
    ("pair", "pair"),
    ("xpub", "xsub"),
]
CARRIERS = ("none", "envelope", "trailer")


@dataclass
class Peers:
    """The peer program of each language: the command that runs it."""

    commands: dict[str, list[str]]
    library: Path

    def command(self, language: str, *arguments: object) -> list[str]:
        """The command of one end; a language that ends with "-plain" is one without instrumentation."""
        command = self.commands[language]
        suffix = ["plain"] if language == "python-plain" else []
        return [*command, *map(str, arguments), *suffix]

    def start(self, store: Path, language: str, *arguments: object) -> subprocess.Popen[str]:
        """Starts one end."""
        environment = {**os.environ, "FDMETRICS_DIR": str(store), "FDMETRICS_LIBRARY": str(self.library)}
        environment["PYTHONPATH"] = str(ROOT / "python")
        command = self.command(language, *arguments)
        return subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )


def finish(process: subprocess.Popen[str]) -> str:
    """Waits for the end of a peer, which must succeed, and gives what it printed."""
    try:
        output, errors = process.communicate(timeout=HANG_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        raise AssertionError(f"{process.args} hangs; it printed {output!r} and {errors!r}") from None
    assert process.returncode == 0, f"{process.args} ended with {process.returncode}: {errors}{output}"
    return output


@dataclass
class Outcome:
    """What both ends of a conversation say they did, and how long it took."""

    first: dict[str, int]
    second: dict[str, int]
    seconds: float

    def both(self, name: str) -> int:
        """A total of both ends together."""
        return self.first[name] + self.second[name]


@dataclass
class End:
    """One end of a conversation: its language, its socket's type, and where that is bound or connected to."""

    language: str
    kind: str
    endpoint: str
    role: str


def converse(peers: Peers, store: Path, first: End, second: End, carrier: str, count: int, seed: int) -> Outcome:
    """Lets two ends talk. A PUB says hello until the SUB says that it hears it."""
    begin = time.monotonic()
    started = [
        (end, peers.start(store, end.language, end.role, end.kind, carrier, end.endpoint, count, seed))
        for end in (first, second)
    ]
    try:
        process_of = {end.kind: process for end, process in started}
        if "pub" in process_of:
            heard = process_of["sub"].stdout
            assert heard is not None
            line = heard.readline()
            assert line == "ready\n", f"the SUB said {line!r}: {finish(process_of['sub'])}"
            said = process_of["pub"].stdin
            assert said is not None
            print("go", file=said, flush=True)
        totals = [json.loads(finish(process)) for _, process in started]
    finally:
        for _, process in started:
            process.kill()
            process.wait()
    return Outcome(totals[0], totals[1], time.monotonic() - begin)


def python_commands() -> dict[str, list[str]]:
    """The peers in Python."""
    peer = [sys.executable, str(FOLDER / "peer.py")]
    return {"python": peer, "python-plain": peer}
