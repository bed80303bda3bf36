# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A WSGI or ASGI service with a witness around it; WITNESSED_SERVICE names it, as "module:attribute".

The service itself knows nothing of it, and fdmetrics is imported by the service alone.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from witness import NUMBER_HEADER, ROWS_FILE, WORKER_HEADER, Rows

ROWS = Rows(os.environ[ROWS_FILE])


class Body:
    """The body of a WSGI answer; its end is the end of the request."""

    def __init__(self, body: Iterable[bytes], number: int) -> None:
        self._body = body
        self._number = number

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Called by the server after the last byte."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            ROWS.done(self._number)


def witnessed_wsgi(service: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The WSGI service with a witness."""
    key = "HTTP_" + NUMBER_HEADER.upper().replace("-", "_")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, (WORKER_HEADER, str(os.getpid()))], exc_info)

        if key not in environ:
            return service(environ, start)
        number = int(environ[key])
        ROWS.begin(number)
        return Body(service(environ, start), number)

    return application


def witnessed_asgi(service: Callable[..., Any]) -> Callable[..., Any]:
    """The ASGI service with a witness."""

    async def application(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        async def reply(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                mine = (WORKER_HEADER.lower().encode(), str(os.getpid()).encode())
                message = {**message, "headers": [*message.get("headers", ()), mine]}
            await send(message)

        number = dict(scope.get("headers", ())).get(NUMBER_HEADER.lower().encode())
        if number is None:
            await service(scope, receive, reply)
            return
        ROWS.begin(int(number))
        try:
            await service(scope, receive, reply)
        finally:
            ROWS.done(int(number))

    return application


def _load() -> Callable[..., Any]:
    module, _, attribute = os.environ["WITNESSED_SERVICE"].partition(":")
    service = getattr(importlib.import_module(module), attribute)
    is_asgi = inspect.iscoroutinefunction(getattr(service, "__call__", None))  # noqa: B004
    return witnessed_asgi(service) if is_asgi else witnessed_wsgi(service)


app = _load()
