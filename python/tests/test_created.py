# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""`_created` of prometheus_client's metrics: where it is shown, and that all processes show the same."""

from __future__ import annotations

from typing import Dict

import pytest

from .support import run_program

CLIENTS = {
    "install": """
import fdmetrics
fdmetrics.install()
import prometheus_client as client
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
""",
    "dropin": """
import fdmetrics
import fdmetrics.prometheus_client as client
from fdmetrics.prometheus_client.openmetrics import exposition as openmetrics
from fdmetrics.prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
""",
}
METRICS = """
import os, time
before = time.time()
hits = client.Counter("hits", "Hits.", ["a"])
hits.labels("x").inc()
seconds = client.Histogram("seconds", "Seconds.", ["a"], buckets=(1,))
seconds.labels("x").observe(1)
size = client.Summary("size", "Size.")
size.observe(1)
after = time.time()
NAMES = {"hits_created", "seconds_created", "size_created"}

def in_text():
    lines = client.generate_latest().decode().splitlines()
    samples = [line.split(" ") for line in lines if "_created" in line.split(" ")[0]]
    return {series.split("{")[0]: float(value) for series, value in samples}

def in_openmetrics():
    families = read_openmetrics(openmetrics.generate_latest(client.REGISTRY).decode())
    return {one.name: one.value for family in families for one in family.samples if one.name in NAMES}

def collected():
    return {one.name: one.value for family in client.REGISTRY.collect() for one in family.samples if one.name in NAMES}
"""


@pytest.mark.parametrize("client", CLIENTS)
def test_it_is_shown_where_it_is_asked_for(client: str) -> None:
    run_program(
        CLIENTS[client]
        + METRICS
        + """
made = in_openmetrics()
assert made.keys() == NAMES and all(before - 1 <= value <= after + 1 for value in made.values()), made
assert in_text() == {} and collected() == {}
assert client.REGISTRY.get_sample_value("hits_created", {"a": "x"}) == made["hits_created"]
restricted = client.generate_latest(client.REGISTRY.restricted_registry(["seconds_created"])).decode()
assert "# TYPE seconds_created gauge" in restricted and 'seconds_created{a="x"} ' in restricted, restricted

client.enable_created_metrics()
assert in_text().items() >= made.items() and collected() == made
assert "# HELP hits_created Hits.\\n# TYPE hits_created gauge\\n" in client.generate_latest().decode()
# They stand beside the other samples of their series.
families = {family.name: family for family in client.REGISTRY.collect()}
seconds.labels("y").observe(2)
order = [one.labels["a"] for one in {f.name: f for f in client.REGISTRY.collect()}["seconds"].samples]
assert order == sorted(order)
child = os.fork()
if child == 0:
    hits.labels("x").inc()
    os._exit(0 if in_openmetrics()["hits_created"] == made["hits_created"] else 1)
assert os.waitpid(child, 0)[1] == 0

client.disable_created_metrics()
assert in_text() == in_openmetrics() == collected() == {}
assert client.REGISTRY.get_sample_value("hits_created", {"a": "x"}) is None
"""
    )


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("said", "shown"), [("true", "nowhere"), ("false", "everywhere")])
def test_the_variable_of_prometheus_client_says_it_too(client: str, said: str, shown: str) -> None:
    everywhere: Dict[str, bool] = {"nowhere": False, "everywhere": True}
    run_program(
        CLIENTS[client]
        + METRICS
        + f"""
expected = NAMES if {everywhere[shown]} else set()
assert in_text().keys() & NAMES == in_openmetrics().keys() == collected().keys() == expected
""",
        PROMETHEUS_DISABLE_CREATED_SERIES=said,
    )


def test_a_counter_that_is_reset_is_made_anew() -> None:
    run_program(
        CLIENTS["dropin"]
        + METRICS
        + """
plain = client.Counter("plain", "")
first = client.REGISTRY.get_sample_value("plain_created")
time.sleep(0.01)
plain.reset()
assert client.REGISTRY.get_sample_value("plain_created") > first
"""
    )
