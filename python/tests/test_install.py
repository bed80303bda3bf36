# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""install(): the installed prometheus_client records into the store. Each program is a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .install_support import SERVICE
from .support import Samples, run_program

PROCESS_FAMILIES = ("process_", "python_")


def lines_of(exposition: str) -> list[str]:
    """The lines that do not depend on the machine."""
    return [
        line
        for line in exposition.splitlines()
        if not line.split()[0 if line[0] != "#" else 2].startswith(PROCESS_FAMILIES)
    ]


EXPOSITION = """
# HELP build_info Build.
# TYPE build_info gauge
build_info{version="3"} 1.0
# HELP each Each.
# TYPE each gauge
each{worker="0"} 1.0
each{worker="1"} 3.0
# HELP open Open.
# TYPE open gauge
open 1.0
# HELP request_seconds Time.
# TYPE request_seconds histogram
request_seconds_bucket{le="0.1",path="/"} 0.0
request_seconds_bucket{le="1.0",path="/"} 1.0
request_seconds_bucket{le="+Inf",path="/"} 3.0
request_seconds_count{path="/"} 3.0
request_seconds_sum{path="/"} 6.0
# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{method="GET"} 3.0
requests_total{method="POST"} 3.0
# HELP size_bytes Size.
# TYPE size_bytes summary
size_bytes_count 3.0
size_bytes_sum 6.0
# HELP state State.
# TYPE state gauge
state{state="starting"} 0.0
state{state="running"} 1.0
# HELP unused_total Unused.
# TYPE unused_total counter
"""


def test_the_default_registry_shows_the_totals() -> None:
    printed = run_program(
        SERVICE
        + """
work("GET", 1)
child("GET", 2)
child("POST", 3)
print(pc.generate_latest().decode())
"""
    )
    assert sorted(lines_of(printed.strip())) == sorted(EXPOSITION.split("\n")[1:-1])


def test_the_collector_of_processes_shows_the_same(tmp_path: Path) -> None:
    """With the directory that prometheus_client needs, and without; no file of its own appears."""
    cases: list[Any] = [{}, {"PROMETHEUS_MULTIPROC_DIR": tmp_path}, {"prometheus_multiproc_dir": tmp_path / "old"}]
    for variables in cases:
        printed = run_program(
            SERVICE
            + """
import glob, sys
from prometheus_client import multiprocess
work("GET", 1)
child("GET", 2)
child("POST", 3)
registry = pc.CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
print(pc.generate_latest(registry).decode())
assert not glob.glob(sys.argv[1] + "/**/*.db", recursive=True)
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    assert fdmetrics.attach().path == os.environ["PROMETHEUS_MULTIPROC_DIR"]
""",
            tmp_path,
            PYTHONWARNINGS="ignore",
            **variables,
        )
        assert sorted(lines_of(printed.strip())) == sorted(EXPOSITION.split("\n")[1:-1])


def test_a_directory_may_be_set_after_the_import(tmp_path: Path) -> None:
    run_program(
        SERVICE
        + """
import sys
counter.labels("early")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
work("GET", 1)
assert os.listdir(sys.argv[1]) == ["fdmetrics-0.seg"], os.listdir(sys.argv[1])
""",
        tmp_path,
    )


