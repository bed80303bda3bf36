# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Files for TLS and the token that are replaced while the server runs, and files that cannot be used."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from authority import Authority, Pair, connection, get, shown_name

from serving import HANG_SECONDS, Recorder, Server, ask, environment, wait_for


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the certificates."""
    return Authority(tmp_path_factory.mktemp("renewal"), "authority")


def put(source: Path, target: Path) -> None:
    """Replaces a file at once."""
    fresh = target.with_name(target.name + ".new")
    shutil.copyfile(source, fresh)
    os.replace(fresh, target)


def placed(pair: Pair, folder: Path) -> Pair:
    """A certificate and its key as tls.crt and tls.key in a folder."""
    folder.mkdir(exist_ok=True)
    put(pair.certificate, folder / "tls.crt")
    put(pair.key, folder / "tls.key")
    return Pair(folder / "tls.crt", folder / "tls.key")


def options(pair: Pair) -> tuple[str, ...]:
    """What makes a server encrypt."""
    return ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))


def test_renewed_certificate(
    serve: Callable[..., Server], recorder: Recorder, authority: Authority, folder: Path
) -> None:
    recorder.start("few")
    server = serve(*options(placed(authority.sign("first"), folder)))
    context = authority.client()
    assert shown_name(server, context) == "first"
    before = connection(server, context)
    assert ask(before, "/metrics").status == 200
    placed(authority.sign("second"), folder)
    wait_for("the second certificate", lambda: shown_name(server, context) == "second")
    # Who is connected stays so.
    assert ask(before, "/metrics").status == 200
    before.close()
    assert get(server, context).status == 200


def test_secret_of_kubernetes(
    serve: Callable[..., Server], recorder: Recorder, authority: Authority, folder: Path
) -> None:
    """Files that are links into a folder that is a link, which is made to lead elsewhere."""
    recorder.start("few")
    placed(authority.sign("first"), folder / "..one")
    (folder / "..data").symlink_to("..one")
    for name in ("tls.crt", "tls.key"):
        (folder / name).symlink_to(f"..data/{name}")
    server = serve(*options(Pair(folder / "tls.crt", folder / "tls.key")))
    context = authority.client()
    assert shown_name(server, context) == "first"
    placed(authority.sign("second"), folder / "..two")
    (folder / "..data_tmp").symlink_to("..two")
    os.replace(folder / "..data_tmp", folder / "..data")
    shutil.rmtree(folder / "..one")
    wait_for("the second certificate", lambda: shown_name(server, context) == "second")
    assert " error " not in server.log


def test_broken_files_leave_the_old_ones_in_use(
    serve: Callable[..., Server], recorder: Recorder, authority: Authority, folder: Path
) -> None:
    recorder.start("few")
    pair = placed(authority.sign("first"), folder)
    server = serve(*options(pair))
    context = authority.client()
    pair.certificate.write_text("nonsense")

    def is_logged() -> bool:
        assert shown_name(server, context) == "first"
        return "tls.crt has no certificate" in server.log

    wait_for("the problem in the log", is_logged)
    for _ in range(3):
        # Looked at again, as it is another one.
        os.utime(pair.certificate)
        threading.Event().wait(1.1)
        assert shown_name(server, context) == "first"
    assert server.log.count("tls.crt has no certificate") == 1, "each problem is logged once"
    pair.certificate.unlink()
    wait_for(
        "the next problem in the log",
        lambda: shown_name(server, context) == "first" and "cannot read the TLS certificate" in server.log,
    )
    placed(authority.sign("second"), folder)
    wait_for("the second certificate", lambda: shown_name(server, context) == "second")
    assert get(server, context).status == 200


def test_client_authority_that_is_replaced(
    serve: Callable[..., Server], recorder: Recorder, authority: Authority, folder: Path, tmp_path: Path
) -> None:
    recorder.start("few")
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    shutil.copyfile(old.certificate, folder / "ca.pem")
    server = serve(*options(authority.sign("server")), "--client-ca", str(folder / "ca.pem"))
    by_old, by_new = authority.client(old.sign("client")), authority.client(new.sign("client"))
    assert get(server, by_old).status == 200

    def is_admitted(context: ssl.SSLContext) -> bool:
        try:
            return get(server, context).status == 200
        except (ssl.SSLError, ConnectionError):
            return False

    assert not is_admitted(by_new)
    put(new.certificate, folder / "ca.pem")
    wait_for("the new one", lambda: is_admitted(by_new))
    assert not is_admitted(by_old)


def test_token_that_is_replaced(serve: Callable[..., Server], recorder: Recorder, folder: Path) -> None:
    recorder.start("few")
    token = folder / "token"
    token.write_text("first\n")
    server = serve("--bearer-token-file", str(token))
    # One connection, as Prometheus has it: each request is looked at.
    client = server.connection()

    def status(word: str) -> int:
        return ask(client, "/metrics", headers={"Authorization": f"Bearer {word}"}).status

    assert (status("first"), status("second")) == (200, 401)
    (folder / "fresh").write_text("second\n")
    os.replace(folder / "fresh", token)
    wait_for("the second token", lambda: status("second") == 200)
    assert status("first") == 401
    token.unlink()
    wait_for("the problem in the log", lambda: status("second") == 200 and f"bearer token {token}" in server.log)
    client.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--tls-cert": "absent"}, ("cannot read the TLS certificate", "absent: No such file")),
        ({"--tls-key": "absent"}, ("cannot read the TLS key", "absent: No such file")),
        ({"--client-ca": "absent"}, ("cannot read the CA of client certificates", "absent: No such file")),
        ({"--bearer-token-file": "absent"}, ("cannot read the bearer token", "absent: No such file")),
        ({"--tls-key": "."}, ("cannot read the TLS key", "Is a directory")),
        ({"--tls-cert": "nonsense"}, ("nonsense has no certificate",)),
        ({"--client-ca": "nonsense"}, ("nonsense has no certificate",)),
        ({"--tls-key": "nonsense"}, ("nonsense has no TLS key",)),
        ({"--tls-key": "other.key"}, ("other.key does not match the certificate", "tls.crt")),
        ({"--bearer-token-file": "empty"}, ("empty has no bearer token",)),
    ],
)
@pytest.mark.parametrize("more", [(), ("--take-over",)])
def test_files_that_cannot_be_used_end_it(
    tool: Path,
    authority: Authority,
    folder: Path,
    change: dict[str, str],
    words: tuple[str, ...],
    more: tuple[str, ...],
) -> None:
    pair = placed(authority.sign("server"), folder)
    shutil.copyfile(authority.sign("other").key, folder / "other.key")
    (folder / "nonsense").write_text("nonsense")
    (folder / "empty").write_text("\n")
    files = {"--tls-cert": str(pair.certificate), "--tls-key": str(pair.key)}
    files |= {option: str(folder / name) for option, name in change.items()}
    done = subprocess.run(
        [str(tool), "serve", str(folder / "store"), "--listen", "127.0.0.1:0", "--quiet", *more,
         *(argument for item in files.items() for argument in item)],
        capture_output=True, text=True, timeout=HANG_SECONDS, env=environment(),
    )  # fmt: skip
    assert done.returncode == 1
    for word in (*words, str(folder)):
        assert word in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        *[("--tls-cert", "a"), ("--tls-key", "a"), ("--client-ca", "a"), ("--allowed-host", "http://a")],
        *[("--unix", ""), ("--unix-mode", "600")],
    ],
)
def test_options_that_make_no_sense(tool: Path, folder: Path, arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [str(tool), "serve", str(folder), *arguments],
        capture_output=True, text=True, timeout=HANG_SECONDS, env=environment(),
    )  # fmt: skip
    assert done.returncode == 64
    assert arguments[0] in done.stderr
