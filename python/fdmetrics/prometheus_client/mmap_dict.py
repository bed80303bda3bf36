# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's files of its multi-process mode, which nothing here writes."""

from . import _twin

_twin.become(__name__)
