# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's parser of OpenMetrics."""

from .. import _twin

_twin.become(__name__)
