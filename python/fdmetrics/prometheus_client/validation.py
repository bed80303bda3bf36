# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's rules of names. fdmetrics takes the classic character set whatever they allow."""

from . import _twin

_twin.become(__name__)
