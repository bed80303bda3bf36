# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The answer of a /metrics endpoint, without the protocol that it is given through."""

from __future__ import annotations

import gzip
from hashlib import blake2b
from http import HTTPStatus
from typing import List, NamedTuple, Tuple
from urllib.parse import parse_qs

from ._asked import negotiate
from .registry import registry_of
from .store import ProcessMetrics, render_options

PLAIN_TEXT = "text/plain; charset=utf-8"
# Text of this kind shrinks to a tenth at the fastest level, and hardly further at the others.
_LEVEL = 1


class Request(NamedTuple):
    """What counts of a request: the method, and headers, each joined by commas where there are several, "" for none."""

    method: str
    accept: str = ""
    accept_encoding: str = ""
    if_none_match: str = ""
    #: Behind the question mark, as it was sent.
    query: str = ""


class Answer(NamedTuple):
    """A response. A HEAD request gets its headers alone."""

    status: int
    reason: str
    headers: List[Tuple[str, str]]
    body: bytes


class Scrape:
    """What a /metrics endpoint renders: a registry and the options of fdmetrics.generate_latest."""

    def __init__(
        self,
        registry: object = None,
        pid_label: bool = False,
        process_metrics: ProcessMetrics = False,
        self_metrics: bool = False,
    ) -> None:
        """Errors: InvalidArgumentError."""
        render_options(pid_label, process_metrics, self_metrics)
        self._registry = registry_of(registry)
        self._pid_label = pid_label
        self._process_metrics = process_metrics
        self._self_metrics = self_metrics

    def answer(self, request: Request) -> Answer:
        """Renders for GET and HEAD; 405 for other methods, 500 with the error's text where it cannot be rendered.

        In the format that the headers ask for, in the text format 0.0.4 where they ask for none that there is; 304
        where the client has the same already. Takes a few milliseconds for thousands of series, without the
        interpreter lock. Raises nothing.
        """
        if request.method not in ("GET", "HEAD"):
            return plain_answer(HTTPStatus.METHOD_NOT_ALLOWED, "GET and HEAD are expected.\n", ("Allow", "GET, HEAD"))
        try:
            asked = negotiate(request.accept, request.accept_encoding)
            body = self._registry.render(
                pid_label=self._pid_label,
                process_metrics=self._process_metrics,
                self_metrics=self._self_metrics,
                format=asked.format,
                escaping=asked.escaping,
                names=_names(request.query),
            )
        except Exception as error:
            return plain_answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}\n")
        tag = _tag(body, asked.content_type, asked.is_gzipped)
        headers = [("ETag", tag), ("Vary", "Accept, Accept-Encoding")]
        if _has(request.if_none_match, tag):
            return Answer(HTTPStatus.NOT_MODIFIED.value, HTTPStatus.NOT_MODIFIED.phrase, headers, b"")
        if asked.is_gzipped:
            body = gzip.compress(body, _LEVEL, mtime=0)
            headers.append(("Content-Encoding", "gzip"))
        return _answer(HTTPStatus.OK, asked.content_type, body, *headers)


def plain_answer(status: HTTPStatus, text: str, *headers: Tuple[str, str]) -> Answer:
    """An answer for a person to read."""
    return _answer(status, PLAIN_TEXT, text.encode("utf-8", "replace"), *headers)


def _answer(status: HTTPStatus, content_type: str, body: bytes, *headers: Tuple[str, str]) -> Answer:
    length = ("Content-Length", str(len(body)))
    return Answer(status.value, status.phrase, [("Content-Type", content_type), length, *headers], body)


def _names(query: str) -> List[str]:
    """The values of name[] in a query; what cannot be one is left out."""
    try:
        return parse_qs(query, errors="replace").get("name[]", [])
    except ValueError:
        return []


def _tag(body: bytes, content_type: str, is_gzipped: bool) -> str:
    """An entity tag, which is another one for each way of sending a text (RFC 9110, 8.8.3)."""
    digest = blake2b(body, digest_size=12, person=b"gzip" if is_gzipped else b"plain")
    digest.update(content_type.encode())
    return f'"{digest.hexdigest()}"'


def _has(if_none_match: str, tag: str) -> bool:
    tags = [one.strip() for one in if_none_match.split(",")]
    return any(one in ("*", tag, f"W/{tag}") for one in tags)
