# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Where a metric is declared, by which a module that is loaded again is told from a second declaration."""

from __future__ import annotations

import inspect
import os
import sys
import weakref
from types import CodeType, FrameType
from typing import NamedTuple, Optional

# Functions of their own before Python 3.12, and generator expressions always: they run where they stand.
_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
_OURS = __name__.partition(".")[0]


class DeclaredAt(NamedTuple):
    """A place in the body of a module, or of a class in it, and the execution of that body."""

    file: str
    line: int
    #: Dead once the module has been executed.
    body: weakref.ref[CodeType]

    def is_loaded_again(self, former: Optional[DeclaredAt]) -> bool:
        """Whether this is the same place as a former one, in a module that was executed once more since then.

        By importlib.reload, or by an import of the same file under another name. A line that runs twice in one
        execution of its module, in a loop, is not.
        """
        if former is None or (former.file, former.line) != (self.file, self.line):
            return False
        return former.body() is not self.body()


def declared_at() -> Optional[DeclaredAt]:
    """Where the code outside of fdmetrics that is running is; None in a function, which may be called at any time."""
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _OURS:
        frame = frame.f_back
    if frame is None:
        return None
    line, body = frame.f_lineno, frame
    while body.f_code.co_name in _COMPREHENSIONS and body.f_back is not None:
        body = body.f_back
    code = body.f_code
    if code.co_flags & inspect.CO_OPTIMIZED or code.co_filename != frame.f_code.co_filename:
        return None
    # runpy.run_path takes a relative name as it is.
    return DeclaredAt(os.path.abspath(code.co_filename), line, weakref.ref(code))
