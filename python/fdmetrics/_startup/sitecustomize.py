# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Loads the start-up hook where its .pth file is not installed: `python -m fdmetrics run` puts this into PYTHONPATH.

The sitecustomize that would have been loaded without it is loaded too.
"""

import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
_ourselves = sys.modules.pop(__name__)
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != _here]

try:  # noqa: SIM105 - every process pays for imports here.
    import fdmetrics_hook  # noqa: F401
except ImportError:
    # A Python without fdmetrics: its metrics are its own.
    pass

try:
    __import__("sitecustomize")
except ImportError as error:
    if error.name != "sitecustomize":
        raise
    sys.modules[__name__] = _ourselves
