# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""importlib.reload of prometheus_client's modules: under install(), and in the drop-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support import run_program
from .test_unregister import way

__all__ = ["way"]

MODULES = ("values", "metrics", "registry", "exposition", "openmetrics.exposition", "multiprocess")


@pytest.mark.parametrize("module", MODULES)
def test_metrics_stay_shared(way: str, module: str, tmp_path: Path) -> None:
    code = """
import importlib, os, sys
sys.modules["prometheus_client"] = p
before = p.Counter("before", "")
before.inc()
module = importlib.import_module(sys.argv[1])
again = importlib.reload(module)
assert again is module
kinds = [p]
if hasattr(module, "Counter"):
    # The classes of before, and the new ones.
    kinds.append(module)
made = []
for at, kind in enumerate(kinds):
    counter = kind.Counter(f"counter{at}", "", ["a"], registry=p.REGISTRY)
    histogram = kind.Histogram(f"histogram{at}", "", buckets=[1], registry=p.REGISTRY)
    state = kind.Enum(f"state{at}", "", states=["a", "b"], registry=p.REGISTRY)
    gauge = kind.Gauge(f"gauge{at}", "", multiprocess_mode="livesum", registry=p.REGISTRY)
    info = kind.Info(f"info{at}", "", registry=p.REGISTRY)
    summary = kind.Summary(f"summary{at}", "", registry=p.REGISTRY)
    made.append((counter, histogram, state, gauge, info, summary))

def update():
    before.inc()
    for counter, histogram, state, gauge, info, summary in made:
        counter.labels("1").inc()
        histogram.observe(2)
        state.state("b")
        gauge.set(1)
        info.info({"q": "1"})
        summary.observe(1)

update()
child = os.fork()
if child == 0:
    update()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
from prometheus_client import exposition
for generate in (p.generate_latest, exposition.generate_latest):
    lines = generate(p.REGISTRY).decode().splitlines()
    assert "before_total 3.0" in lines, lines
    for at in range(len(kinds)):
        expected = {
            f'counter{at}_total{{a="1"}} 2.0', f"histogram{at}_count 2.0", f'state{at}{{state{at}="b"}} 1.0',
            f"gauge{at} 1.0", f'info{at}_info{{q="1"}} 1.0', f"summary{at}_count 2.0",
        }
        assert expected <= set(lines), expected - set(lines)
class Doubled(p.Counter):
    def inc(self, amount=1):
        super().inc(2 * amount)
Doubled("doubled", "", ["a"]).labels("1").inc()
assert p.REGISTRY.get_sample_value("doubled_total", {"a": "1"}) == 2
"""
    run_program(way + code, f"prometheus_client.{module}", FDMETRICS_DIR=tmp_path / "store")


def test_uninstall_takes_back_what_a_reload_has_made() -> None:
    run_program(
        """
        import importlib, os.path
        import fdmetrics, prometheus_client as p
        from prometheus_client import exposition, metrics, multiprocess, registry, values
        from prometheus_client.openmetrics import exposition as openmetrics
        ours = os.path.dirname(fdmetrics.__file__)
        former = (p.Counter, p.CollectorRegistry, p.generate_latest)
        fdmetrics.install()
        for module in (values, metrics, registry, exposition, openmetrics, multiprocess):
            for again in range(2):
                importlib.reload(module)
        fdmetrics.uninstall()
        assert (p.Counter, p.CollectorRegistry, p.generate_latest) == former
        assert values.ValueClass is values.MutexValue
        things = [values.get_value_class, values.MultiProcessValue, exposition.generate_latest]
        things += [openmetrics.generate_latest, multiprocess.mark_process_dead]
        things += [multiprocess.MultiProcessCollector.collect]
        for kind in (p.Counter, metrics.Counter, metrics.Gauge, metrics.Info, p.Info, p.CollectorRegistry):
            things += vars(kind).values()
        things += vars(registry.CollectorRegistry).values()
        for thing in things:
            code = getattr(thing, "__code__", None)
            assert code is None or not code.co_filename.startswith(ours), thing
        """
    )
