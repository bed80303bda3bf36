# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The modules of the installed prometheus_client behind those of this package.

Some are run a second time, as modules of this package. Their relative imports then find this package's modules: `from
.registry import REGISTRY` is this REGISTRY, in default arguments too. So the HTTP servers, the bridges and the rest of
its code that only reads a registry serve here as they are, in whatever version is installed. The compiled code is the
one that Python keeps for prometheus_client.

sys.modules["prometheus_client"] may be this package. Then whatever imports a module of prometheus_client gets this
package's one (see stand_by), and what is needed here of prometheus_client itself is found without sys.modules.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Callable, Dict, Optional, Sequence

import prometheus_client as _real

_REAL = "prometheus_client"
_OURS = __package__

# Modules of prometheus_client that are not in sys.modules, where they would hide those of this package.
_kept: Dict[str, ModuleType] = {}


def run(namespace: Dict[str, Any]) -> None:
    """Runs prometheus_client's module of the same name in the namespace of this package's one.

    Errors: ImportError, as where that module is imported.
    """
    name = _real_name(namespace["__name__"])
    loader: Any = _spec(name).loader
    documentation = namespace["__doc__"]
    exec(loader.get_code(name), namespace)
    namespace["__doc__"] = documentation


def become(name: str) -> None:
    """Puts prometheus_client's module of the same name in place of this package's one, which is being imported.

    What the module is asked for, and what is set in it, is prometheus_client's. Errors: ImportError.
    """
    sys.modules[name] = _module(_real_name(name))


def real(name: str) -> Any:
    """prometheus_client's module of the same name as one of this package, also where that has its name in sys.modules.

    Errors: ImportError.
    """
    return _module(_real_name(name))


def _real_name(name: str) -> str:
    """The name of prometheus_client's module for one of this package."""
    return _REAL + name[len(_OURS) :]


def _spec(name: str) -> ModuleSpec:
    parent, _, _ = name.rpartition(".")
    path = _real.__path__ if parent == _REAL else _spec(parent).submodule_search_locations
    spec = PathFinder.find_spec(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} is not in the installed prometheus_client: install a newer one", name=name)
    return spec


def _module(name: str) -> ModuleType:
    """A module of prometheus_client."""
    known = _kept.get(name)
    if known is None and sys.modules.get(_REAL) is _real:
        known = importlib.import_module(name)
    if known is None:
        spec = _spec(name)
        assert spec.loader is not None
        known = importlib.util.module_from_spec(spec)
        # Its imports find this package's modules: those that it needs are prometheus_client's own there too.
        spec.loader.exec_module(known)
    return _kept.setdefault(name, known)


def submodules(package: str) -> Callable[[str], Any]:
    """A package's __getattr__: the modules that prometheus_client's package of that name has imported, and its names.

    A name that is missing there is an AttributeError.
    """
    real = _real if package == _OURS else None

    def attribute(name: str) -> Any:
        if name.startswith("__") or not hasattr(real or _module(_real_name(package)), name):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(real or _module(_real_name(package)), name)
        return importlib.import_module(f"{package}.{name}") if isinstance(found, ModuleType) else found

    return attribute


def fallback(name: str, real: ModuleType) -> Callable[[str], Any]:
    """A module's __getattr__ that takes what the module lacks from prometheus_client's module of the same name."""

    def attribute(attribute_name: str) -> Any:
        if attribute_name.startswith("__") or not hasattr(real, attribute_name):
            raise AttributeError(f"module {name!r} has no attribute {attribute_name!r}")
        return getattr(real, attribute_name)

    return attribute


# sys.modules["prometheus_client"] -------------------------------------------------------------------------------------


def stand_by() -> None:
    """Makes imports of prometheus_client's modules follow what sys.modules["prometheus_client"] is at the time.

    Those that are in sys.modules would be found there first, so they are kept here and given back on demand.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(_REAL + ".") and not getattr(module.__spec__, "_initializing", False):
            _kept[name] = module
            sys.modules.pop(name, None)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds modules of prometheus_client: of this package where it stands in its place, else those that are kept."""

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        if not name.startswith(_REAL + "."):
            return None
        package = sys.modules.get(_REAL)
        if package is sys.modules.get(_OURS):
            ours = _OURS + name[len(_REAL) :]
            known = importlib.import_module(ours) if importlib.util.find_spec(ours) is not None else None
        else:
            known = _kept.get(name) if package is _real else None
        return None if known is None else ModuleSpec(name, _Given(known))


class _Given(Loader):
    """Loads a module that is there already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put the one by the other name there.
        module.__spec__ = self._spec
