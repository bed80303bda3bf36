# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The pages' C: the analyzers of gcc and clang find nothing; README's program is right, also when it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from blocks import ROOT, Block, block, of_language
from built import fdmctl, library

WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'Include'}"]
ANALYZERS = {
    "gcc": ["gcc", "-O2", "-fanalyzer", "-c", "-o", os.devnull],
    "clang": ["clang", "--analyze", "-Xclang", "-analyzer-werror", "--analyzer-output", "text"],
}


class Around(NamedTuple):
    """What a block takes for granted: the program that it stands in."""

    before: str = ""
    after: str = ""


AROUND = {
    ("README.md", 1): Around(),
    ("docs/abi.md", 1): Around(
        """\
#include <fdmetrics.h>
void respond(int status, const char *content_type, const char *body, size_t length, uint32_t is_gzipped);
void answer(fdm_store *store, const char *accept, const char *accept_encoding, const char **names, uint32_t count);
void answer(fdm_store *store, const char *accept, const char *accept_encoding, const char **names, uint32_t count) {
  uint32_t name_count = count;
""",
        "}\n",
    ),
    ("docs/abi.md", 2): Around(
        """\
#include <fdmetrics.h>
#include <stdio.h>
void check(const char *directory);
void check(const char *directory) {
""",
        "}\n",
    ),
}


def program(of: Block) -> str:
    """The block as a file."""
    around = AROUND[of.page, of.number]
    return around.before + of.text + around.after


def done(command: list[str | Path], **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end."""
    variables = {**os.environ, "LC_ALL": "C", **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)


def test_every_block_is_known() -> None:
    assert {(each.page, each.number) for each in of_language("c", "cpp")} == set(AROUND)


@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize("of", of_language("c"), ids=str)
def test_analyzer_finds_nothing(of: Block, analyzer: str, tmp_path: Path) -> None:
    source = tmp_path / "block.c"
    source.write_text(program(of))
    found = done([*ANALYZERS[analyzer], *WARNINGS, source])
    assert (found.returncode, found.stdout, found.stderr) == (0, "", ""), found.stdout + found.stderr


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_analyzer_sees_what_is_wrong(analyzer: str, tmp_path: Path) -> None:
    source = tmp_path / "wrong.c"
    right = block("README.md", "c").text
    source.write_text(right.replace("fdm_counter *requests = NULL;", "fdm_counter *requests;\n  requests->x = 1;"))
    assert done([*ANALYZERS[analyzer], *WARNINGS, source]).returncode != 0


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """README's program, by the command in its first line, where the library is installed."""
    folder = tmp_path_factory.mktemp("readme")
    text = block("README.md", "c").text
    (folder / "app.c").write_text(text)
    places = {"@PREFIX@": folder, "@INCLUDEDIR@": ROOT / "Include", "@LIBDIR@": library().parent, "@VERSION@": "0"}
    described = (ROOT / "scripts/fdmetrics.pc.in").read_text()
    for word, place in places.items():
        described = described.replace(word, str(place))
    (folder / "fdmetrics.pc").write_text(described)
    command = f"cd {folder} && {text.splitlines()[0].partition('// ')[2]}"
    made = done(["sh", "-c", command], PKG_CONFIG_PATH=str(folder), LD_RUN_PATH=str(library().parent))
    assert (made.returncode, made.stderr) == (0, ""), made.stderr
    return folder / "a.out"


def test_program_of_readme_counts(compiled: Path, tmp_path: Path) -> None:
    for _ in range(3):
        ended = done([compiled], FDMETRICS_DIR=str(tmp_path / "store"))
        assert (ended.returncode, ended.stderr) == (0, "")
    shown = done([fdmctl(), "dump", "--prometheus", tmp_path / "store"])
    assert 'engine_requests_total{method="GET"} 3.0\n' in shown.stdout, shown


def test_program_of_readme_goes_on_without_metrics(compiled: Path, tmp_path: Path) -> None:
    # The program is loaded with one file open at a time; a store takes more.
    ended = done(["prlimit", "--nofile=4", compiled], FDMETRICS_DIR=str(tmp_path / "store"))
    assert ended.returncode == 0, ended
    assert "metrics are off: " in ended.stderr, ended


def test_program_of_readme_goes_on_where_the_name_is_taken(compiled: Path, tmp_path: Path) -> None:
    (tmp_path / "other.c").write_text(block("README.md", "c").text.replace('"method"', '"verb"'))
    options = [f"-I{ROOT / 'Include'}", str(library()), f"-Wl,-rpath,{library().parent}"]
    assert done(["cc", tmp_path / "other.c", "-o", tmp_path / "other", *options]).returncode == 0
    store = str(tmp_path / "store")
    assert done([tmp_path / "other"], FDMETRICS_DIR=store).stderr == ""
    ended = done([compiled], FDMETRICS_DIR=store)
    assert ended.returncode == 0
    assert "engine_requests is registered already" in ended.stderr, ended


def test_both_compilers_are_here() -> None:
    for compiler in ANALYZERS:
        assert shutil.which(compiler), f"no {compiler} on the PATH; clang comes with Swift, gcc with build-essential"
