# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's Metric, and the families that custom collectors make."""

import sys

import prometheus_client.metrics_core

# The module itself: what it is asked for, and what is set in it, is prometheus_client's.
sys.modules[__name__] = prometheus_client.metrics_core
