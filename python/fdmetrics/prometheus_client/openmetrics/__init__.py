# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""OpenMetrics: its exposition and its parser."""

from .._twin import submodules

__getattr__ = submodules(__name__)
