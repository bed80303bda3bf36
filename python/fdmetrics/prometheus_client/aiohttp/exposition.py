# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's handler for aiohttp, for this package's registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _twin

if TYPE_CHECKING:
    from prometheus_client.aiohttp.exposition import *  # noqa: F403
else:
    _twin.run(globals())
