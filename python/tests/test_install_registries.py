# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the registries of the installed prometheus_client show after install(), and every way out of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .install_support import SERVICE
from .support import NO_STORE, run_program


def test_registries_show_each_family_once() -> None:
    run_program(
        SERVICE
        + """
from prometheus_client import multiprocess
from prometheus_client.core import GaugeMetricFamily
own = pc.CollectorRegistry()
mine = pc.Counter("mine", "Mine.", registry=own)
hidden = pc.Counter("hidden", "Hidden.", registry=None)
fdmetrics.Counter("native", "Native.").inc()

class Custom:
    def collect(self):
        yield GaugeMetricFamily("custom", "Custom.", value=7)

pc.REGISTRY.register(Custom())
pid = os.fork()
if pid == 0:
    pc.Counter("foreign", "Foreign.").inc(2)
    mine.inc(2)
    hidden.inc(3)
    os._exit(0)
os.waitpid(pid, 0)

def names(registry):
    found = [metric.name for metric in registry.collect()]
    assert len(found) == len(set(found)), sorted(found)
    text = [line.split()[2] for line in pc.generate_latest(registry).decode().splitlines() if line.startswith("# HELP")]
    assert len(text) == len(set(text)) == len(found)
    return {name for name in found if not name.startswith(("process_", "python_"))}

service = {"requests", "open", "each", "request_seconds", "size_bytes", "build", "state", "unused"}
work("GET", 1)
assert names(pc.REGISTRY) == service | {"custom", "native", "foreign"}, names(pc.REGISTRY)
assert names(own) == {"mine"}
assert own.get_sample_value("mine_total") == 2
pc.REGISTRY.unregister(gauge)
assert names(pc.REGISTRY) == service - {"open"} | {"custom", "native", "foreign"}
multiprocess.MultiProcessCollector(pc.REGISTRY)
assert names(pc.REGISTRY) == service | {"custom", "native", "foreign", "mine", "hidden"}
multiprocess.MultiProcessCollector(own)
assert names(own) == service | {"native", "foreign", "mine", "hidden"}, names(own)
own.set_target_info({"a": "b"})
assert "target" in names(own)
pc.REGISTRY.unregister(pc.GC_COLLECTOR)
pc.REGISTRY.unregister(pc.PLATFORM_COLLECTOR)
names(pc.REGISTRY)
"""
    )


def test_what_is_not_registered_is_not_shown() -> None:
    run_program(
        SERVICE
        + """
work("GET", 1)
for collector in (pc.PROCESS_COLLECTOR, pc.PLATFORM_COLLECTOR, pc.GC_COLLECTOR):
    pc.REGISTRY.unregister(collector)
for shown in (pc.generate_latest().decode(), "".join(metric.name for metric in pc.REGISTRY.collect())):
    assert "process_" not in shown and "python_" not in shown
    assert "requests" in shown
"""
    )


def test_a_registry_without_metrics_of_the_store_does_not_attach_it() -> None:
    run_program(
        """
        import fdmetrics, prometheus_client as pc
        fdmetrics.install()
        registry = pc.CollectorRegistry()
        pc.PlatformCollector(registry=registry)
        assert pc.generate_latest(registry).startswith(b"# HELP python_info")
        assert not fdmetrics.REGISTRY.attached
        """
    )


def test_a_name_may_be_asked_for() -> None:
    run_program(
        SERVICE
        + """
work("GET", 1)
child("GET", 2)
def samples(*names):
    restricted = pc.REGISTRY.restricted_registry(names)
    return sorted((s.name, s.value) for metric in restricted.collect() for s in metric.samples)
assert samples("requests_total") == [("requests_total", 3)]
assert samples("request_seconds_sum", "open") == [("open", 1), ("request_seconds_sum", 3)]
assert [name for name, _ in samples("python_info", "nothing")] == ["python_info"]
assert [name for name, _ in samples("process_open_fds")] == ["process_open_fds"]
assert len(samples("python_gc_collections_total")) == 3
# Each process has a sample of this gauge. Who knows of none is given that of this one.
assert pc.REGISTRY.get_sample_value("each") == 1
assert pc.REGISTRY.get_sample_value("each", {"worker": "1"}) == 2
assert pc.REGISTRY.get_sample_value("nothing") is None
"""
    )


