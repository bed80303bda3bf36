# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Ten thousand requests to a server whose workers are killed meanwhile, and two hundred scrapes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clients import HANG_SECONDS, Answer, Client
from servers import Server, is_alive
from totals import Counted, Exposition, Monotonic, Truth
from traffic import Scrapes, Traffic, scrape
from witness import Rows

REQUESTS = 10_000
SCRAPES = 200
#: Replacements for requests that lost their worker.
SPARE_NUMBERS = 2_000
#: How long a held request would take; its worker is killed long before.
HELD_SECONDS = 100

#: How a worker is killed: with nothing in flight; with one request in flight, which it handles; at any instant.
IDLE, HELD, ANY = "idle", "held", "any"


#: What every service counts. It is begun, and counted, before it is in progress, and observed at its end.
REQUESTS_AND_SECONDS = (Counted("service_requests_total", of_held=True), Counted("service_request_seconds_count"))


def _by_middleware(path: str) -> tuple[Counted, ...]:
    request = (("method", "GET"), ("path", path))
    answer = (*request, ("status_code", "200"))
    return Counted("http_requests_total", answer), Counted("http_request_duration_seconds_count", request)


#: What the middlewares count beside it.
IN_FLASK = _by_middleware("/items/<int:item>")
IN_FASTAPI = _by_middleware("/items/{item}")
#: What is there where the service asks for it, or where prometheus_client has it in a single process.
OF_PROCESSES = ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds")
OF_PYTHON = ("python_gc_collections_total", "python_info")
#: A gauge of what is being handled; a dead worker's part in it must leave by itself.
IN_PROGRESS = "service_requests_in_progress"


@dataclass(frozen=True)
class Plan:
    """What happens to a server while it answers."""

    #: What is counted beside REQUESTS_AND_SECONDS.
    counted: Sequence[Counted] = ()
    #: Sample names that each scrape must have, with a value above 0.
    present: Sequence[str] = ()
    kills: Sequence[str] = (IDLE, HELD, ANY, IDLE, HELD, ANY, IDLE, HELD)
    reload: bool = False
    #: How many requests are in flight at a time.
    threads: int = 4
    #: How many processes must have answered at the end; more than there are at a time where they are recycled.
    workers: int = 4


class Campaign:
    """One server, its traffic and the truth about it."""

    def __init__(self, server: Server, folder: Path, plan: Plan, seed: int, stress: int) -> None:
        self._server = server
        self._plan = plan
        self._chance = random.Random(seed)
        self._monotonic = Monotonic()
        self._rows = Rows(folder / "rows")
        self._traffic = Traffic(server.path, REQUESTS * stress, threads=plan.threads, numbers=self._rows.count)
        self._truth = Truth(self._rows, self._traffic.answered, [*REQUESTS_AND_SECONDS, *plan.counted], is_alive)
        self._killed: set[int] = set()

    def run(self) -> None:
        """Runs it and checks everything."""
        traffic, requests = self._traffic, self._traffic.requests
        kill = {IDLE: self._kill_idle, HELD: self._kill_held, ANY: self._kill_any}
        actions: list[Callable[[], None]] = [kill[how] for how in self._plan.kills]
        self._chance.shuffle(actions)
        if self._plan.reload:
            actions.insert(len(actions) // 2, self._reload)
        instants = sorted(self._chance.sample(range(requests // 20, requests * 19 // 20), len(actions)))
        with traffic, Scrapes(self._server.path, traffic, SCRAPES, self._check_scrape) as scrapes:
            for instant, act in zip(instants, actions):
                traffic.wait_for(instant)
                act()
            traffic.wait_for(requests)
        self._check_settled()
        print(
            f"{len(traffic.answered)} of {traffic.issued} answered by {len(traffic.workers)} processes, "
            f"{len(self._killed)} killed, scraped from {len(scrapes.workers)}; {self._truth.summary}"
        )
        assert len(traffic.workers) >= self._plan.workers, f"only {traffic.workers} have answered"
        assert len(scrapes.workers) > 1, f"only {scrapes.workers} was scraped"

    def _check_scrape(self, answer: Answer, answered: int, issued: int) -> None:
        shown = Exposition(answer.text)
        self._monotonic.check(shown)
        names = {name for name, _ in shown.samples}
        for name in self._plan.present:
            assert name in names, f"{name} is missing:\n{shown.text}"
        self._truth.check_meanwhile(shown, answered, issued, self._plan.threads)

    def _check_settled(self) -> None:
        """With no request in flight: every total is exact, and nothing is in progress."""
        self._truth.settle()
        shown = Exposition(scrape(self._server.path).text)
        self._truth.check_settled(shown)
        # By now: CPU seconds come in steps of the clock's tick, and the first scrapes find less.
        for name in self._plan.present:
            assert shown.total(name) > 0, f"{name} is 0:\n{shown.text}"
        assert shown.total(IN_PROGRESS) == 0, shown.text

    def _victim(self) -> int:
        """A worker that has answered. New ones have answered nothing yet, but whoever answers now."""
        alive = sorted(worker for worker in list(self._traffic.workers) if is_alive(worker))
        return self._chance.choice(alive) if alive else scrape(self._server.path).worker

    def _kill(self, worker: int) -> None:
        self._server.kill(worker)
        self._killed.add(worker)

    def _kill_idle(self) -> None:
        with self._traffic.paused():
            self._check_settled()
            self._kill(self._victim())
            self._check_settled()

    def _kill_any(self) -> None:
        self._kill(self._victim())

    def _kill_held(self) -> None:
        with self._traffic.paused():
            self._check_settled()
            number = self._traffic.take_number()
            client = Client(self._server.path)
            client.send(f"/sleep/{HELD_SECONDS}", number)
            self._wait_until_in_progress()
            self._truth.held.add(number)
            self._kill(self._rows.worker(number))
            client.close()
            self._check_settled()

    def _wait_until_in_progress(self) -> None:
        deadline = time.monotonic() + HANG_SECONDS
        while Exposition(scrape(self._server.path).text).total(IN_PROGRESS) != 1:
            assert time.monotonic() < deadline, f"{IN_PROGRESS} shows no held request:\n{self._server.log}"
            time.sleep(0.001)

    def _reload(self) -> None:
        old = {worker for worker in list(self._traffic.workers) if is_alive(worker)}
        self._server.reload()
        deadline = time.monotonic() + HANG_SECONDS
        while any(is_alive(worker) for worker in old):
            self._traffic.raise_error()
            assert time.monotonic() < deadline, f"workers {old} outlive the reload:\n{self._server.log}"
            time.sleep(0.005)
        with self._traffic.paused():
            self._check_settled()


def make_rows(folder: Path, stress: int) -> None:
    """The witness's file, which the server's processes open."""
    Rows(folder / "rows", (REQUESTS + SPARE_NUMBERS) * stress)
