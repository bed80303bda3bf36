# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Timers, exception counters and in-progress trackers: each a context manager and a decorator.

As a decorator each also takes a coroutine function, and then lasts until the coroutine has ended.
"""

from __future__ import annotations

from time import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Any, TypeVar

    from typing_extensions import TypeAlias

    from .instruments import Counter, Gauge, Histogram, Summary

    F = TypeVar("F", bound=Callable[..., Any])

Exceptions: TypeAlias = "type[BaseException] | tuple[type[BaseException], ...]"


def _decorated(function: F, enter: Callable[[], AbstractContextManager[Any]]) -> F:
    """A function that runs another one inside a new context at each call."""
    # Imported here: they cost more than the rest of this package, and only who decorates needs them.
    import functools
    import inspect

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapped_coroutine(*args: Any, **kwargs: Any) -> Any:
            with enter():
                return await function(*args, **kwargs)

        return wrapped_coroutine  # type: ignore[return-value]

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with enter():
            return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


class Timer:
    """Times a block or a function in seconds, and observes (a gauge: is set to) the duration."""

    def __init__(self, metric: Gauge | Summary | Histogram, callback_name: str) -> None:
        self._metric = metric
        self._callback_name = callback_name
        self._start = 0.0
        #: The last duration in seconds; None before the first one.
        self.duration: float | None = None

    def __enter__(self) -> Timer:
        self._start = perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.duration = max(perf_counter() - self._start, 0.0)
        getattr(self._metric, self._callback_name)(self.duration)

    def labels(self, *labelvalues: object, **labelkwargs: object) -> None:
        """Chooses the series inside the block, for labels that are known late, such as a status code."""
        self._metric = self._metric.labels(*labelvalues, **labelkwargs)

    def __call__(self, function: F) -> F:
        # A new timer at each call makes it right for several threads and for recursion.
        return _decorated(function, lambda: Timer(self._metric, self._callback_name))


class ExceptionCounter:
    """Counts exceptions of given types that leave a block or a function."""

    def __init__(self, counter: Counter, exception: Exceptions) -> None:
        """Errors: TypeError for what is no exception type and no tuple of them."""
        for each in exception if isinstance(exception, tuple) else (exception,):
            if not isinstance(each, type):
                raise TypeError(f"count_exceptions of {counter} was given {each!r}: a type of exceptions is expected")
        self._counter = counter
        self._exception = exception

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(value, self._exception):
            self._counter.inc()

    def __call__(self, function: F) -> F:
        return _decorated(function, lambda: self)


class InprogressTracker:
    """Holds a gauge one higher while a block or a function runs."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge

    def __enter__(self) -> None:
        self._gauge.inc()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._gauge.dec()

    def __call__(self, function: F) -> F:
        return _decorated(function, lambda: self)
