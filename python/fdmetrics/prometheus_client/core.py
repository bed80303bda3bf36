# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The names of prometheus_client.core, with this package's metrics and registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _twin

if TYPE_CHECKING:
    from .metrics import Counter as Counter
    from .metrics import Enum as Enum
    from .metrics import Gauge as Gauge
    from .metrics import Histogram as Histogram
    from .metrics import Info as Info
    from .metrics import Summary as Summary
    from .metrics_core import CounterMetricFamily as CounterMetricFamily
    from .metrics_core import GaugeHistogramMetricFamily as GaugeHistogramMetricFamily
    from .metrics_core import GaugeMetricFamily as GaugeMetricFamily
    from .metrics_core import HistogramMetricFamily as HistogramMetricFamily
    from .metrics_core import InfoMetricFamily as InfoMetricFamily
    from .metrics_core import Metric as Metric
    from .metrics_core import StateSetMetricFamily as StateSetMetricFamily
    from .metrics_core import SummaryMetricFamily as SummaryMetricFamily
    from .metrics_core import UnknownMetricFamily as UnknownMetricFamily
    from .metrics_core import UntypedMetricFamily as UntypedMetricFamily
    from .registry import REGISTRY as REGISTRY
    from .registry import CollectorRegistry as CollectorRegistry
    from .registry import DuplicateTimeseries as DuplicateTimeseries
    from .samples import BucketSpan as BucketSpan
    from .samples import Exemplar as Exemplar
    from .samples import NativeHistogram as NativeHistogram
    from .samples import Sample as Sample
    from .samples import Timestamp as Timestamp
else:
    _twin.run(globals())
