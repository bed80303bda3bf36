# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Where a page, a manifest or an example runs a server in a container, it can be reached from outside of it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from blocks import ROOT, block, of_language, pages
from machine import ADDRESS, Machine

PAGE = "deploy/README.md"
MANIFESTS = sorted((ROOT / "deploy/kubernetes").rglob("*.yaml"))
#: What starts a server that somebody is to reach.
SERVER = re.compile(r"start_http_server\(|start_wsgi_server\(|\bgunicorn -|\buvicorn -|fdmctl serve [-/D]")
CONTAINER = re.compile(r"\b(container|docker|kubernetes|pod)s?\b", re.IGNORECASE)
FLASK = "docs/frameworks/flask.md"


def servers() -> dict[str, str]:
    """The table of servers in containers: each with its code."""
    section = (ROOT / PAGE).read_text().split("## Containers\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| ([^|`]+?) \| `(.*)` \|$", section, re.MULTILINE))


def images() -> list[Path]:
    """Files that say how an image is made."""
    return [path for folder in ("deploy", "docs", "examples") for path in (ROOT / folder).rglob("*Dockerfile*")]


def pods(manifest: Path) -> Iterator[dict[str, object]]:
    """The containers of a manifest."""
    for each in yaml.safe_load_all(manifest.read_text()):
        template = each.get("spec", {}).get("template", {}) if each else {}
        yield from template.get("spec", {}).get("containers", [])


def reached(fresh: Machine, command: list[str], port: int) -> None:
    """From outside of the container, which is another address than 127.0.0.1."""
    with fresh.running(*command, ends_well=False):
        assert fresh.answer(f"http://{ADDRESS}:{port}/metrics").status == 200


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_port_of_a_pod_is_open_to_others(manifest: Path) -> None:
    for container in pods(manifest):
        command = " ".join(container.get("command", []))  # type: ignore[call-overload]
        for port in container.get("ports", []):  # type: ignore[attr-defined]
            assert f"0.0.0.0:{port['containerPort']}" in command, f"{container['name']}: {command}"
        if SERVER.search(command + " -"):
            assert "0.0.0.0" in command, command


def test_manifests_have_servers() -> None:
    served = [container for manifest in MANIFESTS for container in pods(manifest) if "ports" in container]
    assert len(served) >= 5


@pytest.mark.parametrize("page", pages())
def test_what_is_said_of_containers_has_the_address(page: str) -> None:
    for paragraph in re.split(r"\n\s*\n(?!```)|\n(?=- )", (ROOT / page).read_text()):
        if CONTAINER.search(paragraph) and SERVER.search(paragraph):
            assert "0.0.0.0" in paragraph, f"{page}:\n{paragraph}"


def test_a_server_by_default_is_not_reached(fresh: Machine) -> None:
    with fresh.running("fdmctl", "serve", "/dev/shm"):
        fresh.answer("http://127.0.0.1:9919/metrics")
        assert fresh.get(f"http://{ADDRESS}:9919/metrics") is None


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn", "the tool"])
def test_a_command_of_the_table_is_reached(server: str, fresh: Machine) -> None:
    application = "docs/frameworks/fastapi.md" if server == "uvicorn" else FLASK
    (fresh.home / "my_service.py").write_text(block(application, "python").text)
    (port,) = re.findall(r"\b[89]\d{3}\b", command := servers()[server])
    # The tool needs a store to be named, of which a container has none yet.
    reached(fresh, [*shlex.split(command), *(["/dev/shm"] if server == "the tool" else [])], int(port))


def test_python_of_the_table_is_reached(fresh: Machine) -> None:
    code = f"import fdmetrics, time; {servers()['Python, a worker without a web server']}; time.sleep(600)"
    reached(fresh, ["python", "-c", code], 9919)


def test_every_server_of_the_table_is_tried() -> None:
    tried = {"gunicorn", "uvicorn", "the tool", "Python, a worker without a web server"}
    assert set(servers()) == tried | {"Swift"}  # test_swift compiles it.


def test_an_image_answers_at_the_port_that_it_exposes(fresh: Machine) -> None:
    found = [each.text for each in of_language("dockerfile")] + [path.read_text() for path in images()]
    assert found
    for text in found:
        (port,) = re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE)
        (command,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
        (fresh.home / "my_service.py").write_text(block(FLASK, "python").text)
        reached(fresh, json.loads(command), int(port))


def test_celery_worker_of_the_examples_is_told_an_address(fresh: Machine) -> None:
    folder = ROOT / "examples/servers"
    command = ["celery", "--workdir", str(folder), "--app", "celery_service", "worker", "--concurrency", "1"]
    with fresh.running(*command, "--without-gossip", ends_well=False, METRICS_ADDR="0.0.0.0"):
        assert fresh.answer(f"http://{ADDRESS}:9808/metrics").status == 200
