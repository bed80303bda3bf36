# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's copy of the decorator library."""

import sys

import prometheus_client.decorator

# The module itself: what it is asked for, and what is set in it, is prometheus_client's.
sys.modules[__name__] = prometheus_client.decorator
