# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What another user puts where a store is looked for is never followed, changed or removed, and stops nobody."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import NOBODY, Program, as_user, run
from stores import (
    LOCKED_BYTES,
    SET_ASIDE,
    contents,
    counting,
    holding,
    kill_store,
    make_store,
    own_directory,
    patch_header,
    segment,
)
from test_directories import shared_directory

#: A stranger's program: puts something of a kind at a path. `trap` is a directory of the stranger's.
PLANT = """
    import os, socket, sys
    kind, path, trap, victim = sys.argv[1:]
    if kind == "a link to a directory":
        os.symlink(trap, path)
    elif kind == "a link to a victim's store":
        os.symlink(victim, path)
    elif kind == "a link to a file":
        os.symlink(victim + "/fdmetrics-0.seg", path)
    elif kind == "a link to nothing":
        os.symlink(trap + "/nothing", path)
    elif kind == "a link to itself":
        os.symlink(path, path)
    elif kind == "a file":
        open(path, "w").write("planted")
    elif kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a socket":
        socket.socket(socket.AF_UNIX).bind(path)
    elif kind == "a hard link":
        own = f"{trap}/{os.path.basename(path)}"
        open(own, "w").write("planted")
        os.link(own, path)
    elif kind == "a directory":
        os.mkdir(path)
        os.chmod(path, 0o777)
        open(path + "/fdmetrics-0.seg", "w").write("planted")
    """
KINDS = [
    "a link to a directory",
    "a link to a victim's store",
    "a link to a file",
    "a link to nothing",
    "a link to itself",
    "a file",
    "a FIFO",
    "a socket",
    "a hard link",
    "a directory",
]


class Stranger:
    """Another user, with a directory that everybody may write to."""

    def __init__(self, folder: Path) -> None:
        self.trap = shared_directory(folder / "trap", 0o777)
        # Of the user who runs the service: it has what a stranger would like to have damaged.
        self.victim = own_directory(folder / "victim")
        make_store(self.victim)

    def puts(self, kind: str, path: Path) -> None:
        """Puts something there."""
        run(PLANT, kind, path, self.trap, self.victim, prefix=as_user(NOBODY))
        assert path.is_symlink() or path.exists()


