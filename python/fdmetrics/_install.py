# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""install(): metrics of the installed prometheus_client, made by the program or by its libraries, go into the store."""

from __future__ import annotations

import sys

from . import _library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_PACKAGE = "prometheus_client"

# The modules `patches` that were applied: one for each prometheus_client that was imported.
_applied: list[Any] = []


def install() -> None:
    """Makes the installed prometheus_client record into the store, and its registries show the totals of all processes.

    Call it before the program makes its metrics. Those that are there already are taken over: counters and gauges with
    what they have, while what a histogram or a summary has observed before stays out. A second call does nothing; fork
    children need none. A prometheus_client that is imported anew, because it was taken out of sys.modules, is installed
    into by that import. No other thread may make or record metrics of prometheus_client meanwhile. What changes for the
    program is in docs/prometheus-client.md. Attaches no store: the environment may still be set.
    Errors: ImportError, where there is no prometheus_client; LibraryError; both before anything is changed.
    """
    _library.load()
    try:
        import prometheus_client
    except ModuleNotFoundError as error:
        if error.name != _PACKAGE:
            raise
        raise ImportError(
            "fdmetrics.install() needs prometheus_client: install it, or fdmetrics[prometheus-client]", name=error.name
        ) from None
    if not _records_already(prometheus_client):
        patches = _patches_of(prometheus_client)
        patches.apply()
        _applied.append(patches)
        from ._prometheus import adoption

        adoption.adopt()
    import fdmetrics_hook

    fdmetrics_hook.watch()


def reloaded(module: ModuleType) -> None:
    """Installs into a module of prometheus_client once more, because importlib.reload has executed it again."""
    for patches in _applied:
        patches.apply_again(module)


def _records_already(package: ModuleType) -> bool:
    # Its modules may be those of an earlier import, and fdmetrics.prometheus_client may stand in its place.
    return str(package.CollectorRegistry.collect.__module__).startswith(f"{__package__}.")


def _patches_of(package: ModuleType) -> Any:
    """The module `patches` for a prometheus_client, made anew where there is one for another."""
    from ._prometheus import declaration, patches

    if patches.PACKAGE is package:
        return patches
    ours = f"{__package__}._prometheus"
    for name in [name for name in sys.modules if name == ours or name.startswith(ours + ".")]:
        del sys.modules[name]
    from ._prometheus import declaration as new_declaration
    from ._prometheus import patches as new_patches

    # What this process has declared is hidden from the new default registry, where nobody has registered it.
    new_declaration.take_over(declaration)
    return new_patches


def uninstall() -> None:
    """Takes install() back, for tests and tools; nothing where it was not called.

    Metrics that were made meanwhile go on recording into the store, and their registries show this process's part.
    """
    if not _applied:
        return
    import fdmetrics_hook

    fdmetrics_hook.disarm()
    while _applied:
        _applied.pop().take_back()
