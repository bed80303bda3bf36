# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a remote write request holds, compared with a scrape of the same store."""

from __future__ import annotations

import socket
import subprocess
import time

import remote_write
from programs import Push, Service, eventually
from prometheus_client.parser import text_string_to_metric_families
from remote_write import Sample
from scripted import ScriptedReceiver

PLAIN = ("--process-metrics", "none", "--no-self-metrics")


def scraped(service: Service) -> dict[tuple[tuple[str, str], ...], float]:
    """The samples of a scrape, as Prometheus would store them: by labels with the name, without empty ones."""
    text = subprocess.run(
        [str(Push.tool), "dump", "--prometheus", str(service.store)], capture_output=True, text=True, check=True
    ).stdout
    return {
        tuple(sorted({"__name__": sample.name, **{k: v for k, v in sample.labels.items() if v}}.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def received(receiver: ScriptedReceiver) -> list[Sample]:
    """All samples that were taken, in their order."""
    return [sample for request in receiver.accepted() for sample in remote_write.samples(request.body)]


def test_samples_are_those_of_a_scrape(service: Service, receiver: ScriptedReceiver) -> None:
    before = time.time_ns() // 1_000_000
    done = Push.once(
        service.store, "--remote-write", receiver.url + "/write", *PLAIN, "--job", "jobs", "--label", "zone=z1"
    )
    assert done.returncode == 0, done.stderr
    after = time.time_ns() // 1_000_000
    samples = received(receiver)
    added = {"instance": socket.gethostname(), "job": "jobs", "zone": "z1"}
    assert all(sample[name] == value for sample in samples for name, value in added.items())
    stripped = {tuple(pair for pair in sample.labels if pair[0] not in added): sample.value for sample in samples}
    assert stripped == scraped(service)
    assert len(stripped) == len(samples)
    assert len({sample.timestamp for sample in samples}) == 1
    assert before <= samples[0].timestamp <= after


def test_requests_are_as_the_specification_wants_them(service: Service, receiver: ScriptedReceiver) -> None:
    done = Push.once(service.store, "--remote-write", receiver.url + "/api/v1/write?x=1", "--batch-samples", "7")
    assert done.returncode == 0, done.stderr
    for request in receiver.requests:
        assert (request.method, request.path) == ("POST", "/api/v1/write?x=1")
        assert request.headers["Content-Encoding"] == "snappy"
        assert request.headers["Content-Type"] == "application/x-protobuf"
        assert request.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
        assert request.headers["User-Agent"].startswith("fdmctl/")
    samples = received(receiver)
    for sample in samples:
        names = [name for name, _ in sample.labels]
        assert names == sorted(set(names)), "labels are sorted, and none is there twice"
        assert all(name and value for name, value in sample.labels), "no label is empty"
        assert sample["__name__"]
    assert max(len(remote_write.samples(request.body)) for request in receiver.requests) == 7
    names = {sample["__name__"] for sample in samples}
    assert {"process_cpu_seconds_total", "fdmetrics_live_processes"} <= names


def test_families_are_described(service: Service, receiver: ScriptedReceiver) -> None:
    assert Push.once(service.store, "--remote-write", receiver.url, *PLAIN).returncode == 0
    described: dict[str, tuple[int, str, str]] = {}
    for request in receiver.requests:
        described |= remote_write.metadata(request.body)
    assert described["recorder_jobs_total"] == (1, "Jobs done.", "")
    assert described["recorder_queue"] == (2, 'Jobs that "wait".', "")
    assert described["recorder_job_seconds"] == (3, "Time of a job.", "seconds")
    assert described["recorder_size_bytes"][0] == 5
    assert described["recorder_build_info"][0] == 6
    assert described["recorder_state"][0] == 7


def test_series_that_are_gone_are_marked(service: Service, receiver: ScriptedReceiver) -> None:
    with Push(service.store, "--remote-write", receiver.url, *PLAIN, "--interval", "0.1") as push:
        receiver.wait(3)
        service.ask("remove")
        eventually("a stale marker", lambda: [one for one in received(receiver) if one.is_stale])
        marked = [one for one in received(receiver) if one.is_stale]
        assert [(one["__name__"], one["worker"]) for one in marked] == [("recorder_jobs_total", "b")]
        assert push.stop() == 0
    # At the end every series that was left is marked, once, and after its last sample.
    samples = received(receiver)
    last = {sample.labels: sample for sample in samples}
    assert all(sample.is_stale for sample in last.values())
    assert len([one for one in samples if one.is_stale]) == len(last)
    for series in last:
        times = [sample.timestamp for sample in samples if sample.labels == series]
        assert times == sorted(set(times)), "times of a series ascend"


def test_a_store_that_comes_and_goes(service: Service, receiver: ScriptedReceiver) -> None:
    later = service.store.with_name("later")
    with Push(later, "--remote-write", receiver.url, *PLAIN, "--interval", "0.1", "--no-end-markers") as push:
        eventually("it to wait", lambda: "waiting for a store" in push.log)
        service.store.rename(later)
        eventually("samples", lambda: received(receiver))
        later.rename(service.store)
        eventually("markers", lambda: any(one.is_stale for one in received(receiver)))
        service.store.rename(later)
        eventually("samples again", lambda: not received(receiver)[-1].is_stale)
        assert push.stop() == 0
    assert not received(receiver)[-1].is_stale