def test_processes_are_summed_and_told_apart_when_asked() -> None:
    printed = run_program(
        SERVICE
        + """
import signal
from prometheus_client import multiprocess
work("GET", 1)
ready, done = os.pipe()
pid = os.fork()
if pid == 0:
    work("GET", 2)
    os.write(done, b"x")
    signal.pause()
os.read(ready, 1)
registry = pc.CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
def processes():
    return pc.generate_latest(registry).decode() + "#"
print(processes())
os.environ["FDMETRICS_PROCESS_METRICS"] = "worker"
print(processes())
os.environ["FDMETRICS_PROCESS_METRICS"] = "0"
print(processes())
os.environ["FDMETRICS_PROCESS_METRICS"] = "1"
print(pc.generate_latest().decode() + "#")
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
print(processes())
"""
    )
    both, each, neither, default, one = (Samples(text) for text in printed.split("\n#\n")[:5])
    assert both.get("process_resident_memory_bytes") > 1.3 * one.get("process_resident_memory_bytes")  # type: ignore[operator]
    assert len(each.named("process_resident_memory_bytes")) == 2
    assert not neither.named("process_cpu_seconds_total")
    assert default.get("process_resident_memory_bytes") > 1.3 * one.get("process_resident_memory_bytes")  # type: ignore[operator]
    assert one.get("process_cpu_seconds_total") >= both.get("process_cpu_seconds_total")  # type: ignore[operator]
    for samples in (both, default):
        assert len(samples.named("python_info")) == 1
        assert len(samples.named("python_gc_collections_total")) == 3


def test_series_are_really_removed() -> None:
    run_program(
        SERVICE
        + """
import warnings
warnings.simplefilter("error")
def shown():
    return sorted(s.labels["method"] for m in pc.REGISTRY.collect() for s in m.samples if s.name == "requests_total")
child("PUT", 1)
for method in ("GET", "POST", "HEAD"):
    counter.labels(method).inc()
assert shown() == ["GET", "HEAD", "POST", "PUT"], shown()
kept = counter.labels("GET")
counter.remove("GET")
counter.remove("PUT")            # Of another process.
counter.remove("never")
assert shown() == ["HEAD", "POST"], shown()
kept.inc()
assert shown() == ["HEAD", "POST"], shown()
counter.labels("GET").inc(5)
assert pc.REGISTRY.get_sample_value("requests_total", {"method": "GET"}) == 5
if hasattr(counter, "remove_by_labels"):
    counter.remove_by_labels({"method": "HEAD"})
    assert shown() == ["GET", "POST"], shown()
counter.clear()
assert shown() == []
counter.labels("GET").inc()
assert pc.REGISTRY.get_sample_value("requests_total", {"method": "GET"}) == 1
for wrong in ((), ("a", "b")):
    try:
        counter.remove(*wrong)
    except ValueError:
        continue
    raise AssertionError
histogram.labels("/").observe(1)
histogram.remove("/")
assert not any(s.name.startswith("request_seconds") for m in pc.REGISTRY.collect() for s in m.samples)
"""
    )


def test_metrics_that_were_there_before_are_taken_over() -> None:
    printed = run_program(
        """
        import os
        import prometheus_client as pc
        from prometheus_client import CollectorRegistry
        counter = pc.Counter("c", "", ["a"])
        counter.labels("x").inc(2)
        gauge = pc.Gauge("g", "", multiprocess_mode="sum", registry=CollectorRegistry())
        gauge.set(3)
        histogram, observed = pc.Histogram("h", ""), pc.Summary("observed", "")
        observed.observe(1)
        info = pc.Info("i", "")
        info.info({"a": "b"})
        state = pc.Enum("e", "", states=["on", "off"])
        state.state("off")
        import fdmetrics
        fdmetrics.install()
        fdmetrics.install()
        if os.fork() == 0:
            counter.labels("x").inc()
            gauge.inc()
            histogram.observe(1)
            os._exit(0)
        os.wait()
        print(fdmetrics.generate_latest().decode())
        """
    )
    samples = Samples(printed)
    assert (samples.get("c_total", a="x"), samples.get("g"), samples.get("h_count")) == (3, 4, 1)
    assert (samples.get("i_info", a="b"), samples.get("e", e="off"), samples.get("observed_count")) == (1, 1, 0)


