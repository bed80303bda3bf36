# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Three hosts, each with a store and `fdmctl serve`, and a fourth with one Prometheus: sums over hosts are right.

The hosts are network namespaces (network.py). Writers are killed on all of them; the serving process of one is killed,
is away for some scrapes, and comes back, while its writers go on.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from load import STEADY, Bounds, Load, compile_writer
from network import Host, network
from prometheus_server import Prometheus, start
from running import Running, environment, get

ADDRESSES = ["10.77.0.1", "10.77.0.2", "10.77.0.3"]
WATCHER = "10.77.0.4"
PORT = 9919
#: Writers that are killed on each host, before and after the server of the second one is away.
KILLS = 4


class Site(NamedTuple):
    """A host and what runs on it."""

    host: Host
    load: Load
    command: list[str]
    log: Path

    @property
    def target(self) -> str:
        """Its name in Prometheus."""
        return f"{self.host.address}:{PORT}"

    def serve(self, stack: contextlib.ExitStack) -> Running:
        """Starts the process that serves."""
        with self.host.entered():
            server = stack.enter_context(Running(self.command, PORT, self.log, environment(), self.host.address))
            assert server.get("/metrics").status == 200
        return server


class Outcome(NamedTuple):
    """What is left to be asked; the thread is on the host of Prometheus."""

    hosts: list[Host]
    server: Prometheus
    bounds: dict[str, dict[str, Bounds]]
    was_away: str

    def values(self, expression: str) -> dict[str, float]:
        """The values of an expression by the host that they are of."""
        return {labels["instance"]: value for labels, value in self.server.query(expression)}


def configuration(targets: list[str]) -> dict[str, object]:
    """One scrape a second of each host."""
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "fdmetrics", "static_configs": [{"targets": targets}]}],
    }


def wait_for_scrapes(server: Prometheus, targets: int) -> None:
    """Returns when all targets were scraped with success at a time that is later than now."""
    asked = f"timestamp(up) > {time.time()} and up == 1"
    server.wait_for(asked, lambda: len(server.query(asked)) == targets)


@pytest.fixture(scope="module")
def outcome(prometheus: str, fdmctl: str, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """The whole run."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("hosts")
    c_writer = compile_writer(library, folder)
    with contextlib.ExitStack() as stack:
        *hosts, watcher = stack.enter_context(network([*ADDRESSES, WATCHER]))
        memory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fdm-hosts-", dir="/dev/shm")))
        sites = []
        for number, host in enumerate(hosts):
            with host.entered():
                load = stack.enter_context(Load(memory / host.address, c_writer, seed + number, writers=2 + number))
            command = [fdmctl, "serve", str(load.store), f"--listen={host.address}:{PORT}"]
            sites.append(Site(host, load, command, folder / f"{host.address}.log"))
        serving = [site.serve(stack) for site in sites]
        targets = [site.target for site in sites]
        stack.enter_context(watcher.entered())
        server = stack.enter_context(start(prometheus, folder / "data", configuration(targets), listen=WATCHER))
        wait_for_scrapes(server, len(sites))

        def disturb() -> None:
            for _ in range(KILLS):
                for site in sites:
                    site.load.replace_one()
                    time.sleep(chance.uniform(0, 0.2))

        for site in sites:
            site.load.go()
        disturb()
        serving[1].kill()
        disturb()
        away = f'up{{instance="{targets[1]}"}}'
        server.wait_for(f"{away} is 0", lambda: server.scraped(away)[0].values.count(0.0) >= 2)
        sites[1].serve(stack)
        disturb()
        for site in sites:
            site.load.stop()
        wait_for_scrapes(server, len(sites))
        yield Outcome(hosts, server, {site.target: site.load.bounds() for site in sites}, targets[1])


def test_each_host_has_what_was_recorded_there(outcome: Outcome) -> None:
    for name in STEADY:
        found = outcome.values(f"sum by (instance) ({name})")
        assert found.keys() == outcome.bounds.keys()
        for target, value in found.items():
            assert outcome.bounds[target][name].admits(value), (target, name, value, outcome.bounds[target][name])
    totals = outcome.values("load_requests_total")
    assert len(set(totals.values())) == len(ADDRESSES), f"hosts cannot be told apart: {totals}"


def test_sums_over_hosts_are_right(outcome: Outcome) -> None:
    for name in STEADY:
        ((_, total),) = outcome.server.query(f"sum({name})")
        parts = outcome.values(f"sum by (instance) ({name})")
        assert total == sum(parts.values()), (name, total, parts)
        all_hosts = [bounds[name] for bounds in outcome.bounds.values()]
        whole = Bounds(sum(each.least for each in all_hosts), sum(each.most for each in all_hosts))
        assert whole.admits(total), (name, total, whole)


def test_counters_of_the_host_that_was_away_went_on(outcome: Outcome) -> None:
    for series in outcome.server.scraped('{__name__=~"load.+"}'):
        assert series.values == sorted(series.values), f"{series.labels} falls: {series.values}"
    ((_, resets),) = outcome.server.query("sum(resets(load_requests_total[1h]))")
    assert resets == 0
    for series in outcome.server.scraped("load_requests_total"):
        # From the 0 before the first writer did anything, so that increase() is the whole.
        first, last = series.samples[0], series.samples[-1]
        assert first[1] == 0 and last[1] > 0
        selector = f'load_requests_total{{instance="{series.labels["instance"]}"}}'
        ((_, risen),) = outcome.server.query(f"increase({selector}[{last[0] - first[0] + 1}ms])", last[0])
        assert risen == last[1], (series.labels, risen, last)


def test_only_the_host_without_a_server_was_down(outcome: Outcome) -> None:
    assert outcome.server.complaints() == {}
    assert outcome.server.errors() == {}
    for up in outcome.server.scraped("up"):
        was_down = 0.0 in up.values
        assert was_down == (up.labels["instance"] == outcome.was_away), (up.labels, up.values)
        assert up.values[-1] == 1.0


def test_a_server_is_reached_by_its_address_alone(outcome: Outcome) -> None:
    for host in outcome.hosts:
        with host.entered():
            assert get(f"http://{host.address}:{PORT}/healthz") is not None
            assert get(f"http://127.0.0.1:{PORT}/healthz") is None
