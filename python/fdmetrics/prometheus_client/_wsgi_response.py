# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What prometheus_client's WSGI application answers, for this package's HTTP server."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Callable, List, Tuple

from .._http_request import Head
from .._scrape import Answer, plain_answer


def responder(application: Callable[..., Any]) -> Callable[[Head], Answer]:
    """A function that has a WSGI application answer a request without a body. It raises nothing."""

    def respond(head: Head) -> Answer:
        started: List[Tuple[str, List[Tuple[str, str]]]] = []

        def start_response(status: str, headers: List[Tuple[str, str]], _error: Any = None) -> None:
            started.append((status, headers))

        environment = {
            "REQUEST_METHOD": head.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": head.path,
            "QUERY_STRING": head.query,
            **{"HTTP_" + name.upper().replace("-", "_"): head.joined(name) for name in head.headers if "_" not in name},
        }
        try:
            body = b"".join(application(environment, start_response))
        except Exception as error:
            # A collector of the program's own, or the store, cannot be read.
            return plain_answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}\n")
        status, headers = started[-1]
        code, _, reason = status.partition(" ")
        return Answer(int(code), reason, [*headers, ("Content-Length", str(len(body)))], body)

    return respond
