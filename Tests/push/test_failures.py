# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What is tried again, what is not, and what is given up, with receivers that misbehave."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest
import remote_write
from programs import PATIENCE_SECONDS, Push, Service, eventually, free_port
from scripted import Answer, Request, ScriptedReceiver
from test_remote_write import PLAIN, received

FAST = ("--interval", "0.1", "--max-backoff", "0.1", *PLAIN)


def bodies(requests: list[Request]) -> list[bytes]:
    """What the requests held."""
    return [request.body for request in requests]


def test_failures_are_tried_again_with_the_same_content(service: Service, receiver: ScriptedReceiver) -> None:
    script = [Answer(500), Answer(503), Answer(429), Answer(instead="close"), Answer(instead="hang"), Answer(599)]
    receiver.script(script)
    done = Push.once(service.store, "--remote-write", receiver.url, *PLAIN, "--timeout", "0.5", "--max-backoff", "0.1")
    assert done.returncode == 0, done.stderr
    tried = len(script) + 1
    assert len(set(bodies(receiver.requests[:tried]))) == 1
    assert receiver.requests[tried - 1].answer == 204
    assert f"{len(script)} retries" in done.stderr, done.stderr
    # One warning for each reason, with the address, and one line when it is over.
    assert f"cannot push to {receiver.url}: status 500" in done.stderr
    assert f"works again after {len(script)} failed attempts" in done.stderr


def test_retry_after_is_waited_for(service: Service, receiver: ScriptedReceiver) -> None:
    receiver.script([Answer(429, {"Retry-After": "2"}), Answer(503, {"Retry-After": "1"})])
    done = Push.once(service.store, "--remote-write", receiver.url, *PLAIN, "--max-backoff", "0.1")
    assert done.returncode == 0, done.stderr
    times = [request.time for request in receiver.requests]
    assert times[1] - times[0] >= 2
    assert times[2] - times[1] >= 1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 301])
def test_what_is_refused_is_dropped_and_told(service: Service, receiver: ScriptedReceiver, status: int) -> None:
    receiver.otherwise = Answer(status, body=b"out of\nbounds")
    done = Push.once(service.store, "--remote-write", receiver.url, *PLAIN)
    assert done.returncode == 1
    assert len(set(bodies(receiver.requests))) == len(receiver.requests), "nothing is tried again"
    assert f"{receiver.url} refused" in done.stderr
    assert f"status {status}: out of bounds" in done.stderr


def test_one_refusal_is_logged_once_and_the_rest_goes_on(service: Service, receiver: ScriptedReceiver) -> None:
    receiver.script([Answer(400, body=b"bad")] * 3)
    with Push(service.store, "--remote-write", receiver.url, *FAST) as push:
        eventually("accepted requests", lambda: len(receiver.accepted()) > 2)
        assert push.stop() == 0
        assert push.log.count("status 400: bad") == 1
        assert "refused in 3 requests" in push.log


def test_each_series_arrives_in_order_in_spite_of_failures(service: Service, receiver: ScriptedReceiver) -> None:
    failures = [Answer(instead="close"), Answer(500), Answer(), Answer(429)] * 4
    receiver.script(failures)
    with Push(service.store, "--remote-write", receiver.url, *FAST, "--batch-samples", "5") as push:
        eventually("the script's end", lambda: len(receiver.requests) > 60)
        assert push.stop() == 0
        assert "0 samples dropped" in push.log
    times: dict[object, list[int]] = {}
    for sample in received(receiver):
        times.setdefault(sample.labels, []).append(sample.timestamp)
    # A request whose connection was closed may have been taken all the same; this receiver had not.
    for stamps in times.values():
        assert stamps == sorted(set(stamps))
    live = {len(stamps) for stamps in times.values()}
    assert len(live) == 1, f"all series have each reading: {live}"


def test_memory_is_bounded_while_the_receiver_is_away(service: Service, receiver: ScriptedReceiver) -> None:
    receiver.otherwise = Answer(503)
    limit = 8 << 10
    with Push(service.store, "--remote-write", receiver.url, *FAST, "--queue-limit", "8K", "--verbose") as push:
        eventually("the queue to overflow", lambda: push.log.count("samples for") > 5)
        held = [int(size) for size in re.findall(r"wait, with (\d+) bytes", push.log)]
        assert max(held) <= limit
        assert max(held) > limit // 2
        receiver.otherwise = Answer()
        eventually("accepted requests", lambda: len(receiver.accepted()) > 5)
        assert push.stop() == 0
        summary = re.search(r"(\d+) samples sent .* (\d+) samples dropped", push.log)
        assert summary is not None, push.log
    sent, dropped = map(int, summary.groups())
    assert sent == len(received(receiver))
    per_reading = len({one.labels for one in received(receiver)})
    times = sorted({one.timestamp for one in received(receiver) if not one.is_stale})
    # The oldest went; what is left is whole, but for the reading that was cut.
    assert dropped > 0
    assert (sent + dropped) % per_reading == 0
    assert len(times) * per_reading <= sent


