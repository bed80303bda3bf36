# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A program that uses pyzmq, with fdmetrics.zmq.instrument(); and a service of FastDeploy's kind."""

from __future__ import annotations

import zmq

import fdmetrics.zmq
from fdmetrics.fastdeploy import get_filtered_metrics, main_process_metrics

if __name__ == "__main__":
    fdmetrics.zmq.instrument()
    context = zmq.Context.instance()
    receiver, sender = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    receiver.bind("inproc://jobs")
    sender.connect("inproc://jobs")
    sender.send(b"work")
    assert receiver.recv() == b"work"
    main_process_metrics.request_success_total.inc()
    print(get_filtered_metrics())
    context.destroy()
