# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The pages' Python is run, by the servers that it is for."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from programs import PROGRAMS, Program

from blocks import block
from machine import Machine

#: A whole site in one module, of which the page shows the lines that matter.
DJANGO = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = __name__
DEBUG, SECRET_KEY, ALLOWED_HOSTS, ROOT_URLCONF = False, "docs", ["*"], __name__
MIDDLEWARE, urlpatterns = MIDDLEWARE[:-1], urlpatterns[:-1]
from django.core.wsgi import get_wsgi_application
"""
#: Tasks travel through files, so that another process can send them.
CELERY = """
folder = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.update(broker_url="filesystem://", broker_transport_options=folder, task_ignore_result=True)
"""
RECEIVER = """
import zmq
socket = zmq.Context.instance().socket(zmq.PULL)
socket.bind("ipc:///run/jobs")
print(socket.recv_multipart()[0].decode())
"""


def shown(fresh: Machine, command: list[str], *wanted: str) -> None:
    """A server that answers /metrics with these lines, also to those who are redirected there."""
    with fresh.running(*command):
        fresh.answer("http://127.0.0.1:8000/nowhere")
        answer = fresh.answer("http://127.0.0.1:8000/metrics", "--location")
        assert answer.status == 200, answer
        for line in wanted:
            assert line in answer.body, answer.body


GUNICORN = ["gunicorn", "--workers", "2", "--no-control-socket", "page:app"]
UVICORN = ["uvicorn", "--workers", "2", "page:app"]
DJANGO_SERVER = [*GUNICORN[:-1], "page:get_wsgi_application()"]
#: The module records at its import, which of several processes others may not have done yet.
ONE_PROCESS = ["gunicorn", "--worker-class", "uvicorn_worker.UvicornWorker", "--no-control-socket", "page:app"]
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")
NOWHERE = 'http_requests_total{method="GET",path="<unmatched>",status_code="404"} 1.0'


def write(fresh: Machine, program: Program, more: str = "") -> None:
    """The program as the module `page`."""
    (fresh.home / "page.py").write_text(program.text + more)


def prints(*wanted: str, more: str = "") -> Callable[[Machine, Program], None]:
    """The program ends well, and has printed this."""

    def check(fresh: Machine, program: Program) -> None:
        write(fresh, program, more)
        said = fresh.succeed(sys.executable, "page.py")
        for line in wanted:
            assert line in said, said

    return check


def serves(command: list[str], *wanted: str, more: str = "") -> Callable[[Machine, Program], None]:
    """The program is an application that the command serves, and /metrics has these lines."""

    def check(fresh: Machine, program: Program) -> None:
        write(fresh, program, more)
        shown(fresh, command, *wanted)

    return check


def readme_zmq(fresh: Machine, program: Program) -> None:
    """What it sends is received."""
    (fresh.home / "receiver.py").write_text(RECEIVER)
    write(fresh, program, "import fdmetrics\nprint(fdmetrics.generate_latest().decode())\n")
    with fresh.running("sh", "-c", f"{sys.executable} receiver.py > received; sleep infinity", ends_well=False):
        said = fresh.succeed(sys.executable, "page.py")
        assert 'fastdeploy:zmq:msg_send_total{address="ipc:///run/jobs"} 1.0' in said
        fresh.succeed("sh", "-c", "until grep -qx work received; do sleep 0.05; done")


def celery(fresh: Machine, program: Program) -> None:
    """A task that another process sends is counted, and the worker's main process shows it."""
    for name in ("queue", "control"):
        (fresh.home / name).mkdir()
    write(fresh, program, CELERY)
    with fresh.running(
        "celery", "--app", "page", "worker", "--pool", "prefork", "--concurrency", "2", *QUIET, ends_well=False
    ):
        assert fresh.answer("http://127.0.0.1:9808/metrics").status == 200
        fresh.succeed(sys.executable, "-c", "import page; page.work.delay()")
        counted = "curl -s http://127.0.0.1:9808/metrics | grep -qx 'tasks_total{name=\"work\"} 1.0'"
        fresh.succeed("sh", "-c", f"until {counted}; do sleep 0.05; done")


