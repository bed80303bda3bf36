# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""TLS for start_http_server, with the arguments of prometheus_client's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional

if TYPE_CHECKING:
    import ssl


#: What OpenSSL says of a key that is not the certificate's; the last, where the two are of different algorithms.
_MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


class TLS(NamedTuple):
    """What start_http_server was told of TLS; see there."""

    certfile: Optional[str] = None
    keyfile: Optional[str] = None
    client_cafile: Optional[str] = None
    client_capath: Optional[str] = None
    protocol: Optional[int] = None
    client_auth_required: bool = False
    tls_min_version: Optional[int] = None
    tls_max_version: Optional[int] = None

    def context(self) -> Optional[ssl.SSLContext]:
        """The context of a server; None where nothing was told.

        Errors: ValueError, where something was told without a certificate, which would serve without TLS; OSError,
        where a file cannot be used.
        """
        if not self.certfile:
            given = [name for name, value in self._asdict().items() if value]
            if given:
                raise ValueError(f"{given[0]} is given without certfile: give the server's certificate, or neither")
            return None
        # Some builds of Python have none.
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if self.protocol is None else self.protocol)
        try:
            if self.client_cafile is not None or self.client_capath is not None:
                context.load_verify_locations(self.client_cafile, self.client_capath)
            else:
                context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        except OSError as error:
            told = f"client_cafile={self.client_cafile} client_capath={self.client_capath}"
            raise _unusable(error, f"the clients' authorities cannot be loaded from {told}") from error
        if self.client_auth_required:
            context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_cert_chain(self.certfile, self.keyfile)
        except OSError as error:
            if getattr(error, "reason", None) in _MISMATCHES:
                what = f"the key in keyfile={self.keyfile or self.certfile} does not belong to the certificate in"
                raise _unusable(error, f"{what} certfile={self.certfile}") from error
            told = f"certfile={self.certfile} keyfile={self.keyfile}"
            raise _unusable(error, f"the server's certificate and key cannot be loaded from {told}") from error
        if self.tls_min_version is not None:
            context.minimum_version = ssl.TLSVersion(self.tls_min_version)
        if self.tls_max_version is not None:
            context.maximum_version = ssl.TLSVersion(self.tls_max_version)
        return context


def _unusable(error: OSError, what: str) -> OSError:
    return type(error)(error.errno, f"{what}: {error.strerror or error}")
