# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The environment variables of FastDeploy that are regarded here, as attributes; each is read when it is asked for.

FD_DEBUG                    1: record_zmq_stats of main_process_metrics records from the start
FD_ZMQ_SNDHWM               messages that wait for one peer before a send blocks; 0, the default: without limit
FD_USE_AGGREGATE_SEND       1: the responses of one send are added up to one
FD_ENABLE_INTERNAL_ADAPTER  1: responses are sent by step, to the one client that asked, as msgpack
ZMQ_SEND_BATCH_DATA         1: responses are sent by batch, through PUSH sockets, as msgpack
ENABLE_V1_DATA_PROCESSOR    1: responses are pickled as they are, not as what their to_dict() gives
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, Dict, Union

if TYPE_CHECKING:
    FD_DEBUG: bool
    FD_ZMQ_SNDHWM: int
    FD_USE_AGGREGATE_SEND: bool
    FD_ENABLE_INTERNAL_ADAPTER: bool
    ZMQ_SEND_BATCH_DATA: bool
    ENABLE_V1_DATA_PROCESSOR: bool


def _switch(name: str) -> bool:
    return os.environ.get(name, "0") not in ("", "0")


def _number(name: str) -> int:
    text = os.environ.get(name, "0")
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}: a whole number of messages is expected, 0 for no limit") from None


_READERS: Dict[str, Callable[[str], Union[bool, int]]] = {
    "FD_DEBUG": _switch,
    "FD_ZMQ_SNDHWM": _number,
    "FD_USE_AGGREGATE_SEND": _switch,
    "FD_ENABLE_INTERNAL_ADAPTER": _switch,
    "ZMQ_SEND_BATCH_DATA": _switch,
    "ENABLE_V1_DATA_PROCESSOR": _switch,
}


def __getattr__(name: str) -> Union[bool, int]:
    reader = _READERS.get(name)
    if reader is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return reader(name)
