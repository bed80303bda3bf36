# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The manifests: what refers to something refers to what is there, and all containers of a store can share it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

import fdmetrics
import running
from fdmetrics.fastdeploy import MetricsManager
from running import Running, free_port

FOLDER = Path(__file__).resolve().parents[2] / "deploy/kubernetes"
VARIANTS = ("endpoint", "sidecar", "daemonset", "push")
Json = dict[str, Any]


class Receiver(ThreadingHTTPServer):
    """Takes what is posted. A context manager; serves in a thread."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: queue.Queue[tuple[str, Message, bytes]] = queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.put((self.path, self.headers, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def objects(variant: str) -> list[Json]:
    """What `kubectl apply -k` makes."""
    kustomization = yaml.safe_load((FOLDER / variant / "kustomization.yaml").read_text())
    files = [FOLDER / variant / name for name in kustomization["resources"]]
    assert set(files) == set((FOLDER / variant).glob("*.yaml")) - {FOLDER / variant / "kustomization.yaml"}
    return [each for file in files for each in yaml.safe_load_all(file.read_text())]


def workloads(variant: str) -> list[Json]:
    """Deployments and DaemonSets."""
    return [each for each in objects(variant) if each["kind"] in ("Deployment", "DaemonSet")]


def containers(variant: str) -> Iterator[tuple[Json, Json]]:
    """The pods' specifications, each with one of its containers."""
    for workload in workloads(variant):
        pod = workload["spec"]["template"]["spec"]
        for container in pod["containers"]:
            yield pod, container


def running_tool(variant: str, subcommand: str) -> list[tuple[Json, Json]]:
    """The containers in which fdmctl runs, each with its pod's specification."""
    return [each for each in containers(variant) if each[1].get("command", [])[:2] == ["fdmctl", subcommand]]


def volume_path(pod: Json, container: Json, path: str) -> tuple[str, PurePosixPath, bool]:
    """Where a path of a container is: which volume, the path within, and whether it may be written."""
    wanted = PurePosixPath(path)
    for mount in container["volumeMounts"]:
        if wanted.is_relative_to(mount["mountPath"]):
            volume = next(each for each in pod["volumes"] if each["name"] == mount["name"])
            within = wanted.relative_to(mount["mountPath"])
            if "hostPath" in volume:
                return "host", volume["hostPath"]["path"] / within, not mount.get("readOnly")
            return volume["name"], within, not mount.get("readOnly")
    raise AssertionError(f"{container['name']} has mounted nothing at {path}")


def environment(container: Json) -> dict[str, str]:
    """The variables of a container, those without a value of their own as the name of the pod's field."""
    return {
        variable["name"]: variable.get("value") or variable["valueFrom"]["fieldRef"]["fieldPath"]
        for variable in container.get("env", [])
    }


def user(pod: Json, container: Json) -> int:
    """Whom a container runs as."""
    return {**pod.get("securityContext", {}), **container.get("securityContext", {})}["runAsUser"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_objects_are_of_known_kinds(variant: str) -> None:
    versions = {
        "Deployment": "apps/v1",
        "DaemonSet": "apps/v1",
        "Service": "v1",
        "ServiceMonitor": "monitoring.coreos.com/v1",
        "PodMonitor": "monitoring.coreos.com/v1",
    }
    found = objects(variant)
    assert {each["kind"]: each["apiVersion"] for each in found}.items() <= versions.items()
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("variant", VARIANTS)
def test_workloads_select_their_own_pods(variant: str) -> None:
    selectors = []
    for workload in workloads(variant):
        selector = workload["spec"]["selector"]["matchLabels"]
        assert selector.items() <= workload["spec"]["template"]["metadata"]["labels"].items()
        selectors.append(sorted(selector.items()))
    assert len({str(selector) for selector in selectors}) == len(workloads(variant))


@pytest.mark.parametrize("variant", VARIANTS)
def test_mounts_and_ports_are_there(variant: str) -> None:
    for pod, container in containers(variant):
        assert {mount["name"] for mount in container.get("volumeMounts", [])} <= {
            volume["name"] for volume in pod.get("volumes", [])
        }, container["name"]
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            if probe in container:
                assert container[probe]["httpGet"]["port"] in ports


@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - {"push"}))
def test_something_scrapes_the_pods(variant: str) -> None:
    found = objects(variant)
    monitors = [each for each in found if each["kind"] in ("ServiceMonitor", "PodMonitor")]
    assert len(monitors) == 1
    spec = monitors[0]["spec"]
    labels = spec["selector"]["matchLabels"].items()
    templates = [workload["spec"]["template"] for workload in workloads(variant)]
    if monitors[0]["kind"] == "ServiceMonitor":
        services = [
            each for each in found if each["kind"] == "Service" and labels <= each["metadata"]["labels"].items()
        ]
        assert len(services) == 1
        assert spec["jobLabel"] in services[0]["metadata"]["labels"]
        ports = {port["name"]: port["targetPort"] for port in services[0]["spec"]["ports"]}
        wanted = {ports[endpoint["port"]] for endpoint in spec["endpoints"]}
        labels = services[0]["spec"]["selector"].items()
    else:
        wanted = {endpoint["port"] for endpoint in spec["podMetricsEndpoints"]}
    pods = [template for template in templates if labels <= template["metadata"]["labels"].items()]
    # Two pods that are scraped for one store would count everything twice.
    assert len(pods) == 1 and len(wanted) == 1
    assert spec["jobLabel"] in pods[0]["metadata"]["labels"]
    ports = [port["name"] for container in pods[0]["spec"]["containers"] for port in container.get("ports", [])]
    assert wanted <= set(ports)


