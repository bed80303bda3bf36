# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's view for Django, for this package's registries."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .. import _twin, exposition
from .. import multiprocess as _multiprocess

if TYPE_CHECKING:
    from prometheus_client.django.exposition import *  # noqa: F403
else:
    _twin.run(globals())
    # Its imports are absolute ones.
    prometheus_client = sys.modules[__name__.partition(".django")[0]]
    multiprocess = _multiprocess
    _bake_output = exposition._bake_output
