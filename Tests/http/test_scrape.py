# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a scrape may ask for: a format, some names, compression, news only."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from serving import Answer, Recorder, Server

PLAIN = ("--no-self-metrics", "--process-metrics", "none")


@pytest.fixture
def steady(serve: Callable[..., Server], recorder: Recorder) -> Server:
    """A server whose answer changes only when something is recorded."""
    recorder.start("few")
    return serve(*PLAIN)


def test_openmetrics(server: Server) -> None:
    answer = server.get(accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"steps", "delay_seconds", "level"} <= names


def test_protobuf(server: Server) -> None:
    accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    answer = server.get(accept=accept)
    assert answer.headers["content-type"].startswith("application/vnd.google.protobuf")
    assert b"steps_total" in answer.body


@pytest.mark.parametrize("accept", ["", "image/png", "*/*", "text/html;q=1", "nonsense;;;,,", "text/plain;q=0"])
def test_never_406(server: Server, accept: str) -> None:
    answer = server.get(accept=accept)
    assert answer.status == 200
    assert answer.value("steps_total") == 0


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("name[]=steps", {"steps_total"}),
        ("name[]=steps_total", {"steps_total"}),
        ("name%5B%5D=level&name[]=steps", {"level", "steps_total"}),
        ("name[]=delay_seconds_bucket", {"delay_seconds"}),
        ("name[]=%73teps", {"steps_total"}),
        ("name[]=absent", set()),
        ("name[]=absent%ZZ+%00&name[]=level", {"level"}),
        ("other=steps", {"delay_seconds", "level", "steps_total"}),
    ],
)
def test_names(steady: Server, query: str, shown: set[str]) -> None:
    answer = steady.get(f"/metrics?{query}")
    assert answer.status == 200
    assert {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE ")} == shown


def test_gzip(steady: Server) -> None:
    plain = steady.get()
    assert "content-encoding" not in plain.headers
    packed = steady.get(accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["etag"] != plain.headers["etag"]
    assert "content-encoding" not in steady.get(accept_encoding="gzip;q=0").headers
    assert "content-encoding" not in steady.get(accept_encoding="br, zstd").headers


def test_etag(steady: Server, recorder: Recorder) -> None:
    first = steady.get()
    tag = first.headers["etag"]
    for header in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        same = steady.get(if_none_match=header)
        assert (same.status, same.body) == (304, b""), header
        assert same.headers["etag"] == tag
    assert steady.get(if_none_match='"other"').status == 200
    packed = steady.get(accept_encoding="gzip")
    assert steady.get(accept_encoding="gzip", if_none_match=packed.headers["etag"]).status == 304
    assert steady.get(if_none_match=packed.headers["etag"]).status == 200
    assert steady.get(accept="application/openmetrics-text", if_none_match=tag).status == 200
    recorder.step()
    changed = steady.get(if_none_match=tag)
    assert changed.status == 200
    assert changed.value("steps_total") == 1
    assert changed.headers["etag"] != tag


def test_a_scrape_sees_what_was_recorded_before_it(server: Server, recorder: Recorder) -> None:
    """While others scrape all the time, whose renders it may share."""
    end = threading.Event()
    failures: list[Answer] = []

    def scrape() -> None:
        while not end.is_set():
            answer = server.get()
            if answer.status != 200:
                failures.append(answer)

    others = [threading.Thread(target=scrape) for _ in range(4)]
    for other in others:
        other.start()
    try:
        for number in range(1, 101):
            recorder.step()
            assert server.get().value("steps_total") >= number
    finally:
        end.set()
        for other in others:
            other.join()
    assert not failures
    assert server.get().value("steps_total") == 100


def test_process_metrics(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("few")
    assert recorder.process
    assert serve().get().value("process_cpu_seconds_total") > 0
    by_worker = serve("--process-metrics", "worker", "--pid-label").get()
    assert by_worker.value(f'process_cpu_seconds_total{{pid="{recorder.process.pid}"}}') > 0
    assert "process_" not in serve("--process-metrics", "none").get().text


def test_created_and_self_metrics(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("few")
    accept = "application/openmetrics-text"
    assert "steps_created " in serve("--created").get(accept=accept).text
    plain = serve("--no-self-metrics").get(accept=accept).text
    assert "steps_created " not in plain
    assert "fdmetrics_" not in plain
    assert serve().get().value("fdmetrics_live_processes") == 1