@pytest.mark.parametrize("variant", ("sidecar", "daemonset", "push"))
def test_containers_of_a_store_share_it(variant: str) -> None:
    stores, users, tools = set(), set(), []
    for pod, container in containers(variant):
        users.add(user(pod, container))
        directory = environment(container).get("FDMETRICS_DIR")
        if directory is None:
            tools.append(container)
            assert container["command"][0] == "fdmctl"
            directory = container["command"][2]
        volume, path, writable = volume_path(pod, container, directory)
        assert writable == (container not in tools), container["name"]
        stores.add((volume, path))
    assert (len(stores), len(tools), len(users)) == (1, 1, 1)
    assert 0 not in users


@pytest.mark.parametrize("variant", ("sidecar", "daemonset"))
def test_what_serves_answers_where_it_says(variant: str, fdmctl: str, memory: Path) -> None:
    ((pod, container),) = running_tool(variant, "serve")
    _, _, directory, *options = container["command"]
    (port,) = container["ports"]
    listen = f"--listen=0.0.0.0:{port['containerPort']}"
    assert listen in options
    options[options.index(listen)] = f"--listen=127.0.0.1:{(free := free_port())}"
    command = [fdmctl, "serve", str(memory / Path(directory).name), *options]
    with Running(command, free, memory / "log", running.environment()) as server:
        assert server.get(container["livenessProbe"]["httpGet"]["path"]).status == 200
        # Nothing has recorded yet, which is no reason to be down.
        answer = server.get("/metrics")
        assert answer.status == 200, answer
        assert pod.get("shareProcessNamespace", False) == ("--process-metrics=worker" in options)


def test_what_pushes_is_received(fdmctl: str, memory: Path) -> None:
    ((_, container),) = running_tool("push", "push")
    words = list(container["command"])
    for name, field in environment(container).items():
        words = [word.replace(f"$({name})", field) for word in words]
    assert not any("$" in word for word in words)
    fdmetrics.Counter("zwy", "", registry=fdmetrics.Registry(memory / "store")).inc()
    with Receiver() as receiver:
        address = next(word for word in words if word.startswith("--remote-write="))
        words[words.index(address)] = f"--remote-write=http://127.0.0.1:{receiver.server_address[1]}/api/v1/write"
        words[:3] = [fdmctl, "push", str(memory / "store")]
        with Running(words, 0, memory / "log", running.environment()) as pusher:
            request = receiver.requests.get(timeout=running.PATIENCE_SECONDS)
            assert pusher.process.poll() is None, pusher.log
    path, headers, body = request
    assert path == "/api/v1/write"
    assert headers["Content-Encoding"] == "snappy" and headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    # Short texts are not changed by the compression, where they come for the first time.
    for text in (b"my-service", b"metadata.name", b"fdmetrics_build_info", b"zwy"):
        assert text in body


@pytest.mark.parametrize("variant", ("sidecar", "push"))
def test_the_sidecar_has_a_volume_in_memory_and_sees_the_processes(variant: str) -> None:
    for pod, container in containers(variant):
        assert pod["shareProcessNamespace"] is True
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes["metrics"]["emptyDir"]["medium"] == "Memory"
        directory = environment(container).get("FDMETRICS_DIR")
        if directory:
            # Anybody may write to the volume's own directory, so no store can be there.
            _, path, _ = volume_path(pod, container, directory)
            assert path.parts


def test_the_daemonset_makes_the_directory_that_the_service_needs() -> None:
    exporter, service = sorted(workloads("daemonset"), key=lambda each: str(each["kind"]))
    pod = exporter["spec"]["template"]["spec"]
    initial = pod["initContainers"][0]
    options = dict(word.removeprefix("--").split("=") for word in initial["command"] if "=" in word)
    _, made, writable = volume_path(pod, initial, initial["command"][-1])
    assert writable
    assert options["mode"] == "0700"
    service_pod = service["spec"]["template"]["spec"]
    container = service_pod["containers"][0]
    assert {int(options["owner"])} == {user(service_pod, container), user(pod, pod["containers"][0])}
    _, wanted, _ = volume_path(service_pod, container, environment(container)["FDMETRICS_DIR"])
    assert made == wanted
    assert [volume["hostPath"]["type"] for volume in service_pod["volumes"]] == ["Directory"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_gauge_modes_are_taken(variant: str, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = 0
    for _, container in containers(variant):
        modes = environment(container).get("FDMETRICS_FASTDEPLOY_GAUGE_MODES")
        if modes:
            monkeypatch.setenv("FDMETRICS_FASTDEPLOY_GAUGE_MODES", modes)
            MetricsManager(fdmetrics.Registry(memory / container["name"]))  # Raises what is wrong.
            found += 1
    assert found
