# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The pages' commands are run as they stand there, but for the words that stand for the reader's own."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import pytest

from blocks import Block, blocks, of_language, pages
from commands import ELSEWHERE, NOT_RUN, RUNS, Answers, Meanwhile, Outcome, Run, Says, Where
from machine import PATIENCE_SECONDS, Machine

#: A service that has recorded something, and answers.
SERVICE = """
import time
import fdmetrics
fdmetrics.Counter("jobs", "Jobs done", ["kind"]).labels("quick").inc(7)
fdmetrics.start_http_server(8001)
time.sleep(3600)
"""
#: Languages whose blocks other tests compile, check or run, one and all.
COMPILED = {"python", "diff", "c", "swift"}
#: What a program prints, and figures.
TEXT = "text"


def find(where: Where) -> Block:
    """The block at a place. Errors: AssertionError where it is gone, or is not the only one."""
    page, beginning = where
    found = [each for each in blocks(page) if each.text.startswith(beginning) and each.language not in COMPILED]
    assert len(found) == 1, f"{page} has {len(found)} blocks that begin with '{beginning}', and a table names one"
    return found[0]


def commands(of: Block) -> list[str]:
    """The commands of a block, without comments."""
    text = re.sub(r"\\\n\s*", " ", of.text)
    lines = [re.sub(r"(^|\s+)# .*", "", line) for line in text.splitlines()]
    if of.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line]


def replaced(command: str, run: Run) -> str:
    """The command with the reader's words."""
    for word, own in {"DIR": run.store, **run.words}.items():
        command = command.replace(word, own)
    return command


@contextmanager
def tried(fresh: Machine, command: str, outcome: Outcome, environment: Mapping[str, str]) -> Iterator[None]:
    """Runs a command, and compares what comes of it. It may still be running."""
    if isinstance(outcome, Says):
        said = fresh.succeed("sh", "-c", command, **environment)
        assert outcome.wanted in said, said
        yield
        return
    with fresh.running("sh", "-c", f"exec {command}", ends_well=False, **environment) as program:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while outcome.wanted not in (found := looked_at(fresh, outcome)):
            program.check()
            assert time.monotonic() < deadline, f"{found}\n{program.said}"
            time.sleep(0.1)
        yield


def looked_at(fresh: Machine, outcome: Answers | Meanwhile) -> str:
    """What there is to see of a command that is running."""
    if isinstance(outcome, Meanwhile):
        return fresh.run("sh", "-c", outcome.command).stdout
    answer = fresh.answer(outcome.url, *outcome.options)
    return answer.body if answer.status == 200 else f"no answer yet: {answer}"


@pytest.mark.parametrize("where", RUNS, ids=" ".join)
def test_commands_do_what_their_page_says(where: Where, fresh: Machine) -> None:
    run = RUNS[where]
    (fresh.home / "recording.py").write_text(SERVICE)
    fresh.succeed("mkdir", "-p", run.store.rpartition("/")[0])
    fresh.succeed("sh", "-euc", run.first)
    with ExitStack() as stack:
        stack.enter_context(fresh.running("python", "recording.py", ends_well=False, FDMETRICS_DIR=run.store))
        fresh.answer("http://127.0.0.1:8001/metrics")
        if run.server:
            stack.enter_context(fresh.running("sh", "-c", run.server, ends_well=False))
        lines = commands(find(where))
        if run.is_script:
            lines = ["\n".join(lines)]
            fresh.answer("http://127.0.0.1:8000/metrics")
        assert len(lines) == len(run.outcomes), lines
        together = stack.enter_context(ExitStack())
        for command, outcome in zip(lines, run.outcomes):
            together.enter_context(tried(fresh, replaced(command, run), outcome, run.environment))
            if not run.is_together:
                together.close()


def test_every_block_is_run_or_has_a_reason_not_to_be() -> None:
    languages = {each.language for page in pages() for each in blocks(page)} - COMPILED - {TEXT}
    assert "" not in languages, [str(each) for each in of_language("")]
    known = [find(where) for where in (*RUNS, *ELSEWHERE, *NOT_RUN)]
    assert len(set(known)) == len(known), "a block is in two tables"
    assert set(known) == set(of_language(*languages))
