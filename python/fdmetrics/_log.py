# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What this package has to say to a log: one line a cause and minute, whatever goes wrong how often.

Through logging.getLogger("fdmetrics") where the program has imported logging; else to standard error, where logging's
handler of last resort would have written it. Importing logging would take longer than all of this package, and fails
where descriptors have run out, which is one of the things to be told.

Nothing here takes a lock of its own or raises. All may be called from any thread, in signal handlers and fork children.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._library import Library

#: How long a cause that was told is only counted, in seconds.
INTERVAL = 60.0
#: How often the library's own lines are asked for where nothing else asks for them, in seconds.
LISTENING_INTERVAL = 1.0

#: What a refusal means for what was refused.
NOTHING = "nothing is recorded into %s"
NO_NEW_SERIES = "no new series of %s is recorded"

_NAME = "fdmetrics"
_Line = ctypes.c_char * 1024
# More than the library keeps at once: it ends where another thread brings ever new ones.
_MOST_LINES = 64


class _Told:
    """A line that was written: until when its cause is only counted, and how often it was since."""

    __slots__ = ("omitted", "turn", "until", "what")

    def __init__(self, what: str, until: float) -> None:
        self.what = what
        self.until = until
        self.omitted = 0
        # Of several threads that come at once, one takes the next turn.
        self.turn = iter((True,))


class Refusals:
    """The lines about what one registry's store refuses, by the exception's class."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def tell(self, what: str, error: BaseException, consequence: str = NOTHING) -> None:
        """Writes a line, or counts it where the same cause had one in the last minute."""
        cause = type(error).__name__
        text = str(error)
        now = time.monotonic()
        if text:
            _refused[cause] = text.replace("\n", " ")[:_COMPARED], now + INTERVAL
        told = self._told.get(cause)
        if told is None:
            new = _Told(what, now + INTERVAL)
            told = self._told.setdefault(cause, new)
            if told is new:
                _say("error", f"fdmetrics: {consequence}: %s%s", what, text, "")
                return
        elif now >= told.until and next(told.turn, False):
            self._told[cause] = _Told(what, now + INTERVAL)
            more = f" (and {told.omitted} more refusals by {cause} since the last line)" if told.omitted else ""
            _say("error", f"fdmetrics: {consequence}: %s%s", what, text, more)
            return
        told.omitted += 1

    def last_named(self, cause: type[BaseException]) -> str | None:
        """What the last line about a cause named; None where there was none."""
        told = self._told.get(cause.__name__)
        return None if told is None else told.what


# What was refused last, by cause: the beginning of the text, and how long the library's own line about it is left out.
_refused: dict[str, tuple[str, float]] = {}
_COMPARED = 200


def warn(text: str, *arguments: object) -> None:
    """Writes a line; whoever calls it sees to it that there are not many."""
    _say("warning", text, *arguments)


def error(text: str, *arguments: object) -> None:
    """The same, of something that is not recorded."""
    _say("error", text, *arguments)


def exception(text: str, *arguments: object) -> None:
    """The same, with the traceback of the exception that is being handled."""
    _say("exception", text, *arguments)


# The threads that are writing a line at the moment.
_speaking: dict[int, object] = {}
# A fork child has one thread; a later one may get the number of one that was writing in the parent.
os.register_at_fork(after_in_child=_speaking.clear)


def _say(level: str, text: str, *arguments: object) -> None:
    logging: Any = sys.modules.get("logging")
    # It is there, but empty, while it is being imported.
    get_logger = getattr(logging, "getLogger", None)
    thread = get_ident()
    mine = object()
    try:
        # A handler of the program's that records, and is refused, or that a signal has interrupted, may hold a lock.
        if get_logger is not None and _speaking.setdefault(thread, mine) is mine:
            try:
                getattr(get_logger(_NAME), level)(text, *arguments)
            finally:
                _speaking.pop(thread, None)
        elif sys.stderr is not None:
            line = (text % arguments).replace("\n", " ") + "\n"
            os.write(2, line.encode("utf-8", "backslashreplace"))
            if level == "exception":
                # After the line, because importing it may fail.
                import traceback

                os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    except Exception:
        pass


_listen_at = 0.0


def listen(library: Library) -> None:
    """As pass_on, at most once a second. For what is not done at each update."""
    if time.monotonic() >= _listen_at:
        pass_on(library)


def pass_on(library: Library) -> None:
    """Takes the lines that the library has kept for a log, and writes them as warnings.

    Not those about what Refusals has told or counted: its lines also name what is not recorded.
    """
    global _listen_at
    try:
        now = time.monotonic()
        _listen_at = now + LISTENING_INTERVAL
        line = _Line()
        for _ in range(_MOST_LINES):
            if not library.fdm_take_notice(line, len(line)):
                break
            said = line.value.decode("utf-8", "replace")
            if not any(said.startswith(text) and now < until for text, until in list(_refused.values())):
                _say("warning", "fdmetrics: %s", said)
    except Exception:
        pass
