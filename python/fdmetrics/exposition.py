# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering, to a text, a file or an HTTP endpoint."""

from __future__ import annotations

import os
from _collections_abc import Collection
from _thread import get_ident

from .registry import registry_of
from .store import TEXT_CONTENT_TYPE, ProcessMetrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from http.server import ThreadingHTTPServer

#: The HTTP content type of what generate_latest gives.
CONTENT_TYPE_LATEST = TEXT_CONTENT_TYPE


def generate_latest(
    registry: object = None,
    *,
    pid_label: bool = False,
    process_metrics: ProcessMetrics = False,
    self_metrics: bool = False,
    format: str = "text",
    escaping: str = "underscores",
    names: Collection[str] = (),
) -> bytes:
    """All series of the store, of all processes, in the Prometheus text format 0.0.4, or another one.

    registry: a fdmetrics.Registry; anything else stands for the process's default one. The others are those of
    Store.render. Any process that has the store gives the same answer, but for gauges of the mode local. Releases the
    interpreter lock. Errors: those of Registry.render.
    """
    return registry_of(registry).render(
        pid_label=pid_label,
        process_metrics=process_metrics,
        self_metrics=self_metrics,
        format=format,
        escaping=escaping,
        names=names,
    )


def write_to_textfile(
    path: str | os.PathLike[str],
    registry: object = None,
    escaping: str = "allow-utf-8",
    tmpdir: str | os.PathLike[str] | None = None,
) -> None:
    """Writes what generate_latest gives to a file, for the node exporter's textfile collector: its name ends in .prom.

    The file is replaced at once, so that nobody reads half of one; until then the text is in a file of tmpdir, which
    must be on the same file system, else beside it. The arguments are prometheus_client's. Errors: OSError, and those
    of generate_latest; then the file is as it was.
    """
    target = os.fspath(path)
    folder = os.path.dirname(target) if tmpdir is None else os.fspath(tmpdir)
    text = generate_latest(registry, escaping=escaping)
    # Not by tempfile, whose files nobody else may read. The textfile collector reads names that end in .prom alone.
    temporary = os.path.join(folder, f"{os.path.basename(target)}.{os.getpid()}.{get_ident()}")
    try:
        with open(temporary, "wb") as file:
            file.write(text)
        os.replace(temporary, target)
    except BaseException:
        try:  # noqa: SIM105
            os.unlink(temporary)
        except OSError:
            pass
        raise


def start_http_server(
    port: int,
    addr: str = "127.0.0.1",
    registry: object = None,
    *,
    pid_label: bool = False,
    process_metrics: ProcessMetrics = False,
    self_metrics: bool = False,
    certfile: str | None = None,
    keyfile: str | None = None,
    client_cafile: str | None = None,
    client_capath: str | None = None,
    protocol: int | None = None,
    client_auth_required: bool = False,
    tls_min_version: int | None = None,
    tls_max_version: int | None = None,
    allowed_hosts: Collection[str] = (),
) -> tuple[ThreadingHTTPServer, threading.Thread]:
    """Serves the metrics at /metrics and / from a daemon thread, as plain HTTP or with TLS.

    The scraper says in its headers what it wants: text, OpenMetrics or protobuf, how names are escaped, and gzip; with
    name[]=... in its query the families of these names alone; with If-None-Match nothing where nothing has changed.
    port 0 takes a free port: server.server_port has it. pid_label, process_metrics and self_metrics are those of
    generate_latest. Returns the server and its thread; server.shutdown(), then server.server_close() end it. A fork
    child does not serve.

    TLS, with the meanings of prometheus_client: certfile and keyfile are the server's certificate and key in PEM files,
    where a certfile may have both. client_auth_required asks clients for a certificate by an authority of client_cafile
    or of the directory client_capath, else by one that the system trusts. protocol is a protocol of the module ssl,
    the versions are ssl.TLSVersion's.

    A server on a loopback address answers requests that are for localhost or a loopback address, and for the names
    in allowed_hosts; others get 421, so that no web site's page reads the metrics through a browser of this host by a
    name that it has made lead here. Where allowed_hosts is given, it counts on other addresses too.

    At most 32 connections, each with a thread, are open at once. A request takes at most 10 seconds, TLS included, an
    answer 30, and a connection that stays is idle for at most 75; in a crowd the one that has been idle longest goes.

    Errors: OSError where the address cannot be bound or a file of TLS not be used; ValueError where TLS is asked for
    without a certificate.
    """
    # Only who serves pays for the import of http.server.
    from ._http_tls import TLS
    from ._scrape import Scrape
    from .http_server import metrics_of, serve

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
    scrape = Scrape(registry, pid_label, process_metrics, self_metrics)
    return serve(port, addr, metrics_of(scrape), tls.context(), allowed_hosts)
