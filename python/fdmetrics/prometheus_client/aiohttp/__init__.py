# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A handler for aiohttp that serves the metrics."""

from .exposition import make_aiohttp_handler

__all__ = ["make_aiohttp_handler"]
