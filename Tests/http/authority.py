# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Certificates for the tests, made by openssl, and what a client does with them."""

from __future__ import annotations

import http.client
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serving import HANG_SECONDS, Answer, Server, ask


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=HANG_SECONDS)


@dataclass
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates of servers and clients."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.name = name
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", str(self._key), "-out", str(self.certificate)),
        )

    def sign(self, name: str) -> Pair:
        """A new certificate of this common name, for localhost and 127.0.0.1."""
        made = Pair(self.folder / f"{self.name}-{name}.pem", self.folder / f"{self.name}-{name}.key")
        request, extensions = self.folder / "request", self.folder / "extensions"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", str(made.key), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self._key)),
            *("-days", "2", "-CAcreateserial", "-extfile", str(extensions), "-out", str(made.certificate)),
        )
        return made

    def client(self, own: Pair | None = None) -> ssl.SSLContext:
        """A client that trusts this authority, and shows a certificate if it has one."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if own:
            context.load_cert_chain(own.certificate, own.key)
        return context


def connection(server: Server, context: ssl.SSLContext) -> http.client.HTTPSConnection:
    """A client's connection."""
    return http.client.HTTPSConnection("127.0.0.1", server.port, timeout=HANG_SECONDS, context=context)


def get(
    server: Server, context: ssl.SSLContext, path: str = "/metrics", headers: Mapping[str, str] | None = None
) -> Answer:
    """One request on a connection of its own."""
    client = connection(server, context)
    try:
        return ask(client, path, headers=headers)
    finally:
        client.close()


def shown_name(server: Server, context: ssl.SSLContext) -> str:
    """The common name of the certificate that the server shows."""
    with server.socket() as client, context.wrap_socket(client, server_hostname="localhost") as encrypted:
        subject = (encrypted.getpeercert() or {})["subject"]
        return str(dict(field for group in subject for field in group)["commonName"])
