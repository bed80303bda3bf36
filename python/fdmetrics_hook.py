# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The start-up hook: calls fdmetrics.install() when a process imports prometheus_client.

fdmetrics_hook.pth imports it at the start of every Python process whose FDMETRICS_INSTALL is neither empty nor 0, and
so does `python -m fdmetrics run`. It acts where that is 1; another value means nothing, which is said on stderr. A
process that never imports prometheus_client pays for a look at sys.meta_path alone; the first one of a service also
imports fdmetrics, so that all of its descendants find the absolute name of one store in their environment. A failure is
said on stderr, and prometheus_client is then left as it is.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Every Python process of the service imports this module: what costs time is imported where it is needed.
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Optional, Sequence

#: The hook is active where this environment variable is 1.
VARIABLE = "FDMETRICS_INSTALL"

# The names of fdmetrics._environment, which is not imported for them.
_DIRECTORIES = ("FDMETRICS_DIR", "PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
_AUTOMATIC_DIRECTORY = "FDMETRICS_AUTO_DIR"
_PACKAGE = "prometheus_client"


class _Finder:
    """Finds prometheus_client where the others do, and has it installed into when it has been loaded, each time.

    Its modules, too, when they are loaded again by importlib.reload.
    """

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        # Only who reloads says into which module.
        if name != _PACKAGE and (target is None or not name.startswith(_PACKAGE + ".")):
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            _then_install(spec.loader, name)
        return spec


def _then_install(loader: Any, found: str) -> None:
    load = loader.exec_module

    def load_and_install(module: ModuleType) -> None:
        name = module.__name__
        if name == found:
            # A loader may be of other modules too.
            vars(loader).pop("exec_module", None)
        load(module)
        if name == _PACKAGE:
            _install()
        elif name == found:
            _install_again(module)

    loader.exec_module = load_and_install


def _install() -> None:
    try:
        import fdmetrics._install

        fdmetrics._install.install()
    except Exception:
        import traceback

        print("fdmetrics: metrics of prometheus_client are not shared, because installing failed:", file=sys.stderr)
        traceback.print_exc()


def _install_again(module: ModuleType) -> None:
    try:
        import fdmetrics._install

        fdmetrics._install.reloaded(module)
    except Exception:
        import traceback

        print(f"fdmetrics: {module.__name__} was loaded again, and installing into it failed:", file=sys.stderr)
        traceback.print_exc()


def arm() -> None:
    """Waits for prometheus_client; installs at once where it is imported already. Again: does nothing."""
    if _PACKAGE in sys.modules:
        _install()
    else:
        watch()
    if not _is_prepared():
        try:
            import fdmetrics  # noqa: F401
        except Exception as error:
            print(f"fdmetrics: metrics of child processes may not be shared: {error}", file=sys.stderr)


def watch() -> None:
    """Has prometheus_client installed into whenever it is imported, also once more when it has left sys.modules."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _is_prepared() -> bool:
    """Whether descendants find one store, wherever they are started: by absolute names, one of which is always set."""
    told = [name for name in map(os.environ.get, _DIRECTORIES) if name]
    if not all(name.startswith("/") for name in told):
        return False
    return bool(os.environ.get(_DIRECTORIES[0]) or os.environ.get(_AUTOMATIC_DIRECTORY))


def disarm() -> None:
    """Waits no longer."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]


_chosen = os.environ.get(VARIABLE, "")
if _chosen == "1":
    arm()
elif _chosen not in ("", "0") and sys.stderr is not None:
    print(
        f"fdmetrics: {VARIABLE} is {_chosen!r} in the environment: 1 or 0 is expected; the start-up hook does nothing",
        file=sys.stderr,
    )
