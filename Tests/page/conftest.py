# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A browser, and what it looks at: `fdmctl serve` over stores that real processes record into.

FDMCTL             the tool (build/bin/fdmctl)
FDMETRICS_LIBRARY  the library that the processes record with (python/fdmetrics/libfdmetrics.so)
CHROMIUM           the browser (chromium), with CHROMEDRIVER (chromedriver)
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Browser, Page
from service import Recorder, Server, Service

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The pictures of the documentation take a minute, and are made only when they are wanted."""
    parser.addoption("--pictures", action="store_true", help="write docs/images/page-light.png and page-dark.png")


def program(variable: str, *names: str) -> str:
    """A program that must be there."""
    for name in (os.environ.get(variable), *names):
        found = shutil.which(name) if name else None
        if found:
            return found
    pytest.fail(f"there is no {' or '.join(names)} here; install it, or set {variable}")


@pytest.fixture(scope="session")
def tool() -> Path:
    """fdmctl."""
    path = Path(os.environ.get("FDMCTL") or ROOT / "build/bin/fdmctl").resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make library tool`, or set FDMCTL")
    return path


@pytest.fixture(scope="session")
def session_browser() -> Iterator[Browser]:
    """One browser for all tests; it costs a second to start."""
    browser = Browser(program("CHROMIUM", "chromium", "chromium-browser"), program("CHROMEDRIVER", "chromedriver"))
    yield browser
    browser.end()


@pytest.fixture
def browser(session_browser: Browser) -> Iterator[Browser]:
    """The browser as if new. No page may have written an error to its console, or asked any other host."""
    session_browser.renew()
    yield session_browser
    session_browser.check()


@pytest.fixture(scope="session")
def session_service(tool: Path) -> Iterator[Service]:
    """The one of tests that need no store of their own."""
    yield from make_service(tool)


@pytest.fixture
def service(tool: Path) -> Iterator[Service]:
    """Nothing yet: a directory in shared memory for a store, processes that record, servers."""
    yield from make_service(tool)


def make_service(tool: Path) -> Iterator[Service]:
    """A service, which is ended with everything that it has started."""
    folder = Path(tempfile.mkdtemp(prefix="fdmetrics-page-", dir="/dev/shm"))
    service = Service(tool, folder)
    yield service
    service.end()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def recorder(service: Service) -> Recorder:
    """A process that records what it is told to."""
    return service.recorder()


@pytest.fixture
def server(service: Service) -> Server:
    """`fdmctl serve` over the store."""
    return service.serve()


@pytest.fixture
def page(recorder: Recorder, server: Server, browser: Browser) -> Page:
    """The page of the store, with its first answer."""
    return browser.open(server.url)
