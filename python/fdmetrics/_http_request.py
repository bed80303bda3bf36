# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The head of an HTTP/1.x request, read strictly by RFC 9112.

What two programs could understand differently (where a request ends, which host it is for) is refused: 400, and the
connection ends. http.server's own parser, which is the one of e-mail, takes most of that.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Dict, List, NamedTuple, Optional

#: How long a request line may be, and all header lines together, in bytes.
REQUEST_LINE_LIMIT = 8 * 1024
HEADERS_LIMIT = 16 * 1024

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%s) ([!-~]+) HTTP/([0-9])\.([0-9])" % _TOKEN)
_NAME = re.compile(_TOKEN)
# Visible characters, those of Latin-1 and UTF-8, spaces and tabs: no carriage return, no zero.
_VALUE = re.compile(rb"[\t -~\x80-\xff]*")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")
# A chunk's size, and extensions that mean nothing here.
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[\t ]*;[\t -~\x80-\xff]*)?")


class RequestError(Exception):
    """A request that is answered by an error, after which the connection ends."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Head(NamedTuple):
    """A request without its body."""

    method: str
    #: As it was sent, without the query.
    path: str
    query: str
    #: The host that the request is for, in lower case and without the port; None where an HTTP/1.0 client says none.
    host: Optional[str]
    #: The values of each header, by its name in lower case.
    headers: Dict[str, List[str]]
    #: How many bytes of a body follow; None where it comes in chunks.
    body_length: Optional[int]
    is_http_1_0: bool
    #: Whether the client would send another request over this connection.
    keeps_alive: bool

    def joined(self, name: str) -> str:
        """All values of a header, as one (RFC 9110, 5.3)."""
        return ",".join(self.headers.get(name, ()))

    def elements(self, name: str) -> List[str]:
        """The elements of a header that is a list, in lower case."""
        return [element.strip(" \t").lower() for element in self.joined(name).split(",") if element.strip(" \t")]


def parse_head(lines: List[bytes]) -> Head:
    """The head that these lines are, each without its CR LF and the empty one left out. Errors: RequestError."""
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise _bad("the request line is not METHOD SP TARGET SP HTTP/1.1")
    if match[3] != b"1":
        raise RequestError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 and HTTP/1.0 are expected.\n")
    is_http_1_0 = match[4] == b"0"
    headers = _headers(lines[1:])
    target = match[2].decode("ascii")
    absolute = _ABSOLUTE.fullmatch(target)
    path, _, query = (absolute[2] if absolute else target).partition("?")
    head = Head(
        match[1].decode("ascii"),
        # An absolute target may have no path.
        path or "/",
        query,
        _host(headers.get("host", []), absolute[1] if absolute else None, is_http_1_0),
        headers,
        _body_length(headers, is_http_1_0),
        is_http_1_0,
        False,
    )
    connection = head.elements("connection")
    keeps = "close" not in connection and (not is_http_1_0 or "keep-alive" in connection)
    # A client that waits for a 100 may send the body or not: what follows would not be known to be a request.
    return head._replace(keeps_alive=keeps and head.body_length is not None and "expect" not in headers)


def chunk_size(line: bytes) -> int:
    """How many bytes the chunk has that this line, without its CR LF, begins; 0: the last one. Errors: RequestError."""
    match = _CHUNK.fullmatch(line)
    if match is None:
        raise _bad("a chunk's size is not one hexadecimal number")
    return int(match[1], 16)


def check_trailer(line: bytes) -> None:
    """Takes a header line that follows the last chunk, and forgets it. Errors: RequestError."""
    _headers([line])


def _headers(lines: List[bytes]) -> Dict[str, List[str]]:
    headers: Dict[str, List[str]] = {}
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            raise _bad("a header line begins with white space (obs-fold)")
        name, colon, value = line.partition(b":")
        if not colon or _NAME.fullmatch(name) is None:
            raise _bad("a header line is not NAME: VALUE")
        if _VALUE.fullmatch(value) is None:
            raise _bad("a header has a control character in its value")
        headers.setdefault(name.decode("ascii").lower(), []).append(value.strip(b" \t").decode("latin-1"))
    return headers


def _host(values: List[str], authority: Optional[str], is_http_1_0: bool) -> Optional[str]:
    if len(values) > 1 or (not values and not is_http_1_0):
        raise _bad("one Host header is expected")
    hosts = [_HOST.fullmatch(value) for value in values]
    # A target with a host of its own has precedence over the header, which must be right all the same.
    if authority is not None:
        hosts.append(_HOST.fullmatch(authority))
    if not hosts:
        return None
    if None in hosts:
        raise _bad("Host is not NAME or NAME:PORT")
    last = hosts[-1]
    return None if last is None else last[1].lower()


def _body_length(headers: Dict[str, List[str]], is_http_1_0: bool) -> Optional[int]:
    lengths, codings = headers.get("content-length", []), headers.get("transfer-encoding")
    if codings is not None:
        if lengths or is_http_1_0:
            raise _bad("Transfer-Encoding does not go with Content-Length, nor with HTTP/1.0")
        elements = [element.strip(" \t").lower() for element in ",".join(codings).split(",")]
        if elements[-1] != "chunked" or elements.count("chunked") > 1:
            raise _bad("Transfer-Encoding does not end in one chunked")
        if len(elements) > 1:
            raise RequestError(HTTPStatus.NOT_IMPLEMENTED, "Transfer-Encoding: chunked alone is expected.\n")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
        raise _bad("Content-Length is not one decimal number")
    return int(lengths[0])


def _bad(text: str) -> RequestError:
    return RequestError(HTTPStatus.BAD_REQUEST, f"Bad request: {text}.\n")
