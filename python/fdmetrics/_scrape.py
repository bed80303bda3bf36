# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The answer of a /metrics endpoint, without the protocol that it is given through."""

from __future__ import annotations

import gzip
from typing import Any, Dict, List, NamedTuple, Tuple

from .exposition import CONTENT_TYPE_LATEST
from .registry import registry_of

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

    def __init__(self, registry: object, pid_label: bool, process_metrics: object) -> None:
        self._registry = registry_of(registry)
        self._options: Dict[str, Any] = {"pid_label": pid_label}
        if process_metrics:
            self._options["process_metrics"] = process_metrics

    def answer(self, method: str, accept_encoding: str) -> Answer:
        """Renders for GET and HEAD; 405 for other methods, 500 with the error's text where it cannot be rendered.

        Takes a few milliseconds for thousands of series, without the interpreter lock. Raises nothing.
        """
        if method not in ("GET", "HEAD"):
            return _answer(
                405, "Method Not Allowed", PLAIN_TEXT, b"GET and HEAD are expected.\n", ("Allow", "GET, HEAD")
            )
        try:
            body = self._registry.render(**self._options)
        except Exception as error:
            text = f"{type(error).__name__}: {error}\n"
            return _answer(500, "Internal Server Error", PLAIN_TEXT, text.encode("utf-8", "replace"))
        vary = ("Vary", "Accept-Encoding")
        if not accepts_gzip(accept_encoding):
            return _answer(200, "OK", CONTENT_TYPE_LATEST, body, vary)
        body = gzip.compress(body, _LEVEL, mtime=0)
        return _answer(200, "OK", CONTENT_TYPE_LATEST, body, vary, ("Content-Encoding", "gzip"))


def _answer(status: int, reason: str, content_type: str, body: bytes, *headers: Tuple[str, str]) -> Answer:
    length = ("Content-Length", str(len(body)))
    return Answer(status, reason, [("Content-Type", content_type), length, *headers], body)


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