@pytest.fixture
def stranger(folder: Path) -> Stranger:
    """Another user."""
    return Stranger(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_in_place_of_the_users_directory(folder: Path, stranger: Stranger, kind: str) -> None:
    shared = shared_directory(folder / "shared")
    planted = shared / "fdmetrics-0"
    stranger.puts(kind, planted)
    before = contents(folder)
    outcome = run(counting(), FDMETRICS_DIR=str(shared))
    total, path = outcome.output.rsplit(" ", 1)
    assert total == "jobs_total 10.0"
    assert not path.startswith(str(folder))
    assert len(outcome.lines) == 1
    assert f"metrics go to {path}," in outcome.lines[0]
    assert f"{planted} " in outcome.lines[0]
    # Who asks for this very directory is told.
    source = """
        import sys, fdmetrics
        try:
            fdmetrics.Registry(sys.argv[1]).attach()
        except fdmetrics.DirectoryError as error:
            print(error)
        """
    assert f"{planted} " in run(source, shared).output
    assert contents(folder) == before


@pytest.mark.parametrize("kind", KINDS)
def test_in_place_of_the_directory_itself(folder: Path, stranger: Stranger, kind: str) -> None:
    """The service makes its directory in one that is everybody's, and a stranger was there before."""
    named = shared_directory(folder / "shared") / "metrics"
    stranger.puts(kind, named)
    before = contents(folder)
    outcome = run(counting(), FDMETRICS_DIR=str(named))
    total, path = outcome.output.rsplit(" ", 1)
    if kind == "a link to a victim's store":
        # Links are what users name too. It is the user's own, so that there is nothing to be told from that.
        assert (total, path) == ("jobs_total 17.0", str(stranger.victim))
        return
    assert total == "jobs_total 10.0"
    if kind in ("a directory", "a link to a directory"):
        assert path == f"{named.resolve()}/fdmetrics-0"
        assert Path(path).stat().st_mode & 0o777 == 0o700
        shutil.rmtree(path)
    else:
        assert not path.startswith(str(folder))
        assert [f"{named}" in line for line in outcome.lines] == [True]
    assert contents(folder) == before


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_shared_directory(folder: Path, stranger: Stranger, kind: str, fdmctl: Callable[..., str]) -> None:
    """Under the names that files have in a directory of one user."""
    shared = shared_directory(folder / "shared")
    for name in ("fdmetrics-0.seg", "fdmetrics-set-aside", "fdmetrics-layout-1"):
        stranger.puts(kind, shared / name)
    before = contents(folder)
    outcome = run(counting(), FDMETRICS_DIR=str(shared))
    assert (outcome.output, outcome.lines) == (f"jobs_total 10.0 {shared}/fdmetrics-0", [])
    assert "jobs_total 10.0" in fdmctl("dump", "--prometheus", shared)
    shutil.rmtree(shared / "fdmetrics-0")
    assert contents(folder) == before


@pytest.mark.parametrize("kind", KINDS)
def test_before_the_directory_was_closed_to_others(folder: Path, stranger: Stranger, kind: str) -> None:
    """A dead store, and something in place of the directory where it would be kept: planted while that was possible."""
    store = shared_directory(folder / "store")
    stranger.puts(kind, store / "fdmetrics-set-aside")
    store.chmod(0o755)
    before = contents(folder)
    kill_store(store, "boot")
    outcome = run(counting(), FDMETRICS_DIR=str(store))
    assert outcome.output == f"jobs_total 10.0 {store}"
    assert [line.startswith(SET_ASIDE) for line in outcome.lines] == [True]
    assert outcome.lines[0].endswith("it was removed")
    segment(store).unlink()
    assert contents(folder) == before


@pytest.mark.parametrize("kind", ["a link to a victim's store", "a directory"])
def test_a_directory_of_this_layout_that_is_a_strangers(folder: Path, stranger: Stranger, kind: str) -> None:
    store = shared_directory(folder / "store")
    stranger.puts(kind, store / "fdmetrics-layout-1")
    store.chmod(0o755)
    before = contents(folder)
    outcome = run(counting(), FDMETRICS_DIR=str(store))
    assert outcome.output == f"jobs_total 10.0 {store}"
    segment(store).unlink()
    assert contents(folder) == before


@pytest.mark.parametrize("kind", ["a link to a directory", "a link to a victim's store", "a directory", "a file"])
def test_in_place_of_the_directory_beside_a_store_that_is_held(
    folder: Path, stranger: Stranger, start: Callable[..., Program], kind: str
) -> None:
    """Processes of another layout live, so that this one's store cannot be where theirs is."""
    store = own_directory(folder / "store")
    kill_store(store, "earlier version")
    store.chmod(0o1777)
    stranger.puts(kind, store / "fdmetrics-layout-1")
    store.chmod(0o755)
    holder = start(holding(segment(store), LOCKED_BYTES["presence"]))
    assert holder.ask("held.read(0)") == "b''"
    before = contents(folder)
    source = """
        import fdmetrics
        fdmetrics.Counter("jobs", "Jobs").inc(10)
        """
    outcome = run(source, FDMETRICS_DIR=str(store))
    assert contents(folder) == before
    assert [str(store) in line for line in outcome.lines] == [True]


@pytest.fixture
def automatic(folder: Path) -> Iterator[Path]:
    """A name like those of automatic directories, where they are."""
    path = Path(f"/dev/shm/fdmetrics-{uuid.uuid4()}")
    yield path
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("kind", KINDS)
def test_among_the_automatic_directories(folder: Path, stranger: Stranger, automatic: Path, kind: str) -> None:
    """Whoever makes an automatic store looks at the others, whether they can go."""
    # What the link leads to could go if it were there: its root has ended.
    patch_header(segment(stranger.victim), 160, b"\1")
    stranger.puts(kind, automatic)
    before, planted = contents(folder), automatic.lstat().st_ino
    outcome = run(counting())
    assert outcome.output.startswith("jobs_total 10.0 /dev/shm/fdmetrics-")
    assert outcome.lines == []
    assert contents(folder) == before
    assert automatic.lstat().st_ino == planted
    if kind == "a directory":
        assert (automatic / "fdmetrics-0.seg").read_text() == "planted"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("a link")])
def test_a_link_in_place_of_the_automatic_directory(
    folder: Path, stranger: Stranger, automatic: Path, kind: str
) -> None:
    """Once such a directory was there everybody knows its name, and may put something there when it has gone."""
    stranger.puts(kind, automatic)
    before, planted = contents(folder), automatic.readlink()
    source = """
        import fdmetrics
        fdmetrics.Counter("jobs", "Jobs").inc(10)
        try:
            print(fdmetrics.generate_latest().decode().splitlines()[-1], fdmetrics.REGISTRY.path)
        except fdmetrics.FDMetricsError as error:
            print(error)
        """
    outcome = run(source, FDMETRICS_AUTO_DIR=str(automatic), FDMETRICS_AUTO_PID="1")
    assert contents(folder) == before
    assert automatic.readlink() == planted
    assert [str(automatic) in line for line in outcome.lines] == [True]
