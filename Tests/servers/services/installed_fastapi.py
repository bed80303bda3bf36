# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The service that was written for one process, behind the one line that a program may add."""

from __future__ import annotations

import fdmetrics

fdmetrics.install()

from unchanged_fastapi import app  # noqa: E402

__all__ = ["app"]