def test_installing_is_taken_back() -> None:
    run_program(
        """
        import prometheus_client as pc
        from prometheus_client import exposition, metrics, multiprocess, registry, values
        owners = [pc, exposition, multiprocess, values, registry.CollectorRegistry, multiprocess.MultiProcessCollector]
        names = ("MetricWrapperBase", "Counter", "Gauge", "Histogram", "Info", "Enum")
        owners += [vars(metrics)[name] for name in names]
        before = [dict(vars(owner)) for owner in owners]
        import fdmetrics
        fdmetrics.uninstall()
        for _ in range(2):
            fdmetrics.install()
            assert [dict(vars(owner)) for owner in owners] != before
            fdmetrics.uninstall()
            assert [dict(vars(owner)) for owner in owners] == before
        pc.Counter("c", "").inc()
        assert b"c_total" not in fdmetrics.generate_latest()
        """
    )


def test_workers_of_logical_ids() -> None:
    printed = run_program(
        """
        import os
        import fdmetrics
        fdmetrics.install()
        import prometheus_client as pc
        from prometheus_client import multiprocess, values
        worker = 0
        values.ValueClass = values.MultiProcessValue(process_identifier=lambda: worker)
        each = pc.Gauge("each", "", multiprocess_mode="liveall")
        total = pc.Counter("c", "")
        for worker in (1, 2, 3, 1):
            pid = os.fork()
            if pid == 0:
                each.inc(worker)
                total.inc()
                os._exit(0)
            os.waitpid(pid, 0)
        print(pc.generate_latest().decode())
        print("#")
        multiprocess.mark_process_dead(2)
        multiprocess.mark_process_dead(os.getpid())
        multiprocess.mark_process_dead(123456)
        multiprocess.mark_process_dead("unknown")
        print(pc.generate_latest().decode())
        """
    )
    before, after = (Samples(text) for text in printed.split("\n#\n"))
    # As there, the label is pid. The id of the parent is 0 when it makes the gauge.
    values = {"0": 0, "1": 2, "2": 2, "3": 3}
    assert {dict(labels)["pid"]: value for labels, value in before.named("each").items()} == values
    del values["2"]
    assert {dict(labels)["pid"]: value for labels, value in after.named("each").items()} == values
    assert after.get("c_total") == 4


def test_prometheus_client_is_needed() -> None:
    run_program(
        """
        import sys
        sys.modules["prometheus_client"] = None
        import fdmetrics
        try:
            fdmetrics.install()
        except ImportError as error:
            assert "needs prometheus_client" in str(error), error
        else:
            raise AssertionError("no error")
        fdmetrics.uninstall()
        """
    )


def test_what_the_metrics_of_prometheus_client_take_is_taken() -> None:
    run_program(
        """
        import fdmetrics
        fdmetrics.install()
        import prometheus_client as pc
        inf, nan = float("inf"), float("nan")
        for name, bounds in dict(a=(-inf, 1), b=(1, nan), c=(1, 1, 2), d=(1, inf, inf), e=(-inf,)).items():
            histogram = pc.Histogram(name, "", buckets=bounds)
            for amount in (0.5, 1, 3):
                histogram.observe(amount)
            assert pc.REGISTRY.get_sample_value(f"{name}_count") == 3, name
            le = {"le": "-Inf"} if bounds == (-inf,) else {"le": "1.0"}
            expected = 0 if bounds == (-inf,) else 2
            assert pc.REGISTRY.get_sample_value(f"{name}_bucket", le) == expected, name
            assert f'{name}_bucket{{le="+Inf"}} 3.0' in fdmetrics.generate_latest().decode()
        try:
            pc.Histogram("refused", "", buckets=(nan,))
        except ValueError as error:
            assert "refused" in str(error)
        else:
            raise AssertionError("no error")
        assert not fdmetrics.REGISTRY.failures and not fdmetrics.REGISTRY.lost_updates
        info = pc.Info("build", "")
        assert "\\nbuild_info 1.0\\n" in pc.generate_latest().decode()
        info.info({"version": "1"})
        text = pc.generate_latest().decode()
        assert "\\nbuild_info 1.0\\n" not in text and 'build_info{version="1"} 1.0' in text
        """
    )
