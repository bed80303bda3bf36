# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""How the gauges of the catalogue are given other modes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fdmetrics import ConflictError, Gauge, Registry
from fdmetrics.fastdeploy import MetricsManager
from fdmetrics.fastdeploy.gauge_modes import VARIABLE
from fdmetrics.instruments import GAUGE_MODES


def mode_of(gauge: Gauge) -> int:
    return gauge._family.descriptor.gauge_mode


def test_gauges_can_be_given_other_modes(registry: Registry) -> None:
    metrics = MetricsManager(registry, gauge_modes={"*": "livesum", "batch_size": "all", "cache_config_info": "all"})
    metrics.init_speculative_metrics("mtp", 1)
    assert mode_of(metrics.num_requests_waiting) == GAUGE_MODES["livesum"]
    assert mode_of(metrics.num_requests_running) == GAUGE_MODES["sum"], "not one that is local"
    assert mode_of(metrics.batch_size) == GAUGE_MODES["all"]
    assert mode_of(metrics.spec_decode_efficiency) == GAUGE_MODES["livesum"]
    assert mode_of(metrics.spec_decode_draft_single_head_acceptance_rate[0]) == GAUGE_MODES["livesum"]
    with pytest.raises(ConflictError, match="gauge mode"):
        MetricsManager(registry)


def test_every_gauge_does_not_mean_the_cache_configuration(registry: Registry) -> None:
    metrics = MetricsManager(registry, gauge_modes={"*": "max"})
    metrics.set_cache_config_info(SimpleNamespace(metrics_info=lambda: {"block_size": 64}))
    assert metrics.cache_config_info is not None
    assert mode_of(metrics.cache_config_info) == GAUGE_MODES["mostrecent"]


def test_the_environment_gives_modes(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, " num_requests_running = livesum, hit_req_rate=max,")
    metrics = MetricsManager(registry)
    assert mode_of(metrics.num_requests_running) == GAUGE_MODES["livesum"]
    assert mode_of(metrics.hit_req_rate) == GAUGE_MODES["max"]
    assert mode_of(metrics.batch_size) == GAUGE_MODES["local"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no_gauge=sum", "no gauge 'no_gauge'"),
        ("requests_number=sum", "no gauge 'requests_number'"),
        ("batch_size=most", "no mode 'most' for batch_size"),
        ("batch_size", "no mode '' for batch_size"),
    ],
)
def test_wrong_modes_are_named(text: str, message: str, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match=f"{VARIABLE} in the environment: {message}"):
        MetricsManager(registry)
