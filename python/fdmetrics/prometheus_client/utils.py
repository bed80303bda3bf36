# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's floatToGoString and its like."""

import sys

import prometheus_client.utils

# The module itself: what it is asked for, and what is set in it, is prometheus_client's.
sys.modules[__name__] = prometheus_client.utils
