# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The store as prometheus_client sees it: its values, its families and its registries. Needs prometheus_client.

families      the store's totals as prometheus_client's Metric objects
value         the values that metrics of prometheus_client record through; worker_value has those of logical ids
value_class   what makes them, in place of prometheus_client's value class
text_value    the series behind Info and Enum
created       whether `_created` is shown
declaration   the declarations of all of them in the store
removal       remove(), remove_by_labels() and clear()
totals        what a CollectorRegistry shows
multiprocess  MultiProcessCollector and mark_process_dead
patches       what install() puts into prometheus_client, and takes out again
adoption      the metrics that were there before it
"""