def test_processes_are_told_apart_by_pid_when_asked() -> None:
    run_program(
        SERVICE
        + """
from prometheus_client import multiprocess
work("GET", 1)
own = pc.CollectorRegistry()
multiprocess.MultiProcessCollector(own)
expected = f'each{{pid="{os.getpid()}"}} 1.0'.encode()
assert expected in pc.generate_latest() and expected in pc.generate_latest(own)
""",
        FDMETRICS_PID_LABEL="1",
    )


def test_a_store_that_cannot_be_had_never_fails_a_record(tmp_path: Path) -> None:
    run_program(
        NO_STORE
        + SERVICE
        + """
import logging
logging.disable()
work("GET", 1)
counter.remove("GET")
counter.clear()
assert (each._value.get(), summary._sum.get()) == (1, 1)
assert fdmetrics.REGISTRY.failures["NoSpaceError"] >= 1
try:
    pc.generate_latest()
except fdmetrics.NoSpaceError:
    pass
else:
    raise AssertionError("a scrape says what is wrong")
""",
        FDMETRICS_DIR=tmp_path / "store",
    )


def test_every_way_out_shows_the_totals(tmp_path: Path) -> None:
    run_program(
        SERVICE
        + """
import asyncio, sys, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
work("GET", 1)
child("GET", 2)

def check(text, parse=plain):
    found = {(s.name, *s.labels.values()): s.value for family in parse(text) for s in family.samples}
    assert found["requests_total", "GET"] == 3, text
    assert found["request_seconds_count", "/"] == 2, text

server = pc.start_http_server(0, addr="127.0.0.1")
port = server[0].server_port
def get(path, accept):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept})
    return urllib.request.urlopen(request).read().decode()
check(get("/metrics", "text/plain"))
check(get("/metrics", "application/openmetrics-text; version=1.0.0"), openmetrics)
check(get("/metrics?name[]=requests_total&name[]=request_seconds_count", "text/plain"))

def start_response(status, headers):
    assert status.startswith("200")
check(b"".join(pc.make_wsgi_app()({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, start_response)).decode())

sent = []
async def send(event):
    sent.append(event)
async def receive():
    return {"type": "http.request"}
asyncio.run(pc.make_asgi_app()({"type": "http", "headers": [], "query_string": b""}, receive, send))
check(sent[1]["body"].decode())

pc.write_to_textfile(sys.argv[1] + "/metrics.prom", pc.REGISTRY)
check(open(sys.argv[1] + "/metrics.prom").read())

pushed = []
class Gateway(BaseHTTPRequestHandler):
    def do_PUT(self):
        pushed.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments):
        pass
gateway = HTTPServer(("127.0.0.1", 0), Gateway)
Thread(target=gateway.serve_forever, daemon=True).start()
pc.push_to_gateway(f"127.0.0.1:{gateway.server_port}", job="j", registry=pc.REGISTRY)
check(pushed[0].decode())
""",
        tmp_path,
    )


def test_a_gauge_may_have_a_function() -> None:
    run_program(
        """
        import os
        import fdmetrics, prometheus_client as pc
        fdmetrics.install()
        gauge = pc.Gauge("g", "", multiprocess_mode="livesum")
        gauge.set_function(lambda: 5)
        labelled = pc.Gauge("l", "", ["a"], multiprocess_mode="sum")
        labelled.labels("x").set_function(lambda: 6)
        labelled.labels("y").set(7)
        assert pc.REGISTRY.get_sample_value("g") == 5
        assert b'l{a="x"} 6.0' in pc.generate_latest() and b'l{a="y"} 7.0' in pc.generate_latest()
        if os.fork() == 0:
            # What the parent says is there, once, as in the drop-in; the child speaks for itself once it has its own.
            assert pc.REGISTRY.get_sample_value("g") == 5
            assert b'l{a="x"} 6.0' in pc.generate_latest()
            labelled.labels("x").inc(2)
            assert b'l{a="x"} 8.0' in pc.generate_latest()
            gauge.set_function(lambda: 4)
            assert pc.REGISTRY.get_sample_value("g") == 9
            os._exit(0)
        assert os.wait()[1] == 0
        """
    )


def test_a_function_of_before_install_is_the_parent_s_too() -> None:
    run_program(
        """
        import os
        import fdmetrics, prometheus_client as pc
        gauge = pc.Gauge("g", "", multiprocess_mode="livesum")
        gauge.set_function(lambda: 5)
        fdmetrics.install()
        assert pc.REGISTRY.get_sample_value("g") == 5
        if os.fork() == 0:
            assert pc.REGISTRY.get_sample_value("g") == 5
            os._exit(0)
        assert os.wait()[1] == 0
        """
    )


