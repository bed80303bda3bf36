# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The pages' Swift: README's first program in a package of its own, the rest compiled with the modules that are built.

.build of the checkout, or FDM_SWIFT_BUILD, has the modules of a debug build with all traits.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import fdmetrics
from blocks import ROOT, Block, block, blocks, of_language
from built import fdmctl

SWIFT = os.environ.get("SWIFT", "swift")
BUILD = Path(os.environ.get("FDM_SWIFT_BUILD") or ROOT / ".build")
#: What a package needs of the checkout: all targets' sources, as SwiftPM looks whether they are there.
SOURCES = ("Package.swift", "Include", "Sources", "Tests", "examples", "Benchmarks")
LINE = re.compile(
    r"^\.package\(url: \"(?P<url>\S+)\", from: \"(?P<version>\S+)\"(?P<traits>, traits: \[.*\])?\),$", re.M
)
#: What each product says where its trait is off, and the traits of a package that lacks it.
TRAITS = {
    "FDMetricsHTTP": ("HTTPServer", "[.defaults]", '[.defaults, "HTTPServer"]'),
    "FDMetricsSwiftMetrics": ("SwiftMetrics", "[.defaults]", '[.defaults, "SwiftMetrics"]'),
    "FDMetricsZMQ": ("ZeroMQ", "[]", "[.defaults]"),
    "fdmctl": ("CommandLineTool", "[.defaults]", '[.defaults, "CommandLineTool"]'),
}
PACKAGE = """\
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "newcomer",
    dependencies: [
        {line}
    ],
    targets: [.executableTarget(name: "newcomer", dependencies: [{products}])]
)
"""
#: What a block takes for granted.
SERVER = """\
import FDMetrics
import FDMetricsHTTP
import FDMetricsSwiftMetrics
import Logging
import Metrics
import ServiceLifecycle
"""
VALUES = "registry: MetricRegistry, logger: Logger, app: any Service, worker: any Service"


def is_manifest(of: Block) -> bool:
    """Whether it shows lines of Package.swift."""
    return ".package(" in of.text


CODE = [each for each in of_language("swift") if not is_manifest(each)]
MANIFESTS = [each for each in of_language("swift") if is_manifest(each)]


def swift(*words: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs swift in a folder."""
    variables = {**os.environ, "PWD": str(folder), **environment}
    return subprocess.run(
        [SWIFT, *words],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the checkout in a repository of Git, with a tag of this version."""
    folder = tmp_path_factory.mktemp("repository") / "fdmetrics"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.so")
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=ignored)
        else:
            folder.mkdir()
            shutil.copy(path, folder)
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "All"), ("tag", fdmetrics.__version__)):
        subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)
    return folder


def package(folder: Path, line: str, product: str, source: str) -> None:
    """A package with one dependency."""
    (folder / "Sources/newcomer").mkdir(parents=True)
    products = f'.product(name: "{product}", package: "fdmetrics")'
    (folder / "Package.swift").write_text(PACKAGE.format(line=line, products=products))
    (folder / "Sources/newcomer/main.swift").write_text(source)


@pytest.mark.parametrize("of", MANIFESTS, ids=str)
def test_line_of_the_dependency_is_of_this_version(of: Block) -> None:
    line = LINE.search(of.text)
    assert line, of.text
    assert line["version"] == fdmetrics.__version__
    assert Path(line["url"]).stem == "fdmetrics", "SwiftPM calls the package so, and the product's line too"
    (product,) = re.findall(r'^\.product\(name: "(\w+)", package: "fdmetrics"\),$', of.text, re.M)
    if product in TRAITS:
        assert line["traits"] == f", traits: {TRAITS[product][2]}"


