# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Bridges to other systems."""

from .._twin import submodules

__getattr__ = submodules(__name__)
