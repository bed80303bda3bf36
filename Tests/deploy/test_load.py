# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes `fdmctl serve` in each format while processes are killed, and has the truth in the end.

Two servers of Prometheus, one of which asks for protobuf, scrape directly and through proxies that see what was asked
for and what came; one proxy asks for the plain text format. Writers are killed and replaced all the time. One serving
process lives throughout; of two others, which share a port, whichever serves is killed twice.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from accepting import Proxy
from load import STEADY, Bounds, Load, compile_writer
from prometheus_server import Prometheus, Scraped, start
from running import Running, Serving, environment, free_port

#: How often something is killed: a writer each time, and the process that serves at the times named.
KILLS = 48
SERVER_KILLS = (12, 30)
#: Seconds between two of them.
PAUSE = 0.35
#: So many scrapes of each job are enough to show something.
SCRAPES = 15

TEXT = "text/plain;version=0.0.4;charset=utf-8"
#: What a direct scrape is called in each Prometheus, and the same through a proxy.
FORMATS = {"openmetrics": "application/openmetrics-text", "protobuf": "application/vnd.google.protobuf"}
#: The jobs whose server is never killed.
UNDISTURBED = ("direct", "proxied", "plain")


class Outcome(NamedTuple):
    """What is left to be asked when nothing records any more."""

    servers: dict[str, Prometheus]
    seen: dict[str, set[tuple[str, str, str, str]]]
    bounds: dict[str, Bounds]
    by_writer: dict[str, Bounds]
    #: What the server that was never killed says in the end.
    last: str
    killed: int

    def jobs(self) -> Iterator[tuple[Prometheus, str, str]]:
        """Each job: its Prometheus, its name, and the names of both for messages."""
        return jobs(self.servers)


def jobs_of(name: str) -> tuple[str, ...]:
    """The jobs of a Prometheus."""
    return ("direct", "proxied", "handed over", *(["plain"] if name == "openmetrics" else []))


def jobs(servers: dict[str, Prometheus]) -> Iterator[tuple[Prometheus, str, str]]:
    """Each job: its Prometheus, its name, and the names of both for messages."""
    for name, server in servers.items():
        for job in jobs_of(name):
            yield server, job, f"{job} of the Prometheus for {name}"


class Shared:
    """A process that serves, and one that waits for its port. Where the first is killed, another queues up."""

    def __init__(self, stack: contextlib.ExitStack, fdmctl: str, store: Path, port: int, log: Path) -> None:
        self._stack = stack
        self._command = [fdmctl, "serve", str(store), f"--listen=127.0.0.1:{port}", "--take-over"]
        self._port = port
        self._log = log
        self._queue: list[Running] = []
        self._line_up()
        self._queue[0].get("/healthz")
        self._line_up()

    def _line_up(self) -> None:
        running = Running(self._command, self._port, self._log, environment())
        self._queue.append(self._stack.enter_context(running))

    def kill(self) -> None:
        """Kills the one that serves."""
        self._queue.pop(0).kill()
        # Nobody else can be the next.
        assert self._queue[0].get("/healthz").status == 200
        self._line_up()


def configuration(ports: dict[str, int]) -> dict[str, Any]:
    """One scrape a second of each; with all jobs together the store is scraped about every 150 ms."""
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in ports.items()
        ],
    }


