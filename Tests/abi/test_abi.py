# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The C contract: libfdmetrics.so against Include/fdmetrics.h.

Environment:
    FDMETRICS_LIBRARY  the library under test (python/fdmetrics/libfdmetrics.so); it must be a release build
    FDM_ORDINARY       the same sources as ordinary Swift: SwiftPM's product (.build/debug/libfdmetrics.so)
    FDM_CC, FDM_CXX    the compilers, for programs of the library's platform ($CC or cc, $CXX or c++)
    FDM_RUN            what runs these programs, where this machine does not by itself: "qemu-aarch64 -L FOLDER"
    FDM_STRESS         multiplies the amount of work (1)
    FDM_SEED           repeats a run: a test prints the seed that it used
"""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
HEADER = ROOT / "Include" / "fdmetrics.h"
CC = shlex.split(os.environ.get("FDM_CC") or os.environ.get("CC", "cc"))
CXX = shlex.split(os.environ.get("FDM_CXX") or os.environ.get("CXX", "c++"))
RUN = shlex.split(os.environ.get("FDM_RUN", ""))
LANGUAGES = {"c99": [*CC, "-std=c99"], "c++17": [*CXX, "-x", "c++", "-std=c++17"]}
CONTRACT = ["contract.c", *sorted(path.name for path in FOLDER.glob("contract_*.c"))]


def run(*command: str) -> str:
    """Runs a program that must succeed, and gives its output."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_DIR")}
    # Who takes a slot writes it there, in a signal handler, too.
    environment["FDMETRICS_PROCESS_NAME"] = "a name"
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def run_program(program: Path, *arguments: str | Path) -> str:
    """Runs a test program, by what runs those of its platform."""
    return run(*RUN, str(program), *map(str, arguments))


