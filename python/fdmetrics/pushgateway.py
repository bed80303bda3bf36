# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Sends the metrics of a service to a Pushgateway, for jobs that end before anybody scrapes them.

    import fdmetrics

    fdmetrics.push_to_gateway("pushgateway:9091", job="nightly", grouping_key={"shop": "eu"})

The functions, their arguments and the handlers are prometheus_client's. What is sent are the totals of all processes of
the service, so one of them sends them, at the end. A service that lives on is better scraped, or sent by `fdmctl push`.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import importlib
import io
import socket
import ssl
import time
from http.client import HTTPException, InvalidURL
from typing import Any, Callable, Dict, List, Literal, Mapping, Optional, Tuple, Union
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import BaseHandler, HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from .errors import InvalidArgumentError
from .exposition import CONTENT_TYPE_LATEST, generate_latest

__all__ = [
    "basic_auth_handler",
    "default_handler",
    "delete_from_gateway",
    "instance_ip_grouping_key",
    "passthrough_redirect_handler",
    "push_to_gateway",
    "pushadd_to_gateway",
    "tls_auth_handler",
]

Headers = List[Tuple[str, str]]
#: Takes url, method, timeout, headers and data by these names, and returns a function that sends them.
Handler = Callable[..., Callable[[], None]]
# Of the text in which a gateway says why it refuses.
_MOST_OF_AN_ANSWER = 1000
Compression = Optional[Literal["gzip", "snappy"]]


def default_handler(
    url: str, method: str, timeout: Optional[float], headers: Headers, data: bytes
) -> Callable[[], None]:
    """Sends one request, by HTTP or HTTPS; follows no redirect of it. Other handlers may use it.

    Errors: OSError, urllib.error.HTTPError among them, where the gateway cannot be reached, answers no HTTP, or
    refuses; InvalidArgumentError for an address that is none.
    """
    return _sender(url, method, timeout, headers, data, HTTPHandler())


def passthrough_redirect_handler(
    url: str, method: str, timeout: Optional[float], headers: Headers, data: bytes
) -> Callable[[], None]:
    """As default_handler, but sends the same request, with its headers, to wherever an answer redirects to.

    For gateways that are trusted, and what they lead to too.
    """
    return _sender(url, method, timeout, headers, data, _SameRequest())


def basic_auth_handler(
    url: str,
    method: str,
    timeout: Optional[float],
    headers: Headers,
    data: bytes,
    username: Optional[str] = None,
    password: Optional[str] = None,
) -> Callable[[], None]:
    """As default_handler, with a name and a password where both are given. For a function that knows them:

    def handler(url, method, timeout, headers, data):
        return basic_auth_handler(url, method, timeout, headers, data, "name", "password")
    """
    if username is not None and password is not None:
        word = base64.b64encode(f"{username}:{password}".encode()).decode()
        headers = [*headers, ("Authorization", f"Basic {word}")]
    return default_handler(url, method, timeout, headers, data)


def tls_auth_handler(
    url: str,
    method: str,
    timeout: Optional[float],
    headers: Headers,
    data: bytes,
    certfile: str,
    keyfile: str,
    cafile: Optional[str] = None,
    protocol: int = ssl.PROTOCOL_TLS_CLIENT,
    insecure_skip_verify: bool = False,
) -> Callable[[], None]:
    """As default_handler, with a client's certificate. The files are PEM; cafile is the authority of the gateway's
    certificate, else the system's count. insecure_skip_verify: takes any certificate. Errors: OSError for a file that
    cannot be used."""
    context = ssl.SSLContext(protocol)
    if cafile is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile)
    if insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certfile, keyfile)
    return _sender(url, method, timeout, headers, data, HTTPSHandler(context=context))


def push_to_gateway(
    gateway: str,
    job: str,
    registry: object = None,
    grouping_key: Optional[Mapping[str, Any]] = None,
    timeout: Optional[float] = 30,
    handler: Handler = default_handler,
    compression: Compression = None,
) -> None:
    """Replaces all metrics of a group of a Pushgateway by those of the service (PUT).

    gateway: "host:port", or a URL; http unless it says https. job, grouping_key: the labels of the group.
    registry: a fdmetrics.Registry; anything else stands for the process's default one. timeout: seconds without an
    answer, None for no end; a refusal's text is what has come by then. handler: sends the request, see
    default_handler. compression: of the request, "gzip" or, by the package python-snappy, "snappy".
    Errors: OSError where the gateway cannot be reached, answers no HTTP, or refuses (an urllib.error.HTTPError, whose
    text says why); TypeError for a job that is no text; InvalidArgumentError; those of generate_latest.
    """
    _push("PUT", gateway, job, registry, grouping_key, timeout, handler, compression)


def pushadd_to_gateway(
    gateway: str,
    job: str,
    registry: object = None,
    grouping_key: Optional[Mapping[str, Any]] = None,
    timeout: Optional[float] = 30,
    handler: Handler = default_handler,
    compression: Compression = None,
) -> None:
    """As push_to_gateway, but leaves metrics of the group that have other names as they are (POST)."""
    _push("POST", gateway, job, registry, grouping_key, timeout, handler, compression)


