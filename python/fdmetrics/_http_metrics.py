# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the middlewares of fdmetrics.asgi, fdmetrics.wsgi and fdmetrics.django record, and the rules for its labels.

Knows nothing of any protocol. The values of the labels come from small sets, whatever clients send: methods and status
codes that are none are one value each, and paths are templates, of which a program has so many as it has routes.
"""

from __future__ import annotations

from typing import (
    Any,
    Callable,
    Dict,
    Generic,
    Iterator,
    List,
    Mapping,
    MutableMapping,
    NamedTuple,
    Optional,
    Set,
    Tuple,
    TypeVar,
    Union,
)

from . import _log
from ._http_options import (
    DURATION,
    DURATION_BUCKETS,
    IN_PROGRESS,
    LABELS,
    REQUEST_SIZE,
    REQUESTS,
    RESPONSE_SIZE,
    SIZE_BUCKETS,
    Options,
    checked_value,
    excludes,
)
from ._http_options import Excluded as Excluded
from .errors import ConflictError
from .instruments import Counter, Gauge, Histogram
from .metric import Metric
from .registry import Registry, registry_of

#: The label `path` of requests that no route matched.
UNMATCHED_PATH = "<unmatched>"
#: The label `method` of requests with a method that is none of METHODS.
UNKNOWN_METHOD = "<unknown>"
#: The label `status_code` of responses whose status is no number of three digits.
UNKNOWN_STATUS = "<unknown>"
#: A label whose function has raised.
UNKNOWN_VALUE = "<unknown>"
#: The methods of RFC 9110 and RFC 5789.
METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"))
#: The status of a request whose client went away, or whose task was cancelled, before the response started.
CLIENT_GONE = 499
#: So many digits has a length, of which int() takes no end without complaint.
MOST_DIGITS = 18
#: Where an application notes the path of a request, in the scope or the environ: text, or False for no recording.
PATH_NOTE = "fdmetrics.path"
_NOT_RECORDED = "fdmetrics: no HTTP request is recorded into %s: %s"
# What a function of the user's may raise to end more than itself. A cancellation that it raises ends no request.
_ENDS = (GeneratorExit, KeyboardInterrupt, SystemExit)
# Where the request's InProgress is, of each middleware around the application: a list.
_PROGRESS_NOTE = "fdmetrics.in_progress"

#: The label `path` of a request, and the values of the labels that were added.
About = Tuple[str, ...]
Instrument = TypeVar("Instrument", bound=Metric)


class _Family(Generic[Instrument]):
    """One of the metrics, and which of a request's values are its labels."""

    __slots__ = ("_columns", "metric", "name")

    def __init__(self, name: str, metric: Instrument, columns: Tuple[int, ...]) -> None:
        self.name = name
        self.metric = metric
        self._columns = columns

    def series(self, *values: str) -> Instrument:
        return self.metric.labels(*[values[at] for at in self._columns]) if self._columns else self.metric


class _Series(NamedTuple):
    """The series of a method, a status and what a request is about; None where there is no such metric."""

    requests: Optional[Counter]
    seconds: Optional[Histogram]
    request_size: Optional[Histogram]
    response_size: Optional[Histogram]

    def are_bound(self) -> bool:
        return all(series is None or series._calls is not None for series in self)


class _Children(Dict[Tuple[str, About, object], _Series]):
    """The series of requests, right as long as the store's word of removals is `word`."""

    __slots__ = ("word",)

    def __init__(self, word: Optional[int]) -> None:
        super().__init__()
        self.word = word


class InProgress:
    """A request that the gauge of requests in progress has in it."""

    __slots__ = ("_gauge",)

    def __init__(self, gauge: Gauge) -> None:
        self._gauge: Optional[Gauge] = gauge

    def leave(self) -> None:
        """Takes it out, the first time that it is called."""
        gauge, self._gauge = self._gauge, None
        if gauge is not None:
            gauge.dec()


def leave_unrecorded(notes: MutableMapping[str, Any]) -> None:
    """Notes that a request is not recorded: those for the metrics themselves, which so do not count each other."""
    notes[PATH_NOTE] = False
    for progress in notes.pop(_PROGRESS_NOTE, ()):
        progress.leave()


