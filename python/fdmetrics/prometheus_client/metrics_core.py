# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's Metric, and the families that custom collectors make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _twin

if TYPE_CHECKING:
    from prometheus_client.metrics_core import *  # noqa: F403
else:
    _twin.become(__name__)
