# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the middlewares of fdmetrics.asgi, fdmetrics.wsgi and fdmetrics.django may be told: what, and by which names.

fdmetrics.asgi.MetricsMiddleware says what each option means.
"""

from __future__ import annotations

import functools
import inspect
import re
from typing import (
    Any,
    Callable,
    Collection,
    Iterable,
    Mapping,
    NamedTuple,
    Optional,
    Pattern,
    Tuple,
    TypeVar,
    Union,
)

from .errors import InvalidArgumentError

#: The paths that are not recorded unless others are given: what orchestrators and Prometheus ask for.
DEFAULT_EXCLUDED_PATHS = frozenset(("/health", "/healthz", "/livez", "/metrics", "/readyz"))
#: The upper bounds of http_request_duration_seconds.
DURATION_BUCKETS = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0),
    *(3.5, 4.0, 4.5, 5.0, 7.5, 10.0, 30.0, 60.0),
)
#: The upper bounds of http_request_size_bytes and http_response_size_bytes: 256 bytes to 64 MiB.
SIZE_BUCKETS = tuple(float(4**power) for power in range(4, 14))

REQUESTS = "http_requests_total"
DURATION = "http_request_duration_seconds"
IN_PROGRESS = "http_requests_in_progress"
REQUEST_SIZE = "http_request_size_bytes"
RESPONSE_SIZE = "http_response_size_bytes"
#: The names of the metrics and of the labels that each request has, which `names` may replace.
LABELS = ("method", "path", "status_code")
NAMES = (REQUESTS, DURATION, IN_PROGRESS, REQUEST_SIZE, RESPONSE_SIZE, *LABELS)

Excluded = Union[Collection[Union[str, Pattern[str]]], Pattern[str], Callable[[str], bool]]
Buckets = Iterable[Union[float, str]]
Names = Mapping[str, Optional[str]]
Application = TypeVar("Application")


class Options(NamedTuple):
    """The options of a middleware. The functions take what its protocol has for a request: scope, environ, HttpRequest.

    None stands for the default where there is another one.
    """

    registry: object = None
    excluded: Optional[Excluded] = None
    path_of: Optional[Callable[..., object]] = None
    prefix: str = ""
    names: Optional[Names] = None
    labels: Optional[Mapping[str, Union[str, float, Callable[..., object], None]]] = None
    buckets: Optional[Buckets] = None
    group_status: bool = False
    in_progress: bool = False
    request_size: bool = False
    response_size: bool = False
    size_buckets: Optional[Buckets] = None

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> Options:
        """Those of a mapping; `where` says whose it is. Errors: TypeError for what is none; InvalidArgumentError for a
        name that is no option."""
        if not isinstance(values, Mapping):
            raise TypeError(f"{where} is {values!r}: give a dict of options, {{}} for none")
        unknown = [name for name in values if name not in cls._fields]
        if unknown:
            raise InvalidArgumentError(f"{where} has {unknown[0]!r}: the options are {', '.join(cls._fields)}")
        return cls(**values)

    def name(self, default: str) -> Optional[str]:
        """What a metric or a label is called; None where it is left out."""
        return default if self.names is None else self.names.get(default, default)

    def label_values(self) -> Tuple[Tuple[str, object], ...]:
        """The labels that are added, each with a function or a text. Errors: InvalidArgumentError for a value of which
        str() makes no text."""

        def value_of(name: str, value: object) -> object:
            if value is None or callable(value):
                return "" if value is None else value
            try:
                return str(value)
            except Exception as error:
                kind = type(value).__name__
                raise InvalidArgumentError(
                    f"labels has a {kind} for {name!r}, of which str() fails: {error}"
                ) from error

        return tuple((name, value_of(name, value)) for name, value in (self.labels or {}).items())

    def check(self) -> None:
        """Errors: InvalidArgumentError where `names` has what there is not; TypeError for an option of another
        type, and for a function that gives no value, but something to await or to iterate."""
        if self.path_of is not None:
            check_callable("path_of", self.path_of, "a function that gives the path")
        if not isinstance(self.prefix or "", str):
            raise TypeError(f"prefix is {self.prefix!r}: give a str")
        for option in ("names", "labels"):
            if not isinstance(getattr(self, option) or {}, Mapping):
                raise TypeError(f"{option} is {getattr(self, option)!r}: give a dict")
        for option in ("buckets", "size_buckets"):
            buckets = getattr(self, option)
            if buckets is not None and (isinstance(buckets, (str, bytes)) or not isinstance(buckets, Iterable)):
                raise TypeError(f"{option} is {buckets!r}: give a list of upper bounds")
        for name, chosen in (self.names or {}).items():
            if name not in NAMES:
                raise InvalidArgumentError(f"names has {name!r}: give other names for {', '.join(NAMES)}")
            if not isinstance(chosen, (str, type(None))):
                raise TypeError(f"names has {chosen!r} for {name}: give a str, or None to leave it out")
        functions: Mapping[str, object] = {"excluded": self.excluded, "path_of": self.path_of, **(self.labels or {})}
        for name, function in functions.items():
            if callable(function) and _gives_no_value(function):
                raise TypeError(
                    f"{name} is {function!r}, which is async or a generator: give one that returns its value"
                )


def _gives_no_value(function: Callable[..., object]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    # What an object is called by is its class's.
    forms = (function, getattr(type(function), "__call__", None))  # noqa: B004
    tests = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)
    return any(test(form) for form in forms for test in tests)


def checked_value(value: object) -> object:
    """What a function of the user's has returned. Errors: TypeError where it has to be awaited, which nobody does."""
    if inspect.isawaitable(value) or inspect.isasyncgen(value):
        if inspect.iscoroutine(value):
            value.close()  # Or it would warn that it was never awaited.
        raise TypeError(f"{value!r} would have to be awaited: give a function that returns its value")
    return value


def check_callable(name: str, value: Application, expected: str) -> Application:
    """The value of an argument. Errors: TypeError where nobody can call it."""
    if not callable(value):
        raise TypeError(f"{name} is {value!r}: give {expected}")
    return value


def excludes(excluded: Optional[Excluded]) -> Callable[[str], bool]:
    """A function that says whether a path is excluded. Errors: TypeError."""
    if excluded is None:
        return DEFAULT_EXCLUDED_PATHS.__contains__
    if callable(excluded):
        return excluded
    if isinstance(excluded, (str, bytes)):
        raise TypeError(f"excluded must be several paths or a function of a path, not {excluded!r}: write a list")
    if not isinstance(excluded, (re.Pattern, Iterable)):
        raise TypeError(f"excluded is {excluded!r}: give a list of paths, or a function of a path")
    several = (excluded,) if isinstance(excluded, re.Pattern) else tuple(excluded)
    for one in several:
        if not isinstance(one.pattern if isinstance(one, re.Pattern) else one, str):
            raise TypeError(f"excluded has {one!r}: give paths, each a str, and patterns of str made by re.compile")
    paths = frozenset(one for one in several if isinstance(one, str))
    patterns: Tuple[Pattern[str], ...] = tuple(one for one in several if isinstance(one, re.Pattern))
    if not patterns:
        return paths.__contains__
    return lambda path: path in paths or any(pattern.search(path) for pattern in patterns)
