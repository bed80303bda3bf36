# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's floatToGoString and its like."""

from . import _twin

_twin.become(__name__)