@pytest.fixture(scope="session")
def library() -> Path:
    """The library under test."""
    path = Path(os.environ.get("FDMETRICS_LIBRARY") or ROOT / "python/fdmetrics/libfdmetrics.so").resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make library`, or set FDMETRICS_LIBRARY to a built libfdmetrics.so")
    return path


@pytest.fixture
def stores() -> Iterator[Path]:
    """An empty folder in shared memory."""
    path = Path(tempfile.mkdtemp(prefix="fdm-abi-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def compiled(language: str, sources: list[str], library: Path, program: Path, *options: str) -> Path:
    """A test program, with every warning an error."""
    command = [*LANGUAGES[language], "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]
    command += [f"-I{HEADER.parent}", *(str(FOLDER / source) for source in sources), "-o", str(program)]
    # The sources' language must not be taken for the library's; -rdynamic, so that the library finds what interposes.
    command += ["-x", "none", str(library), f"-Wl,-rpath,{library.parent}", "-rdynamic", *options]
    run(*command)
    return program


def header_functions() -> set[str]:
    """The functions that the header declares."""
    text = re.sub(r"//[^\n]*", "", HEADER.read_text())
    return set(re.findall(r"\b(fdm_[a-z0-9_]+)\s*\(", text))


def is_of_cpython(name: str) -> bool:
    """Whether a function takes and gives CPython's objects, so that a C program cannot call it; Python's tests do."""
    return name.startswith("fdm_py_") and name != "fdm_py_prepare"


def symbols(file: Path, *options: str) -> set[str]:
    """The names that nm lists, without versions."""
    lines = run("nm", "-D", "--format=posix", *options, str(file)).splitlines()
    # The version node itself is an absolute symbol (A).
    return {words[0].split("@")[0] for words in map(str.split, lines) if words[1] != "A"}


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_contract(language: str, library: Path, stores: Path, tmp_path: Path) -> None:
    program = compiled(language, CONTRACT, library, tmp_path / "contract")
    print(run_program(program, stores))


def test_contract_calls_every_function(library: Path, tmp_path: Path) -> None:
    program = compiled("c99", CONTRACT, library, tmp_path / "contract")
    called = {name for name in symbols(program, "--undefined-only") if name.startswith("fdm_")}
    assert called == {name for name in header_functions() if not is_of_cpython(name)}


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_no_update_allocates(language: str, library: Path, stores: Path, tmp_path: Path) -> None:
    program = compiled(language, ["allocations.c"], library, tmp_path / "allocations")
    print(run_program(program, stores / "store"))


def test_no_argument_ends_a_process(library: Path, stores: Path, tmp_path: Path) -> None:
    program = compiled("c99", ["sizes.c"], library, tmp_path / "sizes")
    print(run_program(program, stores / "store"))


def test_threads_that_open_and_close_the_same_stores(library: Path, stores: Path, tmp_path: Path) -> None:
    program = compiled("c99", ["opens.c"], library, tmp_path / "opens", "-pthread")
    rounds = 300 * max(1, int(os.environ.get("FDM_STRESS", "1")))
    print(run_program(program, stores, str(rounds)))


def test_first_updates_in_signal_handlers_of_fork_children(library: Path, stores: Path, tmp_path: Path) -> None:
    program = compiled("c99", ["forks.c"], library, tmp_path / "forks", "-pthread")
    print(run_program(program, stores / "store"))


def test_of_infos_that_are_set_at_once_one_stays(library: Path, stores: Path, tmp_path: Path) -> None:
    program = compiled("c99", ["infos.c"], library, tmp_path / "infos")
    rounds = 1500 * max(1, int(os.environ.get("FDM_STRESS", "1")))
    print(run_program(program, stores / "store", str(rounds)))


def test_no_word_of_a_store_ends_a_process(library: Path, stores: Path, tmp_path: Path) -> None:
    program = compiled("c99", ["pokes.c"], library, tmp_path / "pokes")
    seed = int(os.environ.get("FDM_SEED") or random.SystemRandom().randrange(1, 1 << 31))
    print(f"FDM_SEED={seed}")
    for turn in range(max(1, int(os.environ.get("FDM_STRESS", "1")))):
        print(run_program(program, stores, str(seed + turn), "100000"))


@pytest.mark.skipif(bool(RUN), reason="the other build is of this machine")
def test_two_builds_do_the_same(library: Path, stores: Path, tmp_path: Path) -> None:
    ordinary = Path(os.environ.get("FDM_ORDINARY") or ROOT / ".build/debug/libfdmetrics.so").resolve()
    if not ordinary.is_file():
        pytest.fail(f"{ordinary} is not there; run `make build`, or set FDM_ORDINARY")
    program = tmp_path / "two_builds"
    run(*CC, "-std=c99", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{HEADER.parent}",
        str(FOLDER / "two_builds.c"), "-o", str(program), "-ldl")  # fmt: skip
    seed = os.environ.get("FDM_SEED") or str(random.SystemRandom().randrange(1, 1 << 31))
    print(f"FDM_SEED={seed}")
    count = 10_000 * max(1, int(os.environ.get("FDM_STRESS", "1")))
    print(run(str(program), str(library), str(ordinary), str(stores), seed, str(count)))


@pytest.mark.skipif(bool(RUN), reason="glibc's allocating functions under other names are needed, and no emulator")
def test_memory_that_runs_out_is_an_error(library: Path, stores: Path, tmp_path: Path) -> None:
    program = compiled("c99", ["no_memory.c"], library, tmp_path / "no_memory")
    print(run_program(program, stores))


def internal(tmp_path: Path, program: str, *sources: str) -> Path:
    """A program of what the library calls of the kernel, without the library."""
    module = ROOT / "Sources" / "CFDMetricsLinux"
    made = tmp_path / program
    command = [*CC, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{module / 'include'}"]
    command += [
        *(str(module / source) for source in sources),
        str(FOLDER / f"{program}.c"),
        "-o",
        str(made),
        "-pthread",
    ]
    run(*command)
    return made


def test_a_file_limit_is_an_error_and_no_signal(stores: Path, tmp_path: Path) -> None:
    print(run_program(internal(tmp_path, "file_limit", "space.c", "files.c"), stores / "file"))


def test_what_a_fork_child_drops(stores: Path, tmp_path: Path) -> None:
    print(run_program(internal(tmp_path, "fork_records", "lease.c", "memory.c", "files.c"), stores))


def test_header_and_library_agree(library: Path) -> None:
    declared = header_functions()
    assert len(declared) > 40, f"the header's functions were not found: {sorted(declared)}"
    exported = symbols(library, "--defined-only", "--extern-only")
    assert declared - exported == set(), "declared in the header, and not exported by the library"
    assert exported - declared == set(), "exported by the library, and not declared in the header"


def test_exports_have_a_version(library: Path) -> None:
    lines = run("nm", "-D", "--format=posix", "--defined-only", "--with-symbol-versions", str(library)).splitlines()
    names = [line.split()[0] for line in lines if line.startswith("fdm_")]
    assert names
    assert [name for name in names if not re.search(r"@@FDMETRICS_\d+\.\d+$", name)] == []
    # A function stays in the node of the version that it came with: programs are linked to that.
    later: dict[str, set[str]] = {}
    for name in names:
        later.setdefault(name.split("@@")[1], set()).add(name.split("@@")[0])
    assert later.pop("FDMETRICS_1.0")
    assert later == {
        "FDMETRICS_1.1": {
            "fdm_allow_utf8_names",
            "fdm_negotiate",
            "fdm_render_scrape",
            "fdm_render_directory_scrape",
        },
        "FDMETRICS_1.2": {"fdm_keep_notices", "fdm_take_notice"},
        "FDMETRICS_1.3": {"fdm_register_replacing", "fdm_set_process_name"},
        "FDMETRICS_1.4": {"fdm_check_directory", "fdm_dump_directory"},
    }


def test_no_foundation_is_linked(library: Path) -> None:
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", str(library)))
    assert any(name.startswith("libc.") for name in needed), f"readelf shows no libraries: {needed}"
    # What these need in turn, which only the loader of the library's own platform says.
    everything = needed + ([] if RUN else re.findall(r"^\s*(\S+)", run("ldd", str(library)), re.MULTILINE))
    assert [name for name in everything if "foundation" in name.lower()] == []
