# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's files of its multi-process mode, which nothing here writes."""

import sys

import prometheus_client.mmap_dict

# The module itself: what it is asked for, and what is set in it, is prometheus_client's.
sys.modules[__name__] = prometheus_client.mmap_dict
