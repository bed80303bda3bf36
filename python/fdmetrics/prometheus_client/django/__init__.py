# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A view for Django that serves the metrics."""

from .exposition import PrometheusDjangoView

__all__ = ["PrometheusDjangoView"]
