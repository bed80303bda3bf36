# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The dashboard: what its program writes, of Grafana's schema, asking for what is exposed. test_prometheus asks it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from promql import names_in, queries_of, samples_in, with_choices
from running import Serving

#: What Prometheus itself records of a target.
OF_TARGETS = {"up", "scrape_duration_seconds", "scrape_samples_scraped"}


@pytest.fixture(scope="module")
def dashboard(deploy: Path) -> Any:
    """The dashboard as Grafana reads it."""
    return json.loads((deploy / "grafana/fdmetrics-dashboard.json").read_text())


def test_the_file_is_what_the_program_writes(deploy: Path, tmp_path: Path) -> None:
    for source in (deploy / "grafana").glob("*.py"):
        (tmp_path / source.name).write_text(source.read_text())
    subprocess.run([sys.executable, tmp_path / "dashboard.py"], check=True)
    written = (tmp_path / "fdmetrics-dashboard.json").read_text()
    assert written == (deploy / "grafana/fdmetrics-dashboard.json").read_text(), "run deploy/grafana/dashboard.py"


def test_it_has_the_rows_and_the_choices(dashboard: Any) -> None:
    assert dashboard["schemaVersion"] >= 38  # Grafana 10.0
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == ["Overview", "HTTP", "LLM serving", "ZeroMQ links", "Processes", "fdmetrics itself"]
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance", "address"]
    for query in queries_of(dashboard):
        assert set(re.findall(r"\$(\w+)", query.expression)) <= {*variables, "__rate_interval"}, query


def test_panels_do_not_overlap_and_have_names_of_their_own(dashboard: Any) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"], (x, y)
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_queries_have_a_letter_each_and_the_chosen_data_source(dashboard: Any) -> None:
    for panel in dashboard["panels"]:
        targets = panel.get("targets", [])
        assert bool(targets) == (panel["type"] != "row"), panel["title"]
        assert len({target["refId"] for target in targets}) == len(targets)
        for target in targets:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_promtool_takes_all_queries(dashboard: Any, promtool: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": with_choices(query.expression)}
        for number, query in enumerate(queries_of(dashboard))
    ]
    assert len(rules) > 60
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_ask_for_what_is_exposed(dashboard: Any, served: Serving) -> None:
    # Of the scrape before it is said how long it took.
    served.metrics()
    known = samples_in(served.metrics()) | OF_TARGETS
    for query in queries_of(dashboard):
        asked = names_in(with_choices(query.expression))
        assert asked, query
        assert asked <= known, f"{query.title}: nobody exposes {asked - known}"
