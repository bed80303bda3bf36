# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The names of prometheus_client.core, with this package's metrics and registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _twin

if TYPE_CHECKING:
    from prometheus_client.core import *  # noqa: F403
else:
    _twin.run(globals())