def test_program_of_readme_in_a_package_of_its_own(repository: Path, tmp_path: Path) -> None:
    lines, program = [each for each in blocks("README.md") if each.language == "swift"][:2]
    line = LINE.search(lines.text)
    assert line
    package(tmp_path, line[0].replace(line["url"], f"file://{repository}"), "FDMetrics", program.text)
    built = swift("build", folder=tmp_path)
    assert built.returncode == 0, built.stdout[-4000:]
    store = tmp_path / "store"
    ran = subprocess.run(
        [tmp_path / ".build/debug/newcomer"], env={"FDMETRICS_DIR": str(store)}, capture_output=True, text=True
    )
    assert 'engine_requests_total{method="GET"} 1.0\n' in ran.stdout, ran
    assert subprocess.run([fdmctl(), "check", store], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where packages are built one after the other: the clone of the repository is made once."""
    return tmp_path_factory.mktemp("scratch")


@pytest.mark.parametrize("product", TRAITS)
def test_product_whose_trait_is_off_is_one_error(product: str, repository: Path, scratch: Path, tmp_path: Path) -> None:
    trait, given, right = TRAITS[product]
    line = f'.package(url: "file://{repository}", from: "{fdmetrics.__version__}", traits: {given}),'
    # Nobody imports a program.
    uses = "".join(f"let server{number} = MetricsServer()\n" for number in range(100))
    package(tmp_path, line, product, "" if product == "fdmctl" else f"import {product}\n{uses}")
    built = swift("build", "--scratch-path", scratch, folder=tmp_path)
    assert built.returncode != 0
    errors = set(re.findall(r"^(/.*: error: .*)", built.stdout, re.M))
    assert len(errors) == 1, built.stdout[-4000:]
    assert f"{product} needs the trait {trait}, which is off." in errors.pop()
    assert f'.package(url: "...", from: "...", traits: {right})' in built.stdout


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What finds the modules of the debug build, as SwiftPM has noted it for the targets that use them."""
    notes = BUILD / "debug.yaml"
    if not notes.is_file():
        pytest.fail(f"{notes} is not there; run `make build`, or set FDM_SWIFT_BUILD to a .build that has it")
    text = notes.read_text()
    found = re.findall(r'"(-fmodule-map-file=[^"]+)"', text)
    found += [f"-I{folder}" for folder in re.findall(r'"-I","-Xcc","([^"]+)"', text)]
    clang = [word for option in sorted(set(found)) for word in ("-Xcc", option)]
    cache = tmp_path_factory.mktemp("modules")
    return ["-swift-version", "6", f"-I{BUILD}/debug/Modules", "-module-cache-path", str(cache), *clang]


def compiled(text: str, options: list[str], folder: Path) -> str:
    """What the compiler complains of."""
    (folder / "block.swift").write_text(text)
    compiler = Path(shutil.which(SWIFT) or SWIFT).with_name("swiftc")
    done = subprocess.run(
        [compiler, "-typecheck", *options, "block.swift"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    return done.stdout + done.stderr


def in_a_function(text: str) -> str:
    """The block as part of a program that has what it takes for granted."""
    imports = "".join(line for line in text.splitlines(keepends=True) if line.startswith("import "))
    rest = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("import "))
    return f"{SERVER}{imports}func started({VALUES}) async throws {{\n{rest}}}\n"


@pytest.mark.parametrize("of", CODE, ids=str)
def test_block_is_compiled(of: Block, options: list[str], tmp_path: Path) -> None:
    said = compiled(in_a_function(of.text), options, tmp_path)
    # Values that the next lines of a program would use.
    errors = [line for line in said.splitlines() if "error:" in line]
    assert not errors, said


def test_compiler_sees_what_is_wrong(options: list[str], tmp_path: Path) -> None:
    right = block("docs/swift-metrics.md", "swift", 1).text
    assert "error:" in compiled(
        in_a_function(right.replace("FDMetricsFactory()", "FDMetricsFactory(1)")), options, tmp_path
    )


def test_swift_of_the_table_of_containers(options: list[str], tmp_path: Path) -> None:
    page = (ROOT / "deploy/README.md").read_text()
    (code,) = re.findall(r"^\| Swift \| `(MetricsServer.Configuration\(.*\))` \|$", page, re.M)
    assert "error:" not in compiled(in_a_function(f"_ = {code}\n"), options, tmp_path)
