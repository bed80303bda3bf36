# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""When the store is attached: the same totals whatever the order of import, environment, fork and first update.

Each case is a program of its own. It imports fdmetrics, sets the environment, starts processes and records in some
order, and prints the total, which must be that of all processes.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Dict

import pytest

from .support import PACKAGE_ROOT, Samples, run_program

PRELUDE = """
import os, sys, multiprocessing, subprocess

def run(*pids):
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0

def fork_and(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid
"""

# Steps that may come in any order; each of the recording ones adds 1, and needs the import and the declaration.
STEPS: Dict[str, str] = {
    "environment": 'os.environ["FDMETRICS_DIR"] = sys.argv[1]',
    "fork": "run(fork_and(counter.inc), fork_and(counter.inc))",
    "subprocess": (
        "subprocess.run([sys.executable, '-c', 'import fdmetrics; fdmetrics.Counter(\"c\", \"\").inc(2)'], check=True)"
    ),
    "update": "counter.inc(); counter.inc()",
}


@pytest.mark.parametrize("order", list(itertools.permutations(("fork", "subprocess", "update"))), ids="-".join)
@pytest.mark.parametrize("chosen", ["nowhere", "before the import", "after the import"])
def test_every_order_gives_the_same_total(order: tuple[str, ...], chosen: str, tmp_path: Path) -> None:
    directory = tmp_path / "store"
    lines = ["import fdmetrics", 'counter = fdmetrics.Counter("c", "")']
    if chosen != "nowhere":
        lines.insert(0 if chosen == "before the import" else 2, STEPS["environment"])
    lines += [STEPS[name] for name in order]
    lines += ["print(fdmetrics.generate_latest().decode())", "print('# ' + fdmetrics.REGISTRY.path)"]
    printed = run_program(PRELUDE + "\n".join(lines), directory)
    assert Samples(printed).get("c_total") == 6
    used = printed.splitlines()[-1][2:]
    assert (used == str(directory)) == (chosen != "nowhere")
    assert os.path.exists(used) == (chosen != "nowhere"), "an automatic directory goes with the service"


def test_importing_and_declaring_touch_nothing(tmp_path: Path) -> None:
    printed = run_program(
        """
        import os, sys
        before = dict(os.environ)
        import fdmetrics
        from fdmetrics import _library
        fdmetrics.Counter("c", "", ["a"])
        fdmetrics.Gauge("g", "")
        fdmetrics.Enum("e", "", states=["on"])
        changed = {name for name in os.environ if os.environ[name] != before.get(name)}
        print(sorted(changed), _library._loaded, fdmetrics.REGISTRY.attached, {"http.server", "zmq"} & set(sys.modules))
        print(os.path.exists(os.environ["FDMETRICS_AUTO_DIR"]), "FDMETRICS_DIR" in os.environ)
        """
    )
    assert printed == "['FDMETRICS_AUTO_DIR', 'FDMETRICS_AUTO_PID'] None False set()\nFalse False\n"


def test_an_automatic_directory_goes_where_children_alone_recorded() -> None:
    printed = run_program(
        f"""
        {STEPS["subprocess"].replace("subprocess.run", "import subprocess, sys, os, fdmetrics; subprocess.run")}
        directory = os.environ["FDMETRICS_AUTO_DIR"]
        print(directory, os.path.exists(directory), fdmetrics.REGISTRY.attached)
        """
    )
    directory, existed, attached = printed.split()
    assert (existed, attached) == ("True", "False")
    assert not os.path.exists(directory)


def test_a_planned_name_is_kept(tmp_path: Path) -> None:
    program = "import os, fdmetrics; print(os.environ['FDMETRICS_AUTO_DIR'])"
    assert run_program(program, FDMETRICS_AUTO_DIR="/x/planned") == "/x/planned\n"
    first, second = run_program(program), run_program(program)
    assert first != second
    assert first.startswith(("/dev/shm/fdmetrics-", os.environ.get("TMPDIR", "/tmp")))


def test_multiprocess_directories_of_prometheus_client_count(tmp_path: Path) -> None:
    program = """
    import os, fdmetrics
    {}
    fdmetrics.Counter("c", "").inc()
    print(fdmetrics.REGISTRY.path, os.environ["FDMETRICS_DIR"])
    """
    store, other = tmp_path / "store", tmp_path / "other"
    assert run_program(program.format(""), PROMETHEUS_MULTIPROC_DIR=store) == f"{store} {store}\n"
    late = program.format(f'os.environ["PROMETHEUS_MULTIPROC_DIR"] = "{store}"')
    assert run_program(late) == f"{store} {store}\n"
    assert run_program(late, FDMETRICS_DIR=other) == f"{other} {other}\n"


def test_the_directory_is_in_the_environment_after_attaching(tmp_path: Path) -> None:
    printed = run_program(
        """
        import os, fdmetrics
        store = fdmetrics.attach()
        print(store.path == os.environ["FDMETRICS_DIR"] == os.environ["FDMETRICS_AUTO_DIR"])
        """
    )
    assert printed == "True\n"


MULTIPROCESSING = """
import multiprocessing, sys
import fdmetrics

counter = fdmetrics.Counter("c", "", ["a"])

def work(number):
    counter.labels("x").inc(number)

if __name__ == "__main__":
    method, first = sys.argv[1:]
    if first == "update":
        counter.labels("x").inc(100)
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=work, args=(number,)) for number in (1, 2, 3)]
    for process in processes:
        process.start()
    if first == "start":
        counter.labels("x").inc(100)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    print(fdmetrics.generate_latest().decode())
"""


@pytest.mark.parametrize("first", ["update", "start"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_every_start_method_gives_the_same_total(method: str, first: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(MULTIPROCESSING)
    runner = (
        f"import runpy, sys; sys.path.insert(0, {str(PACKAGE_ROOT)!r}); sys.argv[:] = [{str(program)!r}] + sys.argv[1:]"
    )
    printed = run_program(f"{runner}\nrunpy.run_path({str(program)!r}, run_name='__main__')", method, first)
    assert Samples(printed).get("c_total", a="x") == 106


def test_a_total_outlives_its_processes(tmp_path: Path) -> None:
    program = """
    import fdmetrics
    counter = fdmetrics.Counter("c", "")
    counter.inc()
    print(fdmetrics.generate_latest().decode())
    """
    for expected in (1, 2, 3):
        assert Samples(run_program(program, FDMETRICS_DIR=tmp_path / "store")).get("c_total") == expected


def test_reloading_a_module_declares_the_same_metrics(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text("import fdmetrics\nHITS = fdmetrics.Counter('hits', '')\nHITS.inc()\n")
    printed = run_program(
        """
        import importlib, sys
        sys.path.insert(0, sys.argv[1])
        import service, fdmetrics
        importlib.reload(service)
        del sys.modules["service"]
        importlib.import_module("service")
        print(fdmetrics.generate_latest().decode())
        """,
        tmp_path,
        FDMETRICS_DIR=tmp_path / "store",
    )
    assert Samples(printed).get("hits_total") == 3
