# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's rules of names, which are those of this package's metrics too."""

from . import _twin

_twin.become(__name__)
