# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Modules that code of prometheus_client imports, which runs as this package's, and that of prometheus_client itself.

Those for web frameworks, which import their framework, have hooks of their own.
"""

from PyInstaller.utils.hooks import collect_submodules  # type: ignore[import-untyped]

FRAMEWORKS = {"aiohttp", "django", "twisted"}

hiddenimports = [
    name
    for package in ("fdmetrics.prometheus_client", "prometheus_client")
    for name in collect_submodules(package)
    if not FRAMEWORKS.intersection(name.split("."))
]
