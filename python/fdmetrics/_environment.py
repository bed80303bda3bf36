# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The name of the store's directory for the case that nobody sets one, without loading the library.

This is the rule of fdm_plan_directory. Children that are started before the first metric find the name in their
environment and so share it; FDMETRICS_DIR and PROMETHEUS_MULTIPROC_DIR still count when they are set later.
"""

from __future__ import annotations

import os
import uuid

#: Where the store is. Set by the user, or by the process that attached first.
DIRECTORY = "FDMETRICS_DIR"
#: Where the store would be if nobody set a directory.
AUTOMATIC_DIRECTORY = "FDMETRICS_AUTO_DIR"
#: The process that chose that name, and so removes the directory at its end. Not the one that made the store: that may
#: be a short-lived child, and the others have not attached yet.
AUTOMATIC_PROCESS = "FDMETRICS_AUTO_PID"


def plan_directory() -> str:
    """Puts a name into FDMETRICS_AUTO_DIR where it has none, and returns it. Makes nothing on disk."""
    planned = os.environ.get(AUTOMATIC_DIRECTORY)
    if planned:
        return planned
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else os.environ.get("TMPDIR") or "/tmp"
    os.environ[AUTOMATIC_DIRECTORY] = planned = os.path.join(parent, f"fdmetrics-{uuid.uuid4()}")
    os.environ[AUTOMATIC_PROCESS] = str(os.getpid())
    return planned


def is_left_to_remove() -> bool:
    """Whether this process chose the name, and processes that it started have made the directory."""
    return (
        os.environ.get(AUTOMATIC_PROCESS) == str(os.getpid())
        and DIRECTORY not in os.environ
        and os.path.isdir(os.environ.get(AUTOMATIC_DIRECTORY, ""))
    )
