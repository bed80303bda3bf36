# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The answer of a /metrics endpoint, without the protocol that it is given through."""

from __future__ import annotations

import gzip
from http import HTTPStatus
from typing import Dict, List, NamedTuple, Tuple

from .registry import registry_of
from .store import TEXT_CONTENT_TYPE, ProcessMetrics

PLAIN_TEXT = "text/plain; charset=utf-8"
# Text of this kind shrinks to a tenth at the fastest level, and hardly further at the others.
_LEVEL = 1


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
        self._registry = registry_of(registry)
        self._pid_label = pid_label
        self._process_metrics = process_metrics
        self._self_metrics = self_metrics

    def answer(self, method: str, accept_encoding: str) -> Answer:
        """Renders for GET and HEAD; 405 for other methods, 500 with the error's text where it cannot be rendered.

        Takes a few milliseconds for thousands of series, without the interpreter lock. Raises nothing.
        """
        if method not in ("GET", "HEAD"):
            return plain_answer(HTTPStatus.METHOD_NOT_ALLOWED, "GET and HEAD are expected.\n", ("Allow", "GET, HEAD"))
        try:
            body = self._registry.render(
                pid_label=self._pid_label, process_metrics=self._process_metrics, self_metrics=self._self_metrics
            )
        except Exception as error:
            return plain_answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}\n")
        vary = ("Vary", "Accept-Encoding")
        if not accepts_gzip(accept_encoding):
            return _answer(HTTPStatus.OK, TEXT_CONTENT_TYPE, body, vary)
        body = gzip.compress(body, _LEVEL, mtime=0)
        return _answer(HTTPStatus.OK, TEXT_CONTENT_TYPE, body, vary, ("Content-Encoding", "gzip"))


def plain_answer(status: HTTPStatus, text: str, *headers: Tuple[str, str]) -> Answer:
    """An answer for a person to read."""
    return _answer(status, PLAIN_TEXT, text.encode("utf-8", "replace"), *headers)


def _answer(status: HTTPStatus, content_type: str, body: bytes, *headers: Tuple[str, str]) -> Answer:
    length = ("Content-Length", str(len(body)))
    return Answer(status.value, status.phrase, [("Content-Type", content_type), length, *headers], body)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is wanted, by an Accept-Encoding header (RFC 9110, 12.5.3): accepted, and not less than identity."""
    weights: Dict[str, float] = {}
    for item in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weights[coding] = _weight(parameters)
    wanted = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return wanted > 0 and wanted >= weights.get("identity", 0.0)


def _weight(parameters: List[str]) -> float:
    """The q-value among the parameters of an item: 1 where there is none, 0 where it is no number."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