def length_of(value: object) -> Optional[int]:
    """The number that a Content-Length says; None for what is none, or in a form that is neither text nor bytes."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if isinstance(text, str) and len(text) <= MOST_DIGITS and text.isascii() and text.isdigit():
        return int(text)
    return None


def size_of(data: object) -> int:
    """The bytes of a part of a body; 0 for what is none, of which its receiver has to say so."""
    try:
        return len(data)  # type: ignore[arg-type]
    except Exception:
        return 0


def _plain_status(status: Any) -> object:
    """A status of any kind of enum, or of another library's numbers, as the number or the text that it stands for."""
    if isinstance(status, str):
        return str.__str__(status)
    try:
        number = int.__int__(status) if isinstance(status, int) else int(status)
        # What is equal is the same key.
        return number if number == status else UNKNOWN_STATUS
    except Exception:
        return UNKNOWN_STATUS


def content_length(headers: object, name: Union[str, bytes]) -> Optional[int]:
    """That of a response or a request; None without one. name: "content-length", as what the headers' names are."""
    # Any iterable is allowed, but one that can be read only once is for the server.
    for header in headers if isinstance(headers, (list, tuple)) else ():
        if isinstance(header, (list, tuple)) and len(header) == 2 and isinstance(header[0], type(name)):
            length = length_of(header[1]) if len(header[0]) == 14 and header[0].lower() == name else None
            if length is not None:
                return length
    return None


