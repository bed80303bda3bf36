# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Type checkers find each name of the installed prometheus_client in fdmetrics.prometheus_client, with its type."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import prometheus_client
import pytest
from checkers import CHECKERS, remarks

REAL = "prometheus_client"
OURS = "fdmetrics.prometheus_client"


def sources() -> dict[str, Path]:
    """The modules of the installed prometheus_client, "" for itself. None is imported: some need another package."""
    root = Path(prometheus_client.__file__).parent
    found = {path.relative_to(root).with_suffix("").parts: path for path in sorted(root.rglob("*.py"))}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for parts, path in found.items()}


def public_names(source: Path) -> list[str]:
    """What a module binds at its top, without names that begin with an underscore."""
    return sorted({name for name in bound(ast.parse(source.read_text()).body) if not name.startswith("_")})


MODULES = sources()


def bound(body: list[ast.stmt]) -> Iterator[str]:
    """The names that statements bind."""
    for statement in body:
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield statement.name
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in statement.names)
        elif isinstance(statement, (ast.If, ast.Try)):
            # What a handler binds in place of it is a name that there is anyway, or is only where something is missing.
            yield from bound([*statement.body, *statement.orelse])
        else:
            names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            yield from (name.id for name in names if isinstance(name.ctx, ast.Store))


class Seen(NamedTuple):
    """What a checker says of a module's names, by name."""

    errors: dict[str, str]
    types: dict[str, str]


@pytest.fixture(scope="module", params=CHECKERS)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Seen]:
    """What a checker says of each module of prometheus_client, and of the drop-in's one."""
    folder = tmp_path_factory.mktemp("names")
    programs = {}
    for package in (REAL, OURS):
        for module, source in MODULES.items():
            whole, lines = f"{package}.{module}".rstrip("."), []
            for name in public_names(source):
                lines += [f"from {whole} import {name} as found_{len(lines)}", f"reveal_type(found_{len(lines)})"]
            program = whole.replace(".", "_")
            programs[program] = package, module
            (folder / f"{program}.py").write_text("\n".join(lines) + "\n")
    found = {key: Seen({}, {}) for key in programs.values()}
    for remark in remarks(request.param, folder):
        package, module = programs[remark.program]
        name = public_names(MODULES[module])[(remark.line - 1) // 2]
        one = found[package, module]
        is_import = remark.line % 2 == 1
        if remark.is_error and is_import:
            one.errors[name] = remark.text
        elif not remark.is_error and not is_import:
            one.types[name] = remark.text.rpartition(" is ")[2].strip('"')
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or REAL)
def test_a_checker_finds_what_it_finds_in_prometheus_client(module: str, seen: dict[tuple[str, str], Seen]) -> None:
    real, ours = seen[REAL, module], seen[OURS, module]
    accepted = {name: found for name, found in real.types.items() if name not in real.errors}
    missing = {name: ours.errors[name] for name in accepted if name in ours.errors}
    assert not missing
    untyped = [name for name, found in accepted.items() if is_any(ours.types[name]) and not is_any(found)]
    assert not untyped


def is_any(found: str) -> bool:
    """Whether a type says nothing."""
    return found in ("Any", "Unknown")


#: Modules that the drop-in takes as they are.
TAKEN = ["decorator", "metrics_core", "mmap_dict", "openmetrics.parser", "parser", "samples", "utils", "validation"]


@pytest.mark.parametrize("module", TAKEN)
def test_what_is_taken_as_it_is_has_the_same_types(module: str, seen: dict[tuple[str, str], Seen]) -> None:
    real, ours = seen[REAL, module], seen[OURS, module]
    assert real.types
    accepted = {name: found for name, found in real.types.items() if name not in real.errors}
    assert {name: ours.types[name] for name in accepted} == accepted


#: Takes one of the drop-in's classes wherever another module of it asks for one.
TOGETHER = """\
import fdmetrics.prometheus_client as whole
from fdmetrics.prometheus_client import core, metrics, openmetrics, parser, registry
from fdmetrics.prometheus_client.openmetrics import exposition

made: core.CollectorRegistry = registry.CollectorRegistry()
requests: metrics.Counter = core.Counter("requests", "Requests.", registry=made)
waiting: metrics.Gauge = whole.Gauge("waiting", "Waiting.", registry=core.CollectorRegistry())
shown: bytes = exposition.generate_latest(core.REGISTRY)
names: list[str] = [family.name for family in parser.text_string_to_metric_families(shown.decode())]
"""


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_modules_go_together(checker: str, tmp_path: Path) -> None:
    (tmp_path / "together.py").write_text(TOGETHER)
    assert not [remark for remark in remarks(checker, tmp_path) if remark.is_error]
