# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a store has and whether it is intact, as fdmctl says it: python -m fdmetrics dump and check."""

from __future__ import annotations

import ctypes
import os
from typing import Tuple

from . import _constants as c
from . import _library


def dump(directory: str, *, as_json: bool = False, removed: bool = False) -> bytes:
    """All that is in the store in a directory, of live or dead processes, as lines or as one JSON object.

    removed: also removed series. Errors: LibraryError and the classes of fdm_dump_directory's statuses.
    """
    library = _library.load()
    options = (c.FDM_DUMP_JSON if as_json else 0) | (c.FDM_DUMP_REMOVED if removed else 0)
    return _library.text_of(library, library.fdm_dump_directory, os.fsencode(directory), options)


def check(directory: str, *, notes: bool = False) -> Tuple[bytes, int]:
    """What is wrong with the store in a directory, a line each, and how many of the lines mean damage.

    notes: also what killed processes leave, which is harmless. Errors: LibraryError and the classes of
    fdm_check_directory's statuses.
    """
    library = _library.load()
    errors, options = ctypes.c_uint64(), c.FDM_CHECK_NOTES if notes else 0
    place = os.fsencode(directory)
    text = _library.text_of(library, library.fdm_check_directory, place, options, ctypes.byref(errors))
    return text, errors.value