class HTTPMetrics:
    """The metrics of HTTP requests, and what is excluded from them.

    Any thread, and fork children, may call any method. None takes a lock, and none raises: what goes wrong in a
    function that the user gave is logged once through logging.getLogger("fdmetrics"). What ends a process passes.
    """

    def __init__(self, options: Options, path_of: Callable[..., object]) -> None:
        """A metric that this process has declared otherwise is left out, and logged.

        path_of: what gives the label `path` where no option does; it takes all that about() is given of a request.
        Errors: TypeError, InvalidArgumentError and InvalidNameError, for an option that can never be right.
        """
        options.check()
        self._logged: Set[str] = set()
        self._excludes = excludes(options.excluded)
        self._chosen_path_of = options.path_of
        self._path_of = path_of
        self._registry: Registry = registry_of(options.registry)
        self._options = options
        self._values_of: Tuple[Tuple[str, object], ...] = options.label_values()
        self._groups_status = options.group_status
        self._requests = self._declared(
            Counter, REQUESTS, "HTTP requests answered, by method, route and status code.", LABELS
        )
        self._seconds = self._histogram(
            DURATION, "Seconds from an HTTP request to the end of its response.", options.buckets, DURATION_BUCKETS
        )
        self._in_progress = self._request_size = self._response_size = None
        if options.in_progress:
            self._in_progress = self._declared(
                Gauge, IN_PROGRESS, "HTTP requests being answered.", ("method",), multiprocess_mode="livesum"
            )
        size_buckets = options.size_buckets
        if isinstance(size_buckets, Iterator):
            size_buckets = tuple(size_buckets)  # There are two histograms to read it.
        sizes = (size_buckets, SIZE_BUCKETS)
        if options.request_size:
            self._request_size = self._histogram(REQUEST_SIZE, "Bytes of the bodies of HTTP requests.", *sizes)
        if options.response_size:
            self._response_size = self._histogram(RESPONSE_SIZE, "Bytes of the bodies of HTTP responses.", *sizes)
        #: Whether record() has a use for the size of a request, and of a response.
        self.wants_request_size = self._request_size is not None
        self.wants_response_size = self._response_size is not None
        self._children = _Children(None)

    def _histogram(self, name: str, text: str, buckets: Any, default: Any) -> Optional[_Family[Histogram]]:
        return self._declared(
            Histogram, name, text, ("method", "path"), buckets=default if buckets is None else buckets
        )

    def _declared(
        self, kind: Callable[..., Instrument], name: str, text: str, labels: Tuple[str, ...], **more: Any
    ) -> Optional[_Family[Instrument]]:
        options = self._options
        chosen = options.name(name)
        if chosen is None:
            return None
        columns = [at for at, label in enumerate(LABELS) if label in labels and options.name(label) is not None]
        label_names = [options.name(LABELS[at]) for at in columns]
        if "path" in labels:
            # What is added is known when the path is: at the end.
            columns += range(len(LABELS), len(LABELS) + len(self._values_of))
            label_names += [added for added, _ in self._values_of]
        whole_name = f"{options.prefix}_{chosen}" if options.prefix else chosen
        try:
            metric = kind(chosen, text, label_names, namespace=options.prefix, registry=self._registry, **more)
        except ConflictError as error:
            _log.error(_NOT_RECORDED, whole_name, error)
            return None
        return _Family(whole_name, metric, tuple(columns))

    def excludes(self, path: str) -> bool:
        """Whether requests for a path are not recorded."""
        try:
            found = self._excludes(path)
            return found if found is True or found is False else bool(checked_value(found))
        except _ENDS:
            raise
        except BaseException:
            self._tell_failed("the function given as `excluded`")
            return False

    def begin(self, method: str, notes: MutableMapping[str, Any]) -> Optional[InProgress]:
        """Takes a request into the gauge of those in progress; None where there is none. Its leave() takes it out."""
        if self._in_progress is None:
            return None
        try:
            gauge = self._in_progress.series(method if method in METHODS else UNKNOWN_METHOD)
            gauge.inc()
            if gauge._calls is None:
                self._tell_refused(self._in_progress)
                return None  # It has not counted, so it must not be taken out when the store is there again.
            progress = InProgress(gauge)
            notes.setdefault(_PROGRESS_NOTE, []).append(progress)
            return progress
        except Exception:
            self._tell_failed("the recording")
            return None

    def about(self, notes: Mapping[str, Any], *request: Any) -> Optional[About]:
        """The label `path` of a request, what was noted, else what the function of a path gives for it; and the values
        of the labels that were added, which are functions of the first argument.

        None where the request must not be recorded.
        """
        path = UNMATCHED_PATH
        try:
            found = notes.get(PATH_NOTE)
            if found is None:
                found = self._path_of(*request) if self._chosen_path_of is None else self._chosen_path_of(request[0])
            if found is False:
                return None
            path = UNMATCHED_PATH if found is None else found if type(found) is str else str(checked_value(found))
        except _ENDS:
            raise
        except BaseException:
            self._tell_failed("path_of")
        if not self._values_of:
            return (path,)
        return (path, *[self._value(name, value, request[0]) for name, value in self._values_of])

    def _value(self, name: str, value: object, request: object) -> str:
        if not callable(value):
            return str(value)  # It is a text.
        try:
            given = value(request)
            return "" if given is None else given if type(given) is str else str(checked_value(given))
        except _ENDS:
            raise
        except BaseException:
            self._tell_failed(f"the function of the label {name}")
            return UNKNOWN_VALUE

    def record(
        self,
        method: str,
        about: Optional[About],
        status: object,
        seconds: float,
        request_size: Optional[int] = None,
        response_size: Optional[int] = None,
    ) -> None:
        """Counts a request and observes how long it took, and its sizes where they are known; nothing where about is
        None."""
        try:
            if about is None:
                return
            children = self._children
            store = self._registry._store
            if store is None or store.removals[0] != children.word:
                children = self._renewed()
            try:
                series = children.get((method, about, status))
            except TypeError:
                series = None  # What cannot be a key is no status either.
            if series is None:
                series = self._series(children, method, about, _plain_status(status))
            if series.requests is not None:
                series.requests.inc()
            if series.seconds is not None:
                series.seconds.observe(seconds)
            if request_size is not None and series.request_size is not None:
                series.request_size.observe(request_size)
            if response_size is not None and series.response_size is not None:
                series.response_size.observe(response_size)
        except Exception:
            self._tell_failed("the recording")

    def _renewed(self) -> _Children:
        # The word is read before any series is looked up: one that is removed meanwhile is in a dictionary that the
        # next request sees to be old.
        store = self._registry._attach_quietly()
        if store is not None:
            store.look_again()
        children = self._children = _Children(None if store is None else store.removals[0])
        return children

    def _series(self, children: _Children, method: str, about: About, status: object) -> _Series:
        known = method if method in METHODS else UNKNOWN_METHOD
        code = str(status)
        is_code = len(code) == 3 and code.isdecimal()
        if not is_code:
            code = UNKNOWN_STATUS
        elif self._groups_status:
            code = code[0] + "xx"
        path, *added = about
        values = (known, path, code, *added)
        families: List[Any] = [self._requests, self._seconds, self._request_size, self._response_size]
        series = _Series(*[family and family.series(*values) for family in families])
        if known == method and is_code and series.are_bound():
            # Only what a label may be, and what the store has room for, is a key: so the dictionary has not many more
            # entries than the metrics have series.
            children[method, about, status] = series
        for family in families:
            if family is not None:
                self._tell_refused(family)
        return series

    def _tell_refused(self, family: _Family[Any]) -> None:
        # The registry has a line for the first of several alone, because it has one a cause and minute.
        refused = family.metric._family
        if refused.refusal is not None and family.name not in self._logged:
            self._logged.add(family.name)
            if not refused.was_named:
                _log.error(_NOT_RECORDED, family.name, refused.refusal)

    def _tell_failed(self, what: str) -> None:
        if what not in self._logged:
            self._logged.add(what)
            _log.exception("fdmetrics: %s of an HTTP request failed, which is not told again", what)