def delete_from_gateway(
    gateway: str,
    job: str,
    grouping_key: Optional[Mapping[str, Any]] = None,
    timeout: Optional[float] = 30,
    handler: Handler = default_handler,
) -> None:
    """Deletes a group of a Pushgateway, also one that there is not. The arguments and errors are push_to_gateway's."""
    url = _group_url(gateway, job, grouping_key)
    handler(url=url, method="DELETE", timeout=timeout, headers=[("Content-Type", CONTENT_TYPE_LATEST)], data=b"")()


def instance_ip_grouping_key() -> Dict[str, Any]:
    """A grouping key with this host's address as instance."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("localhost", 0))
        return {"instance": probe.getsockname()[0]}


def _push(
    method: str,
    gateway: str,
    job: str,
    registry: object,
    grouping_key: Optional[Mapping[str, Any]],
    timeout: Optional[float],
    handler: Handler,
    compression: Compression,
) -> None:
    url = _group_url(gateway, job, grouping_key)
    compress = _compressor(compression)
    headers: Headers = [("Content-Type", CONTENT_TYPE_LATEST)]
    if compression is not None:
        headers.append(("Content-Encoding", compression.lower()))
    data = compress(generate_latest(registry))
    handler(url=url, method=method, timeout=timeout, headers=headers, data=data)()


def _compressor(compression: Optional[str]) -> Callable[[bytes], bytes]:
    if compression is None:
        return lambda data: data
    if compression.lower() == "gzip":
        return gzip.compress
    if compression.lower() != "snappy":
        raise InvalidArgumentError(f'compression is {compression!r}: give "gzip", "snappy" or None')
    try:
        snappy: Any = importlib.import_module("snappy")
    except ImportError as error:
        raise InvalidArgumentError('compression is "snappy": pip install python-snappy, or give "gzip"') from error

    def compress(data: bytes) -> bytes:
        compressor = snappy.StreamCompressor()
        compressed: bytes = compressor.compress(data)
        flush = getattr(compressor, "flush", None)
        return compressed + flush() if callable(flush) else compressed

    return compress


def _group_url(gateway: str, job: str, grouping_key: Optional[Mapping[str, Any]]) -> str:
    if not isinstance(job, str):
        raise TypeError(f"job is {job!r}: give a text")
    base = gateway if urlsplit(gateway).scheme in ("http", "https") else f"http://{gateway}"
    labels = [("job", job), *sorted((str(name), str(value)) for name, value in (grouping_key or {}).items())]
    return base.rstrip("/") + "/metrics" + "".join(_path_of(name, value) for name, value in labels)


def _path_of(name: str, value: str) -> str:
    # What a part of a path cannot be is written in base64: with slashes, empty, or a step in the path.
    if not value:
        return f"/{name}@base64/="
    if "/" in value or value in (".", ".."):
        return f"/{name}@base64/{base64.urlsafe_b64encode(value.encode()).decode()}"
    return f"/{name}/{quote(value, safe='')}"


class _NoRedirect(HTTPRedirectHandler):
    """Leaves an answer that redirects an answer: urllib would ask there by GET, and take that for a success."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


class _SameRequest(HTTPRedirectHandler):
    """Sends the same request to where an answer redirects to."""

    http_error_308 = HTTPRedirectHandler.http_error_302  # Python 3.11 has it.

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request:
        if code not in (301, 302, 303, 307, 308):
            raise HTTPError(req.full_url, code, msg, headers, fp)
        return Request(newurl, req.data, dict(req.headers), method=req.get_method())


def _sender(
    url: str, method: str, timeout: Optional[float], headers: Headers, data: bytes, opener: Union[BaseHandler, type]
) -> Callable[[], None]:
    def send() -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        request = Request(url, data, dict(headers), method=method)
        handlers = [opener] if isinstance(opener, HTTPRedirectHandler) else [opener, _NoRedirect()]
        try:
            with build_opener(*handlers).open(request, timeout=timeout):
                pass
        except HTTPError as error:
            with error:
                answer = _what_comes(error.fp, deadline)
            reason = answer.decode("utf-8", "replace").strip()
            text = f"{error.reason}: {reason}" if reason else str(error.reason)
            raise HTTPError(error.url, error.code, text, error.headers, io.BytesIO(answer)) from None
        except InvalidURL as error:
            raise InvalidArgumentError(f'gateway is no address: {error}: give "host:port" or a URL') from error
        except HTTPException as error:
            if isinstance(error, OSError):
                raise
            raise URLError(f"the gateway's answer is no HTTP: {error!r}") from error

    return send


def _what_comes(response: Any, deadline: Optional[float]) -> bytes:
    """The beginning of an answer's body, as far as it comes in time."""
    # What has the connection's timeout. It would begin anew with each piece that comes.
    connection = getattr(getattr(getattr(response, "fp", None), "raw", None), "_sock", None)
    answer = b""
    with contextlib.suppress(OSError, HTTPException):
        while len(answer) < _MOST_OF_AN_ANSWER:
            if deadline is not None:
                left = deadline - time.monotonic()
                if connection is not None:
                    connection.settimeout(max(left, 0.0))  # 0: what is there already
                elif left <= 0:
                    break
            piece = response.read1(_MOST_OF_AN_ANSWER - len(answer))
            if not piece:
                break
            answer += piece
    return answer