def test_what_cannot_be_delivered_is_told_by_the_exit_status(service: Service, folder: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/write"
    done = Push.once(service.store, "--remote-write", url, *PLAIN, "--flush-timeout", "1")
    assert done.returncode == 1
    assert f"cannot push to {url}" in done.stderr
    assert "not delivered" in done.stderr
    nowhere = Push.once(folder / "nowhere", "--remote-write", url)
    assert nowhere.returncode == 2
    assert "nowhere" in nowhere.stderr


def test_a_hanging_receiver_does_not_delay_the_end(service: Service, receiver: ScriptedReceiver) -> None:
    receiver.otherwise = Answer(instead="hang")
    with Push(service.store, "--remote-write", receiver.url, *FAST, "--flush-timeout", "0.2") as push:
        receiver.wait(1)
        assert push.stop() == 0
        assert "not delivered" in push.log


def test_credentials_and_headers(service: Service, receiver: ScriptedReceiver, folder: Path) -> None:
    secret = folder / "secret"
    secret.write_text("s3cret\n")
    url = ("--remote-write", receiver.url)
    Push.once(service.store, *url, "--bearer-token-file", str(secret), "--header", "X-Scope-OrgID: 7")
    Push.once(service.store, *url, "--user", "me", "--password-file", str(secret))
    first, last = receiver.requests[0], receiver.requests[-1]
    assert (first.headers["Authorization"], first.headers["X-Scope-OrgID"]) == ("Bearer s3cret", "7")
    assert last.headers["Authorization"] == "Basic bWU6czNjcmV0"


def test_certificates(service: Service, folder: Path) -> None:
    certificate = folder / "server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", str(certificate), "-out", str(folder / "ca.pem")),
        ],
        check=True,
        capture_output=True,
    )
    certificate.write_text(certificate.read_text() + (folder / "ca.pem").read_text())
    with ScriptedReceiver(certificate) as receiver:
        options = ("--remote-write", receiver.url, *PLAIN, "--flush-timeout", "1")
        assert Push.once(service.store, *options).returncode == 1
        assert not receiver.requests
        done = Push.once(service.store, *options, "--ca-file", str(folder / "ca.pem"), "--flush-timeout", "20")
        assert done.returncode == 0, done.stderr
        assert remote_write.samples(receiver.requests[0].body)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--remote-write", "http://a", "--otlp", "http://b"),
        ("--remote-write", "localhost:9090"),
        ("--remote-write", "http://me:secret@localhost/"),
        ("--pushgateway", "http://localhost"),
        ("--remote-write", "http://a", "--interval", "nan"),
        ("--remote-write", "http://a", "--header", "nothing"),
        ("--remote-write", "http://a", "--label", "a-b=1"),
        ("--otlp", "http://a", "--label", "a=1"),
        ("--remote-write", "http://a", "--label", "__a=1"),
        ("--remote-write", "http://a", "--label", "a=1", "--label", "a=2"),
        ("--otlp", "http://a", "--resource", "a=1", "--resource", "a=2"),
        ("--otlp", "http://a?x=1"),
        ("--pushgateway", "http://a#x", "--job", "j"),
    ],
)
def test_wrong_command_lines_are_refused(service: Service, options: tuple[str, ...]) -> None:
    done = Push.once(service.store, *options)
    assert done.returncode == 64, done.stderr
    assert "Error: " in done.stderr
    assert "Usage: fdmctl push" in done.stderr


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_wrong_file_of_authorities_is_named(service: Service, folder: Path, content: str | None) -> None:
    file = folder / "authorities.pem"
    if content is not None:
        file.write_text(content)
    done = Push.once(service.store, "--remote-write", "https://localhost", "--ca-file", str(file))
    assert done.returncode == 64, done.stderr
    reason = "No such file or directory" if content is None else "has no certificate in PEM"
    assert str(file) in done.stderr and reason in done.stderr


def test_an_answer_that_never_ends_is_given_up(service: Service, receiver: ScriptedReceiver) -> None:
    receiver.script([Answer(200, body=b"abc", instead="stall")])
    done = Push.once(service.store, "--remote-write", receiver.url, *PLAIN, "--timeout", "0.5", "--max-backoff", "0.1")
    assert done.returncode == 0, done.stderr
    assert "no whole answer within 0.5 seconds" in done.stderr
    assert len(set(bodies(receiver.requests[:2]))) == 1, "it is made again"


def test_metadata_that_does_not_arrive_is_no_success(service: Service, receiver: ScriptedReceiver) -> None:
    receiver.script([Answer(204)])
    receiver.otherwise = Answer(503)
    done = Push.once(service.store, "--remote-write", receiver.url, "--flush-timeout", "1")
    assert done.returncode == 1, done.stderr
    assert "0 not delivered in 1 requests" in done.stderr


def test_what_answers_no_http_is_told_in_words(service: Service, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_SECONDS)
        url = f"127.0.0.1:{listener.getsockname()[1]}"

        def babble() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.recv(10)
                        client.sendall(b"SSH-2.0-server\r\n")
                        while client.recv(4096):
                            pass

        thread = threading.Thread(target=babble, daemon=True)
        thread.start()
        plain = Push.once(service.store, "--remote-write", f"http://{url}", "--flush-timeout", "0.5")
        encrypted = Push.once(service.store, "--remote-write", f"https://{url}", "--flush-timeout", "0.5")
        delete = Push.once(service.store, "--pushgateway", f"http://{url}", "--job", "j", "--delete")
    assert "the answer is no HTTP: " in plain.stderr
    assert "the TLS handshake failed: WRONG_VERSION_NUMBER" in encrypted.stderr
    assert "the answer is no HTTP: " in delete.stderr
    assert [done.returncode for done in (plain, encrypted, delete)] == [1, 1, 1]
