# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The manifests: what refers to something refers to what is there, and all containers of a store can share it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

import fdmetrics
from fdmetrics.fastdeploy import MetricsManager

FOLDER = Path(__file__).resolve().parents[2] / "deploy/kubernetes"
VARIANTS = ("endpoint", "sidecar", "daemonset")
Json = dict[str, Any]


def objects(variant: str) -> list[Json]:
    """What `kubectl apply -k` makes, but for the ConfigMap of the base."""
    kustomization = yaml.safe_load((FOLDER / variant / "kustomization.yaml").read_text())
    files = [FOLDER / variant / name for name in kustomization["resources"]]
    assert {file.name for file in files if file.is_file()} == {
        file.name for file in (FOLDER / variant).glob("*.yaml") if file.name != "kustomization.yaml"
    }
    assert all((file / "kustomization.yaml").is_file() for file in files if not file.is_file())
    return [each for file in files if file.is_file() for each in yaml.safe_load_all(file.read_text())]


def workloads(variant: str) -> list[Json]:
    """Deployments and DaemonSets."""
    return [each for each in objects(variant) if each["kind"] in ("Deployment", "DaemonSet")]


def containers(variant: str) -> Iterator[tuple[Json, Json]]:
    """The pods' specifications, each with one of its containers."""
    for workload in workloads(variant):
        pod = workload["spec"]["template"]["spec"]
        for container in pod["containers"]:
            yield pod, container


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
    """The variables of a container."""
    return {variable["name"]: variable["value"] for variable in container.get("env", [])}


def user(pod: Json, container: Json) -> int:
    """Whom a container runs as."""
    return {**pod.get("securityContext", {}), **container.get("securityContext", {})}["runAsUser"]


@pytest.fixture(scope="module")
def program() -> Any:
    """serve_store.py, as a module."""
    specification = importlib.util.spec_from_file_location("serve_store", FOLDER / "server/serve_store.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


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


@pytest.mark.parametrize("variant", VARIANTS)
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


@pytest.mark.parametrize("variant", ("sidecar", "daemonset"))
def test_containers_of_a_store_share_it(variant: str, program: Any) -> None:
    base = yaml.safe_load((FOLDER / "server/kustomization.yaml").read_text())["configMapGenerator"][0]
    stores, users, servers = set(), set(), 0
    for pod, container in containers(variant):
        users.add(user(pod, container))
        directory = environment(container).get("FDMETRICS_DIR")
        if directory:
            volume, path, writable = volume_path(pod, container, directory)
            assert writable, container["name"]
            stores.add((volume, path))
            continue
        servers += 1
        interpreter, script, *arguments = container["command"]
        chosen = program.parser().parse_args(arguments)
        assert interpreter == "python3"
        assert [chosen.port] == [port["containerPort"] for port in container["ports"]]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        volume, path, writable = volume_path(pod, container, chosen.directory)
        assert not writable
        stores.add((volume, path))
        volume, path, _ = volume_path(pod, container, script)
        mounted = next(each for each in pod["volumes"] if each["name"] == volume)
        assert mounted["configMap"]["name"] == base["name"] and str(path) in base["files"]
        assert (FOLDER / "server" / str(path)).is_file()
    assert (len(stores), servers, len(users)) == (1, 1, 1)
    assert 0 not in users


def test_the_sidecar_has_a_volume_in_memory_and_sees_the_processes() -> None:
    for pod, container in containers("sidecar"):
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
