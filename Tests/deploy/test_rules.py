# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Prometheus' configuration and rules, by promtool; each alert fires in one of its tests and is quiet in another."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from promql import names_in, samples_in
from running import Serving

PROMETHEUS = Path(__file__).resolve().parents[2] / "deploy/prometheus"
TESTS = sorted((PROMETHEUS / "tests").glob("*.test.yml"))
#: What Prometheus itself records of a target.
OF_TARGETS = {"up"}


def rules(file: str) -> list[dict[str, Any]]:
    """The rules of a file."""
    groups = yaml.safe_load((PROMETHEUS / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def run(*command: str | Path) -> None:
    """Fails with what the program said, where it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_configuration(promtool: str) -> None:
    run(promtool, "check", "config", PROMETHEUS / "prometheus.yml")


def test_promtool_takes_the_rules(promtool: str) -> None:
    run(promtool, "check", "rules", PROMETHEUS / "recording-rules.yml", PROMETHEUS / "alert-rules.yml")


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name.partition(".")[0])
def test_alerts_fire_when_they_should(promtool: str, file: Path) -> None:
    run(promtool, "test", "rules", file)


def test_each_alert_is_tested_firing_and_quiet() -> None:
    fired, quiet = set(), set()
    for file in TESTS:
        for case in yaml.safe_load(file.read_text())["tests"]:
            for check in case["alert_rule_test"]:
                (fired if check["exp_alerts"] else quiet).add(check["alertname"])
    alerts = {rule["alert"] for rule in rules("alert-rules.yml")}
    assert len(TESTS) == 6
    assert (alerts - fired, alerts - quiet, (fired | quiet) - alerts) == (set(), set(), set())


def test_each_alert_says_how_bad_it_is_and_what_it_means() -> None:
    for rule in rules("alert-rules.yml"):
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_rules_ask_for_what_is_exposed(served: Serving) -> None:
    recorded = {rule["record"] for rule in rules("recording-rules.yml")}
    # Of the scrape before it is said how long it took.
    served.metrics()
    known = samples_in(served.metrics()) | recorded | OF_TARGETS
    for rule in [*rules("recording-rules.yml"), *rules("alert-rules.yml")]:
        asked = names_in(rule["expr"])
        assert asked, rule
        assert asked <= known, f"{rule.get('record') or rule['alert']}: nobody exposes {asked - known}"
