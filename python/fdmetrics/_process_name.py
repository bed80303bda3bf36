# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The name of this process where the processes of a store are shown."""

from __future__ import annotations

from . import _library, _log
from .errors import InvalidArgumentError, LibraryError, UnsupportedError, check_status


def set_process_name(name: str | None) -> None:
    """Names this process in `fdmctl top`, `dump` and `doctor`, and on the page, in all stores that it uses.

    Without a name it is FDMETRICS_PROCESS_NAME of the environment, as it is when the process takes its place in a store
    (at the first metric, and right after a fork), and without that the kernel's, "python" most often. The first 112
    bytes of the name in UTF-8 are kept, to the end of a character; None or "" takes it back. It is shown as long as the
    process is, alive or dead. A fork child does not have its parent's name: it is another process, and names itself, as
    in gunicorn's post_fork. May be called from any thread, before or after the first metric.

    Errors: TypeError, and InvalidArgumentError for a name with a zero in it. Where a store has no room for the name,
    the log says so. Where the library cannot be loaded nothing is named, and the first metric says why.
    """
    if name is not None and not isinstance(name, str):
        raise TypeError(f"The name of a process is {name!r}: give a str, or None to take it back.")
    encoded = (name or "").encode(errors="replace")
    if b"\0" in encoded:
        raise InvalidArgumentError(f"The name of a process is {name!r}: it must not have a zero in it.")
    try:
        library = _library.load()
        check_status(library, library.fdm_set_process_name(encoded))
        _log.pass_on(library)
    except (LibraryError, UnsupportedError):
        pass
