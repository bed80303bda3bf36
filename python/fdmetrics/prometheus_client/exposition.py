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

    from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE_LATEST
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE_PLAIN_0_0_4
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0 as CONTENT_TYPE_PLAIN_1_0_0
    from prometheus_client.exposition import SNAPPY_AVAILABLE as SNAPPY_AVAILABLE
    from prometheus_client.exposition import CompressionType as CompressionType
    from prometheus_client.exposition import MetricsHandler as MetricsHandler
    from prometheus_client.exposition import ThreadingWSGIServer as ThreadingWSGIServer
    from prometheus_client.exposition import basic_auth_handler as basic_auth_handler
    from prometheus_client.exposition import choose_encoder as choose_encoder
    from prometheus_client.exposition import default_handler as default_handler
    from prometheus_client.exposition import delete_from_gateway as delete_from_gateway
    from prometheus_client.exposition import gzip_accepted as gzip_accepted
    from prometheus_client.exposition import instance_ip_grouping_key as instance_ip_grouping_key
    from prometheus_client.exposition import make_asgi_app as make_asgi_app
    from prometheus_client.exposition import make_wsgi_app as make_wsgi_app
    from prometheus_client.exposition import passthrough_redirect_handler as passthrough_redirect_handler
    from prometheus_client.exposition import push_to_gateway as push_to_gateway
    from prometheus_client.exposition import pushadd_to_gateway as pushadd_to_gateway
    from prometheus_client.exposition import tls_auth_handler as tls_auth_handler
    from prometheus_client.exposition import write_to_textfile as write_to_textfile

    from .openmetrics import exposition as _openmetrics

    openmetrics = _openmetrics

else:
    _twin.run(globals())

_formatted: Callable[..., bytes] = globals()["generate_latest"]


def generate_latest(registry: Collector = REGISTRY, escaping: str = "underscores") -> bytes:
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


def start_wsgi_server(
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
