# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The public types that are made with the module typing, whose import takes as long as that of all the rest.

Imported when somebody asks for one of them: fdmetrics.Statistics, fdmetrics.GaugeMode.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

#: The names of a gauge's modes; see Gauge.
GaugeMode = Literal[
    "all",
    "liveall",
    "min",
    "livemin",
    "max",
    "livemax",
    "sum",
    "livesum",
    "mostrecent",
    "livemostrecent",
    "local",
]


class Statistics(NamedTuple):
    """Numbers of a store. Those of refusals are counted by all processes together."""

    #: Files of the store.
    segments: int
    #: Metric families, each once.
    families: int
    #: Series that are rendered.
    series: int
    #: Series that were removed.
    removed_series: int
    #: Pairs of a gauge's series and a process slot.
    gauge_instances: int
    #: Records that were skipped because they do not verify.
    damaged_records: int
    #: Processes that hold the store.
    live_processes: int
    #: Bytes reserved on the file system.
    bytes_reserved: int
    #: Registrations refused because the file system was full.
    dropped_no_space: int
    #: Registrations refused by the limit on a family's series.
    dropped_series_limit: int
    #: Registrations refused because they contradict an existing family.
    conflicts: int
