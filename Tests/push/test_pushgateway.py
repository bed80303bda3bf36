# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A real Pushgateway."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import Push, Server, Service, eventually, free_port
from prometheus_client.parser import text_string_to_metric_families
from scripted import Answer, ScriptedReceiver
from test_remote_write import PLAIN, scraped

import fdmetrics


@pytest.fixture
def gateway(program: Callable[[str], str], folder: Path) -> Iterator[Server]:
    """A Pushgateway."""
    port = free_port()
    # Debian's keeps what it has in a file of the whole machine.
    options = [f"--web.listen-address=127.0.0.1:{port}", "--persistence.file="]
    command = [program("prometheus-pushgateway"), *options]
    with Server(command, port, "/-/ready", folder / "gateway.log") as server:
        yield server


def groups(gateway: Server) -> list[dict[str, str]]:
    """The labels of the groups that it has."""
    answer = json.loads(gateway.get_text(gateway.url + "/api/v1/metrics"))
    return [group["labels"] for group in answer["data"]]


def shown(gateway: Server, **labels: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The samples of a group without its labels, and without the gateway's own."""
    found = {}
    for family in text_string_to_metric_families(gateway.get_text(gateway.url + "/metrics")):
        for sample in family.samples:
            if not labels.items() <= sample.labels.items() or sample.name.startswith("push_"):
                continue
            if "le" in sample.labels:
                # The gateway spells bounds its own way.
                sample.labels["le"] = str(float(sample.labels["le"])).replace("inf", "+Inf")
            rest = {k: v for k, v in sample.labels.items() if k not in (*labels, "instance") and v}
            found[tuple(sorted({"__name__": sample.name, **rest}.items()))] = sample.value
    return found


def test_a_group_is_exactly_what_was_pushed(gateway: Server, service: Service) -> None:
    options = ("--pushgateway", gateway.url, "--job", "a/b", "--label", "zone=z ü%", "--label", "path=/x/y")
    group = {"job": "a/b", "path": "/x/y", "zone": "z ü%"}
    for _ in range(2):
        done = Push.once(service.store, *options, *PLAIN)
        assert done.returncode == 0, done.stderr
        assert groups(gateway) == [group]
        assert shown(gateway, **group) == scraped(service)
        # PUT: the second push has one series less, and it is gone.
        service.ask("remove")
    done = Push.once(service.store, *options, "--delete")
    assert done.returncode == 0, done.stderr
    assert groups(gateway) == []


def test_it_goes_on_and_deletes_at_the_end(gateway: Server, service: Service) -> None:
    options = ("--pushgateway", gateway.url, "--job", "j", *PLAIN, "--interval", "0.1", "--delete-at-end")
    with Push(service.store, *options) as push:
        eventually("the group", lambda: groups(gateway))
        service.ask("record")
        name = (("__name__", "recorder_jobs_total"), ("worker", "a"))
        eventually("the new total", lambda: shown(gateway, job="j").get(name) == 10)
        assert push.stop() == 0
    assert groups(gateway) == []


def test_methods_and_failures(service: Service, receiver: ScriptedReceiver) -> None:
    receiver.script([Answer(500), Answer(202)])
    done = Push.once(service.store, "--pushgateway", receiver.url + "/", "--job", "", "--add")
    assert done.returncode == 64, "a job has a name"
    done = Push.once(service.store, "--pushgateway", receiver.url + "/", "--job", "j", "--add", "--instance", "i")
    assert done.returncode == 0, done.stderr
    assert [(one.method, one.path) for one in receiver.requests] == [("POST", "/metrics/job/j/instance/i")] * 2
    receiver.otherwise = Answer(400, body=b"text format parsing error")
    done = Push.once(service.store, "--pushgateway", receiver.url, "--job", "j")
    assert done.returncode == 1
    assert "status 400: text format parsing error" in done.stderr
    assert receiver.requests[-1].method == "PUT"


def test_the_functions_of_the_python_package(gateway: Server, folder: Path) -> None:
    registry = fdmetrics.Registry(folder / "store")
    fdmetrics.Counter("done", "Done.", ["kind"], registry=registry).labels("a").inc(2)
    done = (("__name__", "done_total"), ("kind", "a"))
    keys = [{}, {"zone": "z ü%", "path": "/x/y"}, {"zone": ".", "path": ""}]
    for key in keys:
        fdmetrics.push_to_gateway(gateway.url, "a/b", registry, key, compression="gzip")
    labels = [{"job": "a/b", **key} for key in keys]
    assert sorted(groups(gateway), key=str) == sorted(labels, key=str)
    fdmetrics.Gauge("depth", "Depth.", registry=registry, multiprocess_mode="livesum").set_function(lambda: 3)
    registry.attach()
    fdmetrics.pushadd_to_gateway(gateway.url, "a/b", registry, keys[1])
    assert shown(gateway, **labels[1]) == {done: 2, (("__name__", "depth"),): 3}
    fdmetrics.delete_from_gateway(gateway.url, "a/b", keys[2])
    assert sorted(groups(gateway), key=str) == sorted(labels[:2], key=str)
    registry.close()
