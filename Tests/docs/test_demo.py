# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's table says which of its rows are bounds, and no equalities."""

from __future__ import annotations

import sys

import pytest

from blocks import ROOT

sys.path.append(str(ROOT / "examples/demo"))
import report
import tables
from ledger import Account

LINK = '{address="jobs"}'
CONNECTED = f"{report.ZMQ}connected_total{LINK}"
RECEIVED = f"{report.ZMQ}msg_bytes_recv_total{LINK}"


def row(received: float, in_flight: float) -> tuple[report.Row, str]:
    """The row of the bytes that a link received, of 100 that were sent, and its line."""
    account = Account()
    account.counters[CONNECTED] = 1.0
    scraped = {
        CONNECTED: 1.0,
        f"{report.ZMQ}msg_bytes_send_total{LINK}": 100.0,
        RECEIVED: received,
        f"{report.ZMQ}in_flight{LINK}": in_flight,
    }
    rows = report.compare([report.Entry(account, True)], scraped)
    (found,) = [each for each in rows if each.series == RECEIVED]
    (line,) = [line for line in tables.table([found], {}).splitlines() if RECEIVED in line]
    return found, " ".join(line.split())


@pytest.mark.parametrize(
    "received, in_flight, ok, shown",
    [
        (100.0, 0.0, True, "100 100 ok"),
        (90.0, 0.0, False, "100 90 DIFFERS"),
        (90.0, 1.0, True, "below 100 90 ok (a bound: messages were lost)"),
        (100.0, 1.0, False, "below 100 100 DIFFERS (a bound: messages were lost)"),
    ],
)
def test_a_bound_is_marked(received: float, in_flight: float, ok: bool, shown: str) -> None:
    found, line = row(received, in_flight)
    assert (found.ok, found.is_bound) == (ok, in_flight > 0)
    assert line == f"{RECEIVED} {shown}"