@pytest.fixture(scope="module")
def outcome(prometheus: str, fdmctl: str, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """The whole run."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    folder = tmp_path_factory.mktemp("load")
    with contextlib.ExitStack() as stack:
        memory = stack.enter_context(tempfile.TemporaryDirectory(prefix="fdm-load-", dir="/dev/shm"))
        load = stack.enter_context(Load(Path(memory), compile_writer(library, folder), seed))
        port, shared_port = free_port(), free_port()
        command = [fdmctl, "serve", str(load.store), f"--listen=127.0.0.1:{port}"]
        serving = stack.enter_context(Serving(command, port, folder / "serve.log", environment()))
        assert serving.get("/healthz").status == 200
        shared = Shared(stack, fdmctl, load.store, shared_port, folder / "shared.log")
        proxies = {name: stack.enter_context(Proxy(port)) for name in FORMATS}
        plain = stack.enter_context(Proxy(port, TEXT))
        servers: dict[str, Prometheus] = {}
        for name, proxy in proxies.items():
            ports = {"direct": port, "proxied": proxy.port, "handed over": shared_port, "plain": plain.port}
            settings = configuration({job: ports[job] for job in jobs_of(name)})
            flags = ["--enable-feature=native-histograms"] if name == "protobuf" else []
            servers[name] = stack.enter_context(start(prometheus, folder / name, settings, *flags))
        for name, server in servers.items():
            # Of each series that is there from the start, what was scraped first is 0.
            wanted = f"count(load_requests_total) == {len(jobs_of(name))}"
            server.wait_for(wanted, lambda server=server, wanted=wanted: server.query(wanted))
        load.go()
        chance = random.Random(seed)
        for kill in range(KILLS):
            time.sleep(chance.uniform(0, 2 * PAUSE))
            load.replace_one()
            if kill in SERVER_KILLS:
                shared.kill()
        load.stop()
        bounds = load.bounds()
        wait_for_the_end(servers)
        yield Outcome(
            servers,
            {**{name: proxy.seen for name, proxy in proxies.items()}, "plain": plain.seen},
            bounds,
            {str(row): load.bounds([row])["load_steps_total"] for row in range(load.started)},
            serving.metrics(),
            load.killed,
        )


def wait_for_the_end(servers: dict[str, Prometheus]) -> None:
    """Returns when every job has scraped what is there now, and has made as many scrapes as the tests want."""
    now = time.time()
    for server, job, what in jobs(servers):
        for asked in (f'timestamp(up{{job="{job}"}}) > {now}', f'count_over_time(up{{job="{job}"}}[1h]) >= {SCRAPES}'):
            server.wait_for(f"{what}: {asked}", lambda server=server, asked=asked: server.query(asked))


def test_every_format_was_scraped(outcome: Outcome) -> None:
    for name, content_type in FORMATS.items():
        assert outcome.seen[name]
        for accept, accept_encoding, answered, encoding in outcome.seen[name]:
            assert accept.startswith(content_type), f"this version of Prometheus asks for {accept}"
            assert (answered.partition(";")[0], accept_encoding, encoding) == (content_type, "gzip", "gzip")
    for _, _, answered, _ in outcome.seen["plain"]:
        assert answered.replace(" ", "") == TEXT


def test_every_scrape_succeeded(outcome: Outcome) -> None:
    for server, job, what in outcome.jobs():
        assert server.errors() == {}, what
        assert server.complaints() == {}, what
        (up,) = server.scraped(f'up{{job="{job}"}}')
        if job in UNDISTURBED:
            assert len(up.values) >= SCRAPES and set(up.values) == {1.0}, (what, up.values)


def test_another_process_takes_over_within_a_scrape(outcome: Outcome) -> None:
    for server, job, what in outcome.jobs():
        if job not in UNDISTURBED:
            (up,) = server.scraped(f'up{{job="{job}"}}')
            assert up.values.count(0.0) <= len(SERVER_KILLS), (what, up.values)
            assert all(1.0 in pair for pair in zip(up.values, up.values[1:])), (what, up.values)


def increase(server: Prometheus, series: Scraped, selector: str) -> float:
    """PromQL's increase() from a series' first sample to its last, where it extrapolates nothing."""
    first, last = series.samples[0][0], series.samples[-1][0]
    # A millisecond more, because newer versions leave the range's begin out; a counter is not extrapolated below 0.
    found = server.query(f"increase({selector}[{last - first + 1}ms])", last)
    assert len(found) == 1, (selector, found)
    return found[0][1]


def with_job(selector: str, job: str) -> str:
    """A selector for the series of a job alone."""
    name, _, labels = selector.rstrip("}").partition("{")
    return f'{name}{{{labels}{"," if labels else ""}job="{job}"}}'


def test_prometheus_has_what_was_acknowledged(outcome: Outcome) -> None:
    assert outcome.killed == KILLS
    for server, job, what in outcome.jobs():
        for name, bounds in outcome.bounds.items():
            selector = with_job(name, job)
            ((_, total),) = server.query(f"sum({selector})")
            assert bounds.admits(total), f"{what}: {name} is {total}, {bounds} was recorded"
            for series in server.scraped(selector):
                assert series.values == sorted(series.values), f"{what}: {series.labels} falls: {series.values}"
        for labels, value in server.query(with_job("load_steps_total", job)):
            bounds = outcome.by_writer[labels["writer"]]
            assert bounds.admits(value), f"{what}: writer {labels['writer']} made {bounds}, not {value} steps"


def test_increase_over_the_run_is_what_was_recorded(outcome: Outcome) -> None:
    for server, job, what in outcome.jobs():
        for name in STEADY:
            total = 0.0
            for series in server.scraped(with_job(name, job)):
                labels = ",".join(f'{label}="{value}"' for label, value in series.labels.items() if label[0] != "_")
                assert series.values[0] == 0, f"{what}: {name} was scraped too late: {series.values[0]}"
                risen = increase(server, series, f"{series.labels['__name__']}{{{labels}}}")
                assert risen == series.values[-1], f"{what}: {name} has risen by {risen}: {series.samples}"
                total += risen
            assert outcome.bounds[name].admits(total), f"{what}: {name} {total}, {outcome.bounds[name]}"


def test_all_formats_give_the_same_series(outcome: Outcome) -> None:
    found = {}
    for server, job, what in outcome.jobs():
        found[what] = {
            tuple(sorted((name, value) for name, value in labels.items() if name not in ("job", "instance"))): value
            for labels, value in server.query(f'{{job="{job}",__name__!~"up|scrape_.+"}}')
        }
    first = next(iter(found.values()))
    assert len(first) > 60
    for what, series in found.items():
        assert series.keys() == first.keys(), (what, series.keys() ^ first.keys())
        # Processes and the latest scrape differ from one scrape to the next.
        changed = {key for key in first if key[0][1].startswith("load") and series[key] != first[key]}
        assert not changed, (what, changed)


def test_it_is_what_the_server_says(outcome: Outcome) -> None:
    said = {}
    for family in text_string_to_metric_families(outcome.last):
        for sample in family.samples:
            if sample.name.startswith("load"):
                said[tuple(sorted({**sample.labels, "__name__": sample.name}.items()))] = sample.value
    for server, job, what in outcome.jobs():
        stored = {
            tuple(sorted((name, value) for name, value in labels.items() if name not in ("job", "instance"))): value
            for labels, value in server.query(f'{{job="{job}",__name__=~"load.+"}}')
        }
        assert stored == said, what
