# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Which gauges of the catalogue have another mode than the catalogue's."""

from __future__ import annotations

import os
from typing import Dict, Mapping, Optional

from ..errors import InvalidArgumentError
from ..instruments import GAUGE_MODES
from .catalogue import CACHE_CONFIG_INFO, DEFAULT_MODE, GAUGE_ATTRIBUTES, GAUGES

#: Pairs of attribute=mode with commas between; * stands for every gauge that is local in the catalogue. A variable,
#: because all processes of a service must agree, and the environment is what they share.
VARIABLE = "FDMETRICS_FASTDEPLOY_GAUGE_MODES"
EVERY = "*"

_LOCAL = [
    name
    for name in GAUGE_ATTRIBUTES
    if name != CACHE_CONFIG_INFO and (name not in GAUGES or GAUGES[name].multiprocess_mode == DEFAULT_MODE)
]


def chosen(modes: Optional[Mapping[str, str]]) -> Dict[str, str]:
    """The modes by attribute name: those given, else those of the environment. Errors: InvalidArgumentError."""
    if modes is None:
        return _checked(_parsed(os.environ.get(VARIABLE, "")), f"{VARIABLE} in the environment")
    return _checked(modes, "gauge_modes")


def _parsed(text: str) -> Dict[str, str]:
    modes = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, mode = pair.partition("=")
        modes[name.strip()] = mode.strip()
    return modes


def _checked(modes: Mapping[str, str], source: str) -> Dict[str, str]:
    for name, mode in modes.items():
        if name != EVERY and name not in GAUGE_ATTRIBUTES:
            raise InvalidArgumentError(f"{source}: no gauge {name!r}: {EVERY} or one of {', '.join(GAUGE_ATTRIBUTES)}")
        if mode not in GAUGE_MODES:
            raise InvalidArgumentError(f"{source}: no mode {mode!r} for {name}: one of {', '.join(GAUGE_MODES)}")
    every = dict.fromkeys(_LOCAL, modes[EVERY]) if EVERY in modes else {}
    return {**every, **{name: mode for name, mode in modes.items() if name != EVERY}}
