# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a module of prometheus_client a second time, as one of this package.

Its relative imports then find this package's modules: `from .registry import REGISTRY` is this REGISTRY, in default
arguments too. So the HTTP servers, the bridges and the rest of its code that only reads a registry serve here as they
are, in whatever version is installed. The compiled code is the one that Python keeps for prometheus_client.
"""

from __future__ import annotations

import importlib.util
from typing import Any, Callable, Dict

_REAL = "prometheus_client"


def run(namespace: Dict[str, Any]) -> None:
    """Runs prometheus_client's module of the same name in the namespace of this package's one.

    Errors: ImportError, as where that module is imported.
    """
    name = real_name(namespace["__name__"])
    spec = importlib.util.find_spec(name)
    loader: Any = None if spec is None else spec.loader
    if loader is None:
        raise ImportError(f"{name} is not in the installed prometheus_client: install a newer one", name=name)
    documentation = namespace["__doc__"]
    exec(loader.get_code(name), namespace)
    namespace["__doc__"] = documentation


def submodules(package: str) -> Callable[[str], Any]:
    """A package's __getattr__ that imports the modules which prometheus_client's package of that name has imported."""

    def attribute(name: str) -> Any:
        if name.startswith("_") or not hasattr(importlib.import_module(real_name(package)), name):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return importlib.import_module(f"{package}.{name}")

    return attribute


def real_name(name: str) -> str:
    """The name of prometheus_client's module for one of this package."""
    return _REAL + name[len(__package__) :]


def fallback(name: str) -> Callable[[str], Any]:
    """A module's __getattr__ that takes what the module lacks from prometheus_client's module of the same name."""

    def attribute(attribute_name: str) -> Any:
        if attribute_name.startswith("__"):
            raise AttributeError(f"module {name!r} has no attribute {attribute_name!r}")
        return getattr(importlib.import_module(real_name(name)), attribute_name)

    return attribute
