# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmetrics under the names of prometheus_client: a module that stands wherever that one is imported.

    import fdmetrics.prometheus_client as prometheus_client
    from fdmetrics.prometheus_client import Counter, start_http_server

Metrics record into the store of the service, and each registry shows their totals over all of its processes. There is
no PROMETHEUS_MULTIPROC_DIR to prepare and no hook for workers that end. Needs prometheus_client, whose parsers,
servers and bridges are used as they are. docs/migration.md and docs/differences-from-prometheus-client.md say more.
"""

from __future__ import annotations

import prometheus_client as _real

from . import exposition as exposition
from . import gc_collector as gc_collector
from . import metrics as metrics
from . import metrics_core as metrics_core
from . import multiprocess as multiprocess
from . import platform_collector as platform_collector
from . import process_collector as process_collector
from . import registry as registry
from . import values as values
from ._twin import stand_by, submodules
from .exposition import *  # noqa: F403
from .gc_collector import GC_COLLECTOR as GC_COLLECTOR
from .gc_collector import GCCollector as GCCollector
from .metrics import Counter as Counter
from .metrics import Enum as Enum
from .metrics import Gauge as Gauge
from .metrics import Histogram as Histogram
from .metrics import Info as Info
from .metrics import Summary as Summary
from .metrics_core import Metric as Metric
from .platform_collector import PLATFORM_COLLECTOR as PLATFORM_COLLECTOR
from .platform_collector import PlatformCollector as PlatformCollector
from .process_collector import PROCESS_COLLECTOR as PROCESS_COLLECTOR
from .process_collector import ProcessCollector as ProcessCollector
from .registry import REGISTRY as REGISTRY
from .registry import CollectorRegistry as CollectorRegistry

# The names that the installed version has.
__all__ = list(_real.__all__)

for _name in __all__:
    if _name not in globals():
        globals()[_name] = getattr(metrics, _name)
del _name

# prometheus_client.values and so on, which its own modules have imported.
__getattr__ = submodules(__name__)

stand_by()
