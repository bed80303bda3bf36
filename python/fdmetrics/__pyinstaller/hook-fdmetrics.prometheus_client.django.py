# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What prometheus_client has for django, and its twin here."""

from PyInstaller.utils.hooks import collect_submodules  # type: ignore[import-untyped]

hiddenimports = [
    *collect_submodules("fdmetrics.prometheus_client.django"),
    *collect_submodules("prometheus_client.django"),
]
