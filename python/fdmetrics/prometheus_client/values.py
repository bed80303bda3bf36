# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The value classes of fdmetrics.install(), for code that names them.

Of `values.ValueClass = MultiProcessValue(process_identifier)` counters and gauges take what tells the processes apart,
see _logical. Otherwise this package's metrics do not record through them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.values import MutexValue

from .._prometheus.value_class import MultiProcessValue, get_value_class
from ._twin import fallback, real

if TYPE_CHECKING:
    import prometheus_client.values as _real
else:
    _real = real(__name__)

__all__ = ["MultiProcessValue", "MutexValue", "ValueClass", "get_value_class"]

__getattr__ = fallback(__name__, _real)

if TYPE_CHECKING:
    from prometheus_client.values import ValueClass as ValueClass
    from prometheus_client.values import close_all_multiprocess_files as close_all_multiprocess_files
else:
    ValueClass = get_value_class()
