# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""One request of a WSGI application and its response, whose body says when it has ended."""

from __future__ import annotations

from time import perf_counter
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Type, Union

from ._http_metrics import UNKNOWN_STATUS, About, HTTPMetrics, content_length, length_of, size_of

Environ = Dict[str, Any]
Headers = List[Tuple[str, str]]
ErrorInfo = Union[Tuple[Type[BaseException], BaseException, TracebackType], Tuple[None, None, None]]
# start_response and an application, as loose as what Flask's and other frameworks' hints say of them.
StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]


class Exchange:
    """One request and its response. Belongs to one thread at a time."""

    __slots__ = (
        *("_about", "_ended", "_environ", "_length", "_metrics", "_progress", "_start", "_start_response", "_started"),
        *("_status", "left", "sent"),
    )

    def __init__(self, metrics: HTTPMetrics, environ: Environ, start_response: StartResponse) -> None:
        self._metrics = metrics
        self._environ = environ
        self._start_response = start_response
        self._started = self._ended = False
        self._about: Optional[About] = None
        self._status = "500"
        #: How many bytes of the body are still to come, and how many there are; None where the headers do not say it.
        self.left: Optional[int] = None
        self._length: Optional[int] = None
        #: How many bytes have come; None where they are not counted, or do not pass here.
        self.sent: Optional[int] = 0 if metrics.wants_response_size else None
        self._start = perf_counter()
        self._progress = metrics.begin(environ.get("REQUEST_METHOD", ""), environ)

    def start_response(
        self, status: str, headers: Headers, exc_info: Optional[ErrorInfo] = None
    ) -> Callable[[bytes], object]:
        """The start_response of the application."""
        # What a framework knows of the request may be gone as soon as it has answered.
        self._about = self._metrics.about(self._environ, self._environ)
        self._started = True
        try:
            self._status = status[:3]
        except Exception:
            self._status = UNKNOWN_STATUS  # The server says what is wrong with it.
        self.left = self._length = content_length(headers, "content-length")
        if exc_info is None:
            write = self._start_response(status, headers)
        else:
            write = self._start_response(status, headers, exc_info)
        return write if self.sent is None else self._watched_write(write)

    def _watched_write(self, write: Callable[[bytes], object]) -> Callable[[bytes], object]:
        def watched(data: bytes) -> object:
            result = write(data)
            if self.sent is not None:
                self.sent += size_of(data)
            return result

        return watched

    def end(self, failed: bool = False) -> None:
        """Records the request, the first time that it is called."""
        if self._ended:
            return
        self._ended = True
        seconds = perf_counter() - self._start
        if self._progress is not None:
            self._progress.leave()
        metrics, environ = self._metrics, self._environ
        if not self._started:
            self._about = metrics.about(environ, environ)
        method = environ.get("REQUEST_METHOD", "")
        status = "500" if failed else self._status
        request_size = request_size_of(environ) if metrics.wants_request_size else None
        response_size = None
        if metrics.wants_response_size and self._started:
            response_size = 0 if method == "HEAD" else self._length if self.sent is None else self.sent
        metrics.record(method, self._about, status, seconds, request_size, response_size)

    def watched(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """The body that is given to the server in place of the application's."""
        if isinstance(body, (list, tuple)) and type(body) in (list, tuple):
            if self.sent is not None:
                try:
                    self.sent += sum(map(len, body))
                except Exception:
                    self.sent += sum(map(size_of, body))
            self.end()
            return body
        wrapper = self._environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper):
            self.sent = None
            self._watch_close(body)
            return body
        return _SizedBody(self, body) if hasattr(body, "__len__") else _Body(self, body)

    def _watch_close(self, body: Any) -> None:
        close = getattr(body, "close", None)

        def watched_close() -> None:
            try:
                if close is not None:
                    close()
            finally:
                self.end()

        try:
            body.close = watched_close
        except (AttributeError, TypeError):
            self.end()


def request_size_of(environ: Mapping[str, Any]) -> Optional[int]:
    """The bytes of a request's body; None for one in chunks, of which nobody says how long it is."""
    length = length_of(environ.get("CONTENT_LENGTH"))
    return length if length is not None else None if environ.get("HTTP_TRANSFER_ENCODING") else 0


class _Body:
    """The chunks of a body, which says when it has ended."""

    __slots__ = ("_chunks", "_exchange", "_has_sent", "_iterator")

    def __init__(self, exchange: Exchange, chunks: Iterable[bytes]) -> None:
        self._exchange = exchange
        self._chunks = chunks
        self._iterator: Optional[Iterator[bytes]] = None
        self._has_sent = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        exchange = self._exchange
        try:
            if self._iterator is None:
                self._iterator = iter(self._chunks)
            chunk = next(self._iterator)
        except StopIteration:
            exchange.end()
            raise
        except BaseException:
            # A server that has sent nothing yet answers with 500 itself.
            exchange.end(failed=not self._has_sent)
            raise
        try:
            size = len(chunk)
        except Exception:
            # No server can send it: that is as if it had been raised.
            exchange.end(failed=not self._has_sent)
            return chunk
        if size:
            self._has_sent = True
        if exchange.sent is not None:
            exchange.sent += size
        left = exchange.left
        if left is not None:
            exchange.left = left = left - size
            if left <= 0:
                # The client has the whole response before the server comes back for more.
                exchange.end()
        return chunk

    def close(self) -> None:
        """Closes the application's body."""
        try:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()
        finally:
            self._exchange.end()


class _SizedBody(_Body):
    """A body of a known number of chunks, from which a server concludes the length of one chunk."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._chunks)  # type: ignore[arg-type]
