# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the middlewares of fdmetrics.asgi, fdmetrics.wsgi and fdmetrics.django record, and the rules for its labels.

Knows nothing of either protocol. The values of all three labels come from small sets, whatever clients send: methods
and status codes that are none are one value each, and paths are templates, of which a program has so many as it has
routes.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Collection, Dict, Mapping, Optional, Set, Tuple, Union

from .instruments import Counter, Histogram
from .registry import Registry, registry_of

logger = logging.getLogger("fdmetrics")

#: The label `path` of requests that no route matched.
UNMATCHED_PATH = "<unmatched>"
#: The label `method` of requests with a method that is none of METHODS.
UNKNOWN_METHOD = "<unknown>"
#: The label `status_code` of responses whose status is no number of three digits.
UNKNOWN_STATUS = "<unknown>"
#: The methods of RFC 9110 and RFC 5789.
METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"))
#: The status of a request whose client went away, or whose task was cancelled, before the response started.
CLIENT_GONE = 499
#: The paths that are not recorded unless others are given.
DEFAULT_EXCLUDED_PATHS = frozenset(("/health", "/metrics", "/ping", "/load", "/v1/chat/completions", "/v1/completions"))
#: The upper bounds of http_request_duration_seconds.
DURATION_BUCKETS = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0),
    *(3.5, 4.0, 4.5, 5.0, 7.5, 10.0, 30.0, 60.0),
)
#: Where an application notes the path of a request, in the scope or the environ: text, or False for no recording.
PATH_NOTE = "fdmetrics.path"

Excluded = Union[Collection[str], Callable[[str], bool]]
PathOf = Callable[..., Optional[str]]


class _Children(Dict[Tuple[str, str, object], Tuple[Counter, Histogram]]):
    """The series by method, path and status, right as long as the store's word of removals is `word`."""

    __slots__ = ("word",)

    def __init__(self, word: Optional[int]) -> None:
        super().__init__()
        self.word = word


class HTTPMetrics:
    """The two metrics of HTTP requests, and what is excluded from them.

    Any thread, and fork children, may call any method. None takes a lock, and none raises: what goes wrong in a
    function that the user gave is logged once through logging.getLogger("fdmetrics").
    """

    def __init__(self, registry: object, excluded: Excluded, path_of: PathOf) -> None:
        """Errors: TypeError where `excluded` is one text; ConflictError where a name is declared otherwise."""
        if isinstance(excluded, (str, bytes)):
            raise TypeError(f"excluded must be several paths or a function of a path, not {excluded!r}: write a list")
        self._excludes: Callable[[str], bool] = excluded if callable(excluded) else frozenset(excluded).__contains__
        self._path_of = path_of
        self._registry: Registry = registry_of(registry)
        self._requests = Counter(
            "http_requests_total",
            "HTTP requests answered, by method, route and status code.",
            ("method", "path", "status_code"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Seconds from an HTTP request to the end of its response.",
            ("method", "path"),
            registry=self._registry,
            buckets=DURATION_BUCKETS,
        )
        self._children = _Children(None)
        self._logged: Set[str] = set()

    def excludes(self, path: str) -> bool:
        """Whether requests for a path are not recorded."""
        try:
            return self._excludes(path)
        except Exception:
            self._log("the function given as `excluded`")
            return False

    def path_of(self, notes: Mapping[str, Any], *request: Any) -> Optional[str]:
        """The label `path` of a request: what was noted, else what the function of a path gives for it.

        None where the request must not be recorded.
        """
        try:
            label = notes.get(PATH_NOTE)
            if label is False:
                return None
            if label is None:
                label = self._path_of(*request)
            return UNMATCHED_PATH if label is None else str(label)
        except Exception:
            self._log("path_of")
            return UNMATCHED_PATH

    def record(self, method: str, path: Optional[str], status: object, seconds: float) -> None:
        """Counts a request and observes how long it took; nothing where path is None."""
        if path is None:
            return
        try:
            children = self._children
            store = self._registry._store
            if store is None or store.removals[0] != children.word:
                children = self._renewed()
            child = children.get((method, path, status))
            if child is None:
                child = self._child(children, method, path, status)
            child[0].inc()
            child[1].observe(seconds)
        except Exception:
            self._log("the recording")

    def _renewed(self) -> _Children:
        # The word is read before any series is looked up: one that is removed meanwhile is in a dictionary that the
        # next request sees to be old.
        store = self._registry._attach_quietly()
        if store is not None:
            store.look_again()
        children = self._children = _Children(None if store is None else store.removals[0])
        return children

    def _child(self, children: _Children, method: str, path: str, status: object) -> Tuple[Counter, Histogram]:
        known = method if method in METHODS else UNKNOWN_METHOD
        code = str(status)
        if len(code) != 3 or not code.isdecimal():
            code = UNKNOWN_STATUS
        child = (self._requests.labels(known, path, code), self._seconds.labels(known, path))
        if known == method and code != UNKNOWN_STATUS:
            # Only what a label may be is a key, so that the dictionary has as many entries as the metric has series.
            children[(method, path, status)] = child
        return child

    def _log(self, what: str) -> None:
        if what not in self._logged:
            self._logged.add(what)
            logger.exception("fdmetrics: %s of an HTTP request failed, which is not told again", what)
