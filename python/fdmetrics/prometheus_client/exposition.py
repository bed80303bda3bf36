# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering, and the servers and pushers of prometheus_client, for this package's registries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Collection, Optional, Tuple

from . import _twin
from .registry import REGISTRY, Collector, CollectorRegistry, collects_totals

if TYPE_CHECKING:
    import threading
    from http.server import ThreadingHTTPServer

    from prometheus_client.exposition import *  # noqa: F403
else:
    _twin.run(globals())

_formatted: Callable[..., bytes] = globals()["generate_latest"]


def generate_latest(registry: Collector = REGISTRY, escaping: str = "underscores") -> bytes:  # type: ignore[no-redef]
    """What a registry shows, in the text format.

    What is in the store is rendered by the library; other collectors by prometheus_client. escaping: of names outside
    of the classic character set, with "dots" of all names. Errors: those of fdmetrics.Registry.render, and of the
    collectors.
    """
    arguments: Any = {} if escaping == "underscores" else {"escaping": escaping}
    if not isinstance(registry, CollectorRegistry) or not collects_totals(registry) or escaping == "dots":
        return _formatted(registry, **arguments)
    text = [selection.text(escaping) for selection in registry._selections()]
    others = registry._others()
    if others:
        text.append(_formatted(others, **arguments))
    return b"".join(text)


def start_wsgi_server(  # type: ignore[no-redef]
    port: int,
    addr: str = "0.0.0.0",
    registry: Collector = REGISTRY,
    certfile: Optional[str] = None,
    keyfile: Optional[str] = None,
    client_cafile: Optional[str] = None,
    client_capath: Optional[str] = None,
    protocol: Optional[int] = None,
    client_auth_required: bool = False,
    tls_min_version: Optional[int] = None,
    tls_max_version: Optional[int] = None,
    allowed_hosts: Collection[str] = (),
) -> Tuple[ThreadingHTTPServer, threading.Thread]:
    """Serves a registry from a daemon thread, at every path, as plain HTTP or with TLS.

    The arguments are prometheus_client's; the server, its limits, the check of host names and allowed_hosts are those
    of fdmetrics.start_http_server, and so are the errors.
    """
    from .._http_tls import TLS
    from ..http_server import serve
    from ._wsgi_response import responder

    tls = TLS(
        certfile,
        keyfile,
        client_cafile,
        client_capath,
        protocol,
        client_auth_required,
        tls_min_version,
        tls_max_version,
    )
    application = globals()["make_wsgi_app"](registry)
    return serve(port, addr, responder(application), tls.context(), allowed_hosts)


start_http_server = start_wsgi_server
