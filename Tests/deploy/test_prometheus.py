# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus with the configuration and rules of deploy/, a real service, and all queries of the dashboard."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from promql import queries_of, with_choices
from running import PATIENCE_SECONDS, Running, Service, environment, free_port

#: After how many scrapes questions are asked, at least.
SCRAPES = 4


class Prometheus(Running):
    """A Prometheus server."""

    def api(self, path: str) -> Any:
        """What its HTTP API answers."""
        answer = self.get(f"/api/v1/{path}")
        found = json.loads(answer.body)
        assert found["status"] == "success", (path, found)
        return found["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and values of an expression, now."""
        result = self.api(f"query?query={quote(expression)}")["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in result]

    def wait_for(self, what: str, found: Callable[[], Any]) -> Any:
        """The first answer that is something."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (answer := found()):
            assert time.monotonic() < deadline, f"{what}: nothing in {PATIENCE_SECONDS} s\n{self.log}"
            time.sleep(0.2)
        return answer


def configured(folder: Path, deploy: Path, port: int) -> Path:
    """The configuration of deploy/ with the service's port, and two scrapes a second."""
    shutil.copytree(deploy / "prometheus", folder, dirs_exist_ok=True)
    settings = yaml.safe_load((folder / "prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    jobs = {job["job_name"]: job for job in settings["scrape_configs"]}
    jobs["fdmetrics"]["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    targets = [{"targets": [f"127.0.0.1:{port}"], "labels": {"job": "api"}}]
    (folder / "targets/services.yml").write_text(yaml.safe_dump(targets))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    return folder / "prometheus.yml"


@pytest.fixture(scope="module")
def server(
    prometheus: str, deploy: Path, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """It has scraped the service, which goes on working between the scrapes, by both scrape configurations."""
    folder = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    command = [
        prometheus,
        f"--config.file={configured(folder, deploy, service.port)}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with Prometheus(command, port, folder / "log", environment()) as server:
        server.wait_for("being ready", lambda: server.get("/-/ready").status == 200)
        # Of the later scrapes each has more requests than the one before.
        for count in range(1, SCRAPES + 1):
            service.use()
            wanted = f'count_over_time(up{{job=~"fdmetrics|api"}}[1h]) > {count}'
            server.wait_for(f"{count} scrapes", lambda wanted=wanted: len(server.query(wanted)) == 2)
        yield server


def test_all_targets_are_up(server: Prometheus) -> None:
    targets = server.api("targets")["activeTargets"]
    assert {target["labels"]["job"]: target["health"] for target in targets} == {"fdmetrics": "up", "api": "up"}
    assert [target["lastError"] for target in targets] == ["", ""]


def test_rules_are_evaluated_without_an_error(server: Prometheus) -> None:
    def evaluated() -> list[dict[str, Any]]:
        rules = [rule for group in server.api("rules")["groups"] for rule in group["rules"]]
        return [] if any(rule["health"] == "unknown" for rule in rules) else rules

    rules = server.wait_for("an evaluation of all rules", evaluated)
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    alerts = {rule["name"]: rule["state"] for rule in rules if rule["type"] == "alerting"}
    assert alerts and [name for name, state in alerts.items() if state == "firing"] == []


def test_all_recording_rules_have_values(server: Prometheus, deploy: Path) -> None:
    groups = yaml.safe_load((deploy / "prometheus/recording-rules.yml").read_text())["groups"]
    names = [rule["record"] for group in groups for rule in group["rules"]]
    for name in names:
        found = server.wait_for(name, lambda name=name: server.query(name))
        assert {labels["job"] for labels, _ in found} == {"fdmetrics", "api"}, name


def test_prometheus_has_the_totals_of_the_service(server: Prometheus, service: Service) -> None:
    truth = re.search(r'^http_requests_total\{[^}]*path="/fail"[^}]*\} (\S+)$', service.metrics(), re.MULTILINE)
    assert truth and float(truth[1]) >= SCRAPES
    for job in ("fdmetrics", "api"):
        asked = f'http_requests_total{{job="{job}",path="/fail"}} == {truth[1]}'
        found = server.wait_for(asked, lambda asked=asked: server.query(asked))
        assert [labels["status_code"] for labels, _ in found] == ["500"]
    ratio = server.query('job:http_requests_errors:ratio_rate5m{job="api"}')
    assert [0 < value < 1 for _, value in ratio] == [True]


def test_links_of_another_prefix_are_renamed(server: Prometheus) -> None:
    sent = server.query('{__name__=~".+:zmq:msg_send_total"}')
    found = {(labels["job"], labels["__name__"], labels.get("link_prefix"), labels["address"]) for labels, _ in sent}
    assert found == {
        ("fdmetrics", "fastdeploy:zmq:msg_send_total", None, "jobs"),
        ("fdmetrics", "other:zmq:msg_send_total", None, "others"),
        ("api", "fastdeploy:zmq:msg_send_total", "fastdeploy", "jobs"),
        ("api", "fastdeploy:zmq:msg_send_total", "other", "others"),
    }


def test_what_a_scrape_configuration_drops_is_dropped(server: Prometheus) -> None:
    buckets = server.query("count by (job) (fastdeploy:request_prompt_tokens_bucket)")
    assert [labels["job"] for labels, _ in buckets] == ["fdmetrics"]
    assert {labels["job"] for labels, _ in server.query("fastdeploy:request_prompt_tokens_sum")} == {"fdmetrics", "api"}


def test_both_processes_are_seen(server: Prometheus, service: Service) -> None:
    live = server.query('fdmetrics_live_processes{job="fdmetrics"}')
    shown = server.query('count(process_start_time_seconds{job="fdmetrics"})')
    assert [value for _, value in live] == [value for _, value in shown] == [service.WORKERS]


def test_every_panel_of_the_dashboard_shows_something(server: Prometheus, deploy: Path) -> None:
    dashboard = json.loads((deploy / "grafana/fdmetrics-dashboard.json").read_text())
    for query in queries_of(dashboard):
        asked = with_choices(query.expression)
        found = server.wait_for(f"{query.title}: {asked}", lambda asked=asked: server.query(asked))
        assert all(value == value for _, value in found), f"{query.title}: {asked} is no number: {found}"
        labels = set().union(*(labels for labels, _ in found))
        assert query.shown <= labels, f"{query.title}: {asked} has no {query.shown - labels}"


def test_the_choices_of_the_dashboard_have_values(server: Prometheus, deploy: Path) -> None:
    dashboard = json.loads((deploy / "grafana/fdmetrics-dashboard.json").read_text())
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        selector, _, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rpartition(", ")
        values = server.api(f"label/{label}/values?match[]={quote(with_choices(selector))}")
        wanted = {"job": {"api", "fdmetrics"}, "address": {"jobs", "others"}}.get(variable["name"])
        assert values and (wanted is None or set(values) == wanted), (variable["name"], values)
