# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""zmq_messages.py: run by the Python of an environment that has the wheel with the extra `zmq`.

Sends messages from one socket of the package to another and prints the metrics' text.
"""

from __future__ import annotations

import zmq

import fdmetrics
import fdmetrics.zmq

MESSAGES = 100


def main() -> None:
    with fdmetrics.zmq.Context(carrier="trailer") as context:
        receiver = context.socket(zmq.PULL, link="jobs")
        receiver.bind("inproc://jobs")
        sender = context.socket(zmq.PUSH, link="jobs")
        sender.connect("inproc://jobs")
        for number in range(MESSAGES):
            sender.send_string(f"job {number}")
            assert receiver.recv_string() == f"job {number}"
        sender.close()
        receiver.close()
    print(fdmetrics.generate_latest().decode())


if __name__ == "__main__":
    main()
