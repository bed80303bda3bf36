# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Timers, exception counters and in-progress trackers: each a context manager and a decorator.

As a decorator each also takes a coroutine function, and then lasts until the coroutine has ended.
"""

from __future__ import annotations

import functools
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Optional, Tuple, Type, TypeVar, Union, cast

if TYPE_CHECKING:
    from .instruments import Counter, Gauge, Histogram, Summary

F = TypeVar("F", bound=Callable[..., Any])
Exceptions = Union[Type[BaseException], Tuple[Type[BaseException], ...]]


def _decorated(function: F, enter: Callable[[], ContextManager[Any]]) -> F:
    """A function that runs another one inside a new context at each call."""
    # Imported here: it costs more than the rest of this package, and only who decorates needs it.
    import inspect

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapped_coroutine(*args: Any, **kwargs: Any) -> Any:
            with enter():
                return await function(*args, **kwargs)

        return cast(F, wrapped_coroutine)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with enter():
            return function(*args, **kwargs)

    return cast(F, wrapped)


class Timer:
    """Times a block or a function in seconds, and observes (a gauge: is set to) the duration."""

    def __init__(self, metric: Union[Gauge, Summary, Histogram], callback_name: str) -> None:
        self._metric = metric
        self._callback_name = callback_name
        self._start = 0.0
        #: The last duration in seconds; None before the first one.
        self.duration: Optional[float] = None

    def __enter__(self) -> Timer:
        self._start = perf_counter()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
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
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
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
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._gauge.dec()

    def __call__(self, function: F) -> F:
        return _decorated(function, lambda: self)
