# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that are lost: a receiver that is killed and started again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from conversation import HANG_SECONDS
from expositions import Exposition

MESSAGES = 1_000_000
KILLS = 4


def test_receiver_is_killed(
    build: Callable[..., Path],
    library: Path,
    folder: Path,
    store: Path,
    exposition: Callable[[], Exposition],
    seed: int,
    stress: int,
) -> None:
    """What was sent is what was received and what was lost, exactly: in_flight is the loss once all is drained.

    The receivers kill themselves between two messages, so that the ledger knows each message that was counted.
    """
    choices = random.Random(seed)
    count = MESSAGES * stress
    program = build("flood", "flood.c")
    endpoint = f"ipc://{folder}/flood.ipc"
    ledger = folder / "ledger"
    ledger.write_bytes(bytes(count))
    environment = {**os.environ, "FDMETRICS_DIR": str(store)}
    with subprocess.Popen([program, "push", endpoint, str(count)], env=environment, stdin=subprocess.PIPE) as sender:
        try:
            # Each but the last one dies long before the sender is done, with full queues.
            for _ in range(KILLS):
                death = choices.randrange(1, count // (2 * KILLS))
                command = [program, "pull", endpoint, str(ledger), str(count), str(death)]
                assert subprocess.run(command, env=environment, timeout=HANG_SECONDS).returncode == -signal.SIGKILL
            command = [program, "pull", endpoint, str(ledger), str(count), "0"]
            subprocess.run(command, env=environment, timeout=HANG_SECONDS * stress, check=True)
            sender.communicate(timeout=HANG_SECONDS)
            assert sender.returncode == 0
        finally:
            sender.kill()
    marks = ledger.read_bytes()
    assert set(marks) <= {0, 1}, "a message was received twice"
    received = marks.count(1)
    lost = count - received
    assert lost > 0, "no message was lost: the receivers were not killed with full queues"
    shown = exposition()
    # One more for the message that says that it is the last one.
    assert shown.total("msg_send_total") == count + 1
    assert shown.total("msg_recv_total") == received + 1
    assert shown.total("in_flight") == lost
    assert shown.total("msg_bytes_send_total") == 4 * count + 3
    assert shown.total("msg_bytes_recv_total") == 4 * received + 3
    assert shown.total("latency_count") == received + 1
    assert shown.total("latency_skipped_total") == shown.total("msg_send_failed_total") == 0
