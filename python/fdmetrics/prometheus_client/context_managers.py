# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""prometheus_client's timers and trackers, which here also last until a coroutine has ended.

There, a decorated coroutine function is timed while it makes its coroutine, which takes no time.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Callable, TypeVar, cast

from ._twin import fallback, real

if TYPE_CHECKING:
    import prometheus_client.context_managers as _real
else:
    _real = real(__name__)

if TYPE_CHECKING:
    from .metrics import Counter as Counter

__getattr__ = fallback(__name__, _real)

F = TypeVar("F", bound=Callable[..., Any])


class _Decorates:
    """Decorates a coroutine function so that the context lasts as long as its coroutines."""

    def _context(self) -> Any:
        return self

    def __call__(self, f: F) -> F:
        if not inspect.iscoroutinefunction(f):
            decorated: F = super().__call__(f)  # type: ignore[misc]
            return decorated

        @functools.wraps(f)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._context():
                return await f(*args, **kwargs)

        return cast(F, wrapped)


class ExceptionCounter(_Decorates, _real.ExceptionCounter):
    """Counts exceptions of given types that leave a block or a function."""


class InprogressTracker(_Decorates, _real.InprogressTracker):
    """Holds a gauge one higher while a block or a function runs."""


class Timer(_Decorates, _real.Timer):
    """Times a block or a function in seconds, and observes (a gauge: is set to) the duration."""

    def _context(self) -> Any:
        return self._new_timer()  # type: ignore[no-untyped-call]