def to_a_gateway(fresh: Machine, program: Program) -> None:
    """What it sends has arrived, and is in the file."""
    with fresh.running("prometheus-pushgateway", ends_well=False):
        fresh.answer("http://pushgateway:9091/-/ready")
        prints()(fresh, program)
        arrived = fresh.answer("http://pushgateway:9091/metrics").body
    assert 'nightly_files_total{instance="",job="nightly",shop="eu"} 17' in arrived, arrived
    assert "nightly_files_total 17.0" in fresh.succeed("cat", "/tmp/nightly.prom")


def of_gunicorn(fresh: Machine, program: Program) -> None:
    """It is a configuration of gunicorn: the name of a worker is in the store, where the library knows of names."""
    write(fresh, program)
    (fresh.home / "app.py").write_text(block("docs/frameworks/flask.md", "python").text)
    command = ["gunicorn", "--config", "page.py", "--workers", "1", "--no-control-socket", "app:app"]
    with fresh.running(*command, FDMETRICS_DIR="/dev/shm/fdmetrics-docs"):
        assert fresh.answer("http://127.0.0.1:8000/metrics").status == 200
        assert "worker-1" in fresh.succeed("fdmctl", "dump", "/dev/shm/fdmetrics-docs")


def a_test(fresh: Machine, program: Program) -> None:
    """It is a test, and passes."""
    (fresh.home / "test_page.py").write_text(program.text)
    assert "1 passed" in fresh.succeed(sys.executable, "-m", "pytest", "-q", "--basetemp", "temporary", "test_page.py")


ASK = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8000/metrics").read().decode())
"""
ROUTED = """
import wsgiref.util
environ = {"PATH_INFO": "/nowhere"}
wsgiref.util.setup_testing_defaults(environ)
print(list(app(environ, lambda status, headers, exc_info=None: None)))
print(fdmetrics.generate_latest().decode())
"""

SHOP = 'shop_http_requests_total{method="GET",path="<unmatched>",site="eu",staff="<unknown>",status_code="404"} 1.0'
FASTDEPLOY = ("fastdeploy:request_success_total 1.0", "fastdeploy:time_to_first_token_seconds_count 1.0")

RUNS: dict[str, Callable[[Machine, Program], None]] = {
    "README.md python 1": prints('shop_orders_total{country="FR"} 1.0', "shop_order_seconds_count 1.0"),
    "README.md python 2": readme_zmq,
    "docs/fastdeploy.md diff 1": prints(),
    "docs/fastdeploy.md diff 2": prints(),
    "docs/fastdeploy.md python 1": prints(),
    "docs/fastdeploy.md python 2 3": serves(
        ONE_PROCESS, NOWHERE, *FASTDEPLOY, 'fastdeploy:kv_bytes_total{to="decode"} 4096.0'
    ),
    "docs/fastdeploy.md python 2 4": serves(ONE_PROCESS, NOWHERE, *FASTDEPLOY),
    "docs/frameworks/README.md python 1": prints(),
    "docs/frameworks/README.md python 2": prints(NOWHERE, more=ROUTED),
    "docs/frameworks/README.md python 3": prints(),
    "docs/frameworks/celery.md python 1": celery,
    "docs/frameworks/django.md python 1 2": serves(DJANGO_SERVER, NOWHERE, more=DJANGO),
    "docs/frameworks/django.md python 1 3": serves(DJANGO_SERVER, SHOP, more=DJANGO),
    "docs/frameworks/fastapi.md python 1": serves(UVICORN, NOWHERE),
    "docs/frameworks/flask.md python 1": serves(GUNICORN, NOWHERE),
    "docs/frameworks/flask.md python 2": serves(GUNICORN),
    "docs/frameworks/starlette.md python 1": serves(UVICORN, NOWHERE),
    "docs/frameworks/gunicorn.md python 1": of_gunicorn,
    "docs/migration.md python 1": prints(),
    "docs/migration.md python 2": a_test,
    "docs/migration.md python 3": to_a_gateway,
    "docs/prometheus-client.md python 1": prints("requests_total{", more='REQUESTS.labels("GET").inc()\n' + ASK),
    "python/README.md python 1": prints('requests_total{method="GET"} 1.0', more='answer("GET")\n' + ASK),
    "python/README.md python 2": prints(),
}


def test_every_program_is_run() -> None:
    assert {str(program) for program in PROGRAMS} == set(RUNS)


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_program_does_what_its_page_says(program: Program, fresh: Machine) -> None:
    RUNS[str(program)](fresh, program)
