# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What one call to a ZeroMQ socket did, as MetricsManager.record_zmq_stats takes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ZMQMetricsStats:
    """Numbers to add to the series of an address. A message that failed to be sent is not one that was sent."""

    #: Messages that were sent.
    msg_send_total: int = 0
    #: Messages that could not be sent.
    msg_send_failed_total: int = 0
    #: Bytes of the messages that were sent.
    msg_bytes_send_total: int = 0
    #: Messages that were received.
    msg_recv_total: int = 0
    #: Bytes of the messages that were received.
    msg_bytes_recv_total: int = 0
    #: Seconds from the send of a message to its receipt; 0 where that is not known.
    zmq_latency: float = 0.0
