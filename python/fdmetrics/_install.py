# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""install(): metrics of the installed prometheus_client, made by the program or by its libraries, go into the store."""

from __future__ import annotations

from . import _library


def install() -> None:
    """Makes the installed prometheus_client record into the store, and its registries show the totals of all processes.

    Call it before the program makes its metrics. Those that are there already are taken over: counters and gauges with
    what they have, while what a histogram or a summary has observed before stays out. A second call does nothing; fork
    children need none. No other thread may make or record metrics of prometheus_client meanwhile. What changes for the
    program is in docs/prometheus-client.md. Attaches no store: the environment may still be set.
    Errors: ImportError, where there is no prometheus_client; LibraryError; both before anything is changed.
    """
    _library.load()
    try:
        from ._prometheus import adoption, patches
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise
        raise ImportError(
            "fdmetrics.install() needs prometheus_client: install it, or fdmetrics[prometheus-client]", name=error.name
        ) from None
    if not patches.installed():
        patches.apply()
        adoption.adopt()


def uninstall() -> None:
    """Takes install() back, for tests and tools; nothing where it was not called.

    Metrics that were made meanwhile go on recording into the store, and their registries show this process's part.
    """
    import sys

    patches = sys.modules.get("fdmetrics._prometheus.patches")
    if patches is not None:
        patches.take_back()
