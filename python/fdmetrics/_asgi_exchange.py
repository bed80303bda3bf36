# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""One HTTP request of an ASGI application and its response, as its messages pass."""

from __future__ import annotations

from time import perf_counter
from typing import Any, Awaitable, Callable, MutableMapping, Optional

from ._http_metrics import CLIENT_GONE, HTTPMetrics, content_length, size_of

# The types of the ASGI specification, alike to those of asgiref and Starlette.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# The messages of extensions by which a server sends a file, whose bytes no message has.
_FILES = ("http.response.pathsend", "http.response.zerocopysend")


class Exchange:
    """One request and its response. Belongs to one task."""

    __slots__ = (
        *("_announced", "_ended", "_gone", "_metrics", "_path", "_progress", "_receive", "_received", "_scope"),
        *("_send", "_sends_file", "_sent", "_start", "_status"),
    )

    def __init__(self, metrics: HTTPMetrics, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        """path: below the application."""
        self._metrics = metrics
        self._scope = scope
        self._path = path
        self._receive = receive
        self._send = send
        #: The status that was sent, 0 before.
        self._status = 0
        self._gone = self._ended = False
        #: Bytes of the request's body that the application has taken, and of the response's that it has sent.
        self._received = self._sent = 0
        #: The response's Content-Length, and whether the server has been told to send a file by itself.
        self._announced: Optional[int] = None
        self._sends_file = False
        self._start = perf_counter()
        self._progress = metrics.begin(scope["method"], scope)

    async def run(self, app: ASGIApp) -> None:
        """Runs the application, and records the request. Errors: the application's."""
        try:
            await app(self._scope, self._watched_receive, self._watched_send)
        except BaseException as error:
            if not self._ended:
                # What is no Exception is a cancellation, or the end of the process.
                gone = self._gone or not isinstance(error, Exception)
                self._end(self._status or (CLIENT_GONE if gone else 500))
            raise
        if not self._ended:
            self._end(self._status or (CLIENT_GONE if self._gone else 500))

    async def _watched_receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone = True
        elif self._metrics.wants_request_size:
            body = message.get("body", b"")
            self._received += len(body) if type(body) is bytes else size_of(body)
        return message

    # Not a coroutine function, because that would cost one more coroutine a message.
    def _watched_send(self, message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
            if self._metrics.wants_response_size:
                self._announced = content_length(message.get("headers"), b"content-length")
        elif kind == "http.response.body" and not self._ended:
            if self._metrics.wants_response_size:
                body = message.get("body", b"")
                self._sent += len(body) if type(body) is bytes else size_of(body)
            if not message.get("more_body", False):
                self._end(self._status)
        elif kind in _FILES:
            self._sends_file = True
        return self._send(message)

    def _end(self, status: int) -> None:
        self._ended = True
        seconds = perf_counter() - self._start
        if self._progress is not None:
            self._progress.leave()
        metrics, scope = self._metrics, self._scope
        about = metrics.about(scope, scope, self._path)
        request_size = self._request_size() if metrics.wants_request_size else None
        response_size = self._response_size() if metrics.wants_response_size else None
        metrics.record(scope["method"], about, status, seconds, request_size, response_size)

    def _request_size(self) -> int:
        declared = content_length(self._scope.get("headers"), b"content-length")
        return self._received if declared is None else declared

    def _response_size(self) -> Optional[int]:
        if not self._status:
            return None  # Somebody else answers.
        if self._scope["method"] == "HEAD":
            return 0
        return self._announced if self._sends_file else self._sent
