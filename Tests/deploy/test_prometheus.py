# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus with the configuration and rules of deploy/, a real service, and all queries of the dashboard.

It scrapes the service in three ways at once: `fdmctl serve` at a port, the same at a Unix socket behind nginx with the
configuration of deploy/, and the service's own endpoint.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from prometheus_server import Prometheus, start
from promql import queries_of, with_choices
from running import Running, Service, Serving, environment, free_port

#: After how many scrapes questions are asked, at least.
SCRAPES = 4


#: Folders that nginx wants to have.
NGINX_KEEPS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
#: The label job of each way.
JOBS = {"fdmetrics", "search", "api"}


def configured(folder: Path, deploy: Path, served: int, proxied: int, service: int) -> Path:
    """The configuration of deploy/ with these ports, and two scrapes a second."""
    shutil.copytree(deploy / "prometheus", folder, dirs_exist_ok=True)
    settings = yaml.safe_load((folder / "prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    jobs = {job["job_name"]: job for job in settings["scrape_configs"]}
    jobs["fdmetrics"]["static_configs"] = [{"targets": [f"127.0.0.1:{served}"]}]
    search, _ = jobs["fdmetrics-sockets"]["static_configs"]
    search["targets"] = [f"127.0.0.1:{proxied}"]
    jobs["fdmetrics-sockets"]["static_configs"] = [search]
    targets = [{"targets": [f"127.0.0.1:{service}"], "labels": {"job": "api"}}]
    (folder / "targets/services.yml").write_text(yaml.safe_dump(targets))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    return folder / "prometheus.yml"


@pytest.fixture(scope="module")
def proxy(nginx: str, deploy: Path, served: Serving, service: Service, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Nginx with the configuration of deploy/, in which the service is called search."""
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "search").symlink_to(service.store.parent)
    with start_nginx(nginx, deploy, folder) as proxy:
        assert served.get("/healthz").status == proxy.get("/search/healthz").status == 200
        yield proxy


def start_nginx(program: str, deploy: Path, folder: Path) -> Running:
    """Nginx, with sockets that are looked for in a folder."""
    port = free_port()
    server = (deploy / "nginx/fdmetrics.conf").read_text()
    for written, wanted in {"listen 9919;": f"listen 127.0.0.1:{port};", "/run/fdmetrics/": f"{folder}/"}.items():
        assert written in server
        server = server.replace(written, wanted)
    kept = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in NGINX_KEEPS)
    (folder / "nginx.conf").write_text(
        f"user root; pid {folder}/pid; events {{}} http {{ access_log off; {kept} {server} }}"
    )
    command = [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    return Running(command, port, folder / "log", environment())


@pytest.fixture(scope="module")
def server(
    prometheus: str,
    deploy: Path,
    service: Service,
    served: Serving,
    proxy: Running,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Prometheus]:
    """It has scraped the service in all ways, which goes on working between the scrapes."""
    folder = tmp_path_factory.mktemp("prometheus")
    settings = configured(folder, deploy, served.port, proxy.port, service.port)
    with start(prometheus, folder, settings) as server:
        # Of the later scrapes each has more requests than the one before.
        for count in range(1, SCRAPES + 1):
            service.use()
            wanted = f'count_over_time(up{{job=~"{"|".join(JOBS)}"}}[1h]) > {count}'
            server.wait_for(f"{count} scrapes", lambda wanted=wanted: len(server.query(wanted)) == len(JOBS))
        yield server


def test_all_targets_are_up(server: Prometheus) -> None:
    targets = server.api("targets")["activeTargets"]
    assert {target["labels"]["job"]: target["health"] for target in targets} == dict.fromkeys(JOBS, "up")
    assert (server.errors(), server.complaints()) == ({}, {})


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
        assert {labels["job"] for labels, _ in found} == JOBS, name


def test_prometheus_has_the_totals_of_the_service(server: Prometheus, served: Serving) -> None:
    truth = re.search(r'^http_requests_total\{[^}]*path="/fail"[^}]*\} (\S+)$', served.metrics(), re.MULTILINE)
    assert truth and float(truth[1]) >= SCRAPES
    for job in JOBS:
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
        ("search", "fastdeploy:zmq:msg_send_total", None, "jobs"),
        ("search", "other:zmq:msg_send_total", None, "others"),
        ("api", "fastdeploy:zmq:msg_send_total", "fastdeploy", "jobs"),
        ("api", "fastdeploy:zmq:msg_send_total", "other", "others"),
    }


def test_what_a_scrape_configuration_drops_is_dropped(server: Prometheus) -> None:
    buckets = server.query("count by (job) (fastdeploy:request_prompt_tokens_bucket)")
    assert {labels["job"] for labels, _ in buckets} == JOBS - {"api"}
    assert {labels["job"] for labels, _ in server.query("fastdeploy:request_prompt_tokens_sum")} == JOBS


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
        wanted = {"job": JOBS, "address": {"jobs", "others"}}.get(variable["name"])
        assert values and (wanted is None or set(values) == wanted), (variable["name"], values)


def test_the_proxy_gives_what_the_server_has_and_nothing_else(proxy: Running) -> None:
    assert proxy.get("/search/metrics?name[]=http_requests_total").body.count(b"# TYPE") == 1
    assert b"<html" in proxy.get("/search/").body
    for path in ("/", "/search", "/search/store/", "/../search/metrics", "/search/../../store", "/%2e%2e/metrics"):
        answer = proxy.get(path)
        assert answer.status in (400, 404), (path, answer)
    assert proxy.get("/nobody/metrics").status == 502