def test_a_collector_that_raises_hides_no_metric_of_before_from_a_look_at_one() -> None:
    run_program(
        """
        import fdmetrics, prometheus_client as pc
        fdmetrics.install()
        class Raises:
            def describe(self):
                return []
            def collect(self):
                raise RuntimeError("boom")
        pc.Gauge("g", "").set(5)
        pc.REGISTRY.register(Raises())
        assert pc.REGISTRY.get_sample_value("g") == 5
        try:
            pc.REGISTRY.get_sample_value("other")
        except RuntimeError:
            raise SystemExit
        raise AssertionError
        """
    )


def test_arguments_have_prometheus_client_s_names() -> None:
    run_program(
        """
        import fdmetrics, prometheus_client as pc
        fdmetrics.install()
        counter = pc.Counter(name="c", documentation="", labelnames=["a"])
        counter.labels(a="1").inc(amount=2, exemplar={"t": "1"})
        info = pc.Info("i", "")
        info.info(val={"v": "1"})
        state = pc.Enum("e", "", states=["a", "b"])
        state.state(state="b")
        gauge = pc.Gauge("g", "")
        gauge.set(value=3)
        gauge.inc(amount=1)
        gauge.dec(amount=2)
        function = pc.Gauge("f", "")
        function.set_function(f=lambda: 7)
        histogram, summary = pc.Histogram("h", "", buckets=[1]), pc.Summary("s", "")
        histogram.observe(amount=2, exemplar={"t": "1"})
        summary.observe(amount=2)
        registry = pc.REGISTRY
        value = registry.get_sample_value
        assert value(name="c_total", labels={"a": "1"}) == 2 and value("i_info", {"v": "1"}) == 1
        assert value("e", {"e": "b"}) == 1 and value("g") == 2 and value("f") == 7
        assert value("h_count") == value("s_count") == 1
        counter.remove_by_labels(labels={"a": "1"})
        assert value("c_total", {"a": "1"}) is None
        registry.unregister(collector=gauge)
        registry.register(collector=gauge)
        (family,) = registry.restricted_registry(names=["g"]).collect()
        assert family.name == "g" and b"g 2.0" in pc.generate_latest(registry=registry)
        """
    )


@pytest.mark.parametrize(
    "case", ["set to a file", "a path that is not there", "a path that is a file", "an empty path"]
)
def test_a_wrong_directory_is_refused(tmp_path: Path, case: str) -> None:
    (tmp_path / "file").touch()
    told: Any = {"PROMETHEUS_MULTIPROC_DIR": tmp_path / "file"} if case == "set to a file" else {}
    path = {"a path that is not there": tmp_path / "none", "a path that is a file": tmp_path / "file"}.get(case, "")
    run_program(
        """
        import sys
        import fdmetrics, prometheus_client
        fdmetrics.install()
        from prometheus_client.multiprocess import MultiProcessCollector
        registry = prometheus_client.CollectorRegistry()
        try:
            MultiProcessCollector(registry, **({} if sys.argv[1] == "set to a file" else {"path": sys.argv[2]}))
        except ValueError as error:
            assert "not a directory" in str(error), error
        else:
            raise AssertionError("no error")
        assert list(registry.collect()) == []
        """,
        case,
        path,
        **told,
    )


def test_a_process_reads_the_store_of_others(tmp_path: Path) -> None:
    directory = tmp_path / "service"
    directory.mkdir(mode=0o700)
    reader = """
        import sys
        import fdmetrics, prometheus_client as pc
        fdmetrics.install()
        from prometheus_client.multiprocess import MultiProcessCollector
        registry = pc.CollectorRegistry()
        MultiProcessCollector(registry, path=sys.argv[1])
        print(registry.get_sample_value("requests_total", {"method": "GET"}))
        """
    assert run_program(reader, directory) == "None\n"
    run_program(SERVICE + 'work("GET", 1)\n', PROMETHEUS_MULTIPROC_DIR=directory)
    assert run_program(reader, directory) == "1.0\n"
    # The process's own store, under another name.
    assert run_program(reader, directory, FDMETRICS_DIR=directory) == "1.0\n"
