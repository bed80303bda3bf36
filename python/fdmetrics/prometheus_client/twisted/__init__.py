# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A resource for Twisted that serves the metrics."""

from ._exposition import MetricsResource

__all__ = ["MetricsResource"]
