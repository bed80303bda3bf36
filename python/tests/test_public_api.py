# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the package exports."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any, Iterator, Tuple, get_args, get_type_hints

import prometheus_client
import pytest

import fdmetrics

from .support import environment, run_program


def test_everything_exported_is_there_and_documented() -> None:
    assert sorted(fdmetrics.__all__) == sorted(set(fdmetrics.__all__))
    for name in fdmetrics.__all__:
        value = getattr(fdmetrics, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name
            for member, attribute in vars(value).items():
                if not member.startswith("_") and (inspect.isfunction(attribute) or isinstance(attribute, property)):
                    assert attribute.__doc__, f"{name}.{member}"


def test_update_callables_are_documented() -> None:
    for cls, names in {
        fdmetrics.Counter: ["inc"],
        fdmetrics.Gauge: ["inc", "dec", "set"],
        fdmetrics.Histogram: ["observe"],
        fdmetrics.Summary: ["observe"],
    }.items():
        for name in names:
            assert (inspect.getdoc(cls.__dict__[name]) or "").startswith(f"{name}(")


def test_constructors_take_prometheus_client_s_arguments_in_its_order() -> None:
    for name in ("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"):
        ours = inspect.signature(getattr(fdmetrics, name)).parameters
        theirs = dict(inspect.signature(getattr(prometheus_client, name)).parameters)
        # A private one of prometheus_client. Those after it come by name, so that none is taken for another.
        at = list(theirs).index("_labelvalues")
        del theirs["_labelvalues"]
        assert list(ours) == list(theirs), name
        assert {ours[after].kind for after in list(theirs)[at:]} <= {inspect.Parameter.KEYWORD_ONLY}
        for parameter in theirs.values():
            if parameter.name != "registry":
                assert ours[parameter.name].default == parameter.default, f"{name}({parameter.name})"


def public_callables(module: ModuleType) -> Iterator[Tuple[str, Any]]:
    """The public functions and classes of a module, and the public methods and constructors of the latter."""
    for name in getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")]):
        value = getattr(module, name)
        if not getattr(value, "__module__", "").startswith("fdmetrics"):
            continue
        if inspect.isfunction(value) or inspect.isclass(value):
            yield f"{module.__name__}.{name}", value
        for member, attribute in vars(value).items() if inspect.isclass(value) else ():
            if inspect.isfunction(attribute) and (not member.startswith("_") or member in ("__init__", "__call__")):
                yield f"{module.__name__}.{name}.{member}", attribute


def test_no_signature_has_a_private_parameter() -> None:
    modules = ("asgi", "context_managers", "django", "errors", "exposition", "http_server", "instruments", "metric")
    more = ("pushgateway", "registry", "store", "wsgi", "fastdeploy", "zmq", "zmq.asyncio")
    seen = 0
    for module in ("fdmetrics", *(f"fdmetrics.{name}" for name in (*modules, *more))):
        for name, value in public_callables(importlib.import_module(module)):
            try:
                parameters = inspect.signature(value).parameters
            except ValueError:
                continue  # Of an exception, whose constructor is C's.
            seen += 1
            assert not [one for one in parameters if one.startswith("_")], name
    assert seen > 200


def test_a_type_of_every_mode() -> None:
    assert sorted(get_args(fdmetrics.GaugeMode)) == sorted(fdmetrics.instruments.GAUGE_MODES)
    assert fdmetrics.instruments.GaugeMode is fdmetrics.GaugeMode


MODULES = ("asgi", "django", "fastdeploy", "prometheus_client", "pushgateway", "python_metrics", "wsgi", "zmq")


@pytest.mark.parametrize("name", MODULES)
def test_importing_the_package_is_enough_for_its_modules(name: str) -> None:
    program = f"""
        import sys
        import fdmetrics
        assert {name!r} in dir(fdmetrics)
        assert "fdmetrics.{name}" not in sys.modules
        assert fdmetrics.{name} is sys.modules["fdmetrics.{name}"]
        from fdmetrics import {name}
        assert {name} is fdmetrics.{name}
    """
    run_program(program)


# What a process imports of the standard library to count, beside ctypes and what that imports. Others are imported
# where they are needed: typing alone takes longer than all of fdmetrics, and brings collections, functools and re.
STANDARD_MODULES = {"__future__", "_sha2", "_sha256", "atexit", "math"}
FIRST_COUNTER = """
    fdmetrics.Counter("jobs", "Jobs.").inc()
"""
ALL_INSTRUMENTS = """
    fdmetrics.Counter("jobs", "Jobs.", ["kind"]).labels("one").inc()
    gauge = fdmetrics.Gauge("load", "Load.", ["kind"])
    gauge.labels("one").set(1)
    with gauge.labels("one").track_inprogress(), fdmetrics.Histogram("seconds", "Seconds.").time():
        fdmetrics.Summary("bytes", "Bytes.").observe(1)
    fdmetrics.Info("built", "What runs.").info({"version": "1"})
    fdmetrics.Enum("state", "State.", states=["up", "down"]).state("down")
    assert b"seconds_bucket" in fdmetrics.generate_latest()
"""


@pytest.mark.parametrize("work", [FIRST_COUNTER, ALL_INSTRUMENTS], ids=["first counter", "all instruments"])
def test_importing_and_recording_imports_little(work: str, tmp_path: Path) -> None:
    program = f"""
        import os
        import sys
        import ctypes

        class Structure(ctypes.Structure):
            _fields_ = [("pointer", ctypes.POINTER(ctypes.c_char_p))]

        before = set(sys.modules)
        import fdmetrics
        {textwrap.indent(textwrap.dedent(work), " " * 8).strip()}
        print(*sorted(set(sys.modules) - before))
    """
    # -S: without what the site-packages of a test environment import at the start.
    command = [sys.executable, "-S", "-c", textwrap.dedent(program)]
    names = subprocess.check_output(command, env=environment(FDMETRICS_DIR=tmp_path / "store"), text=True).split()
    assert "fdmetrics.instruments" in names
    assert {name for name in names if name.partition(".")[0] != "fdmetrics"} <= STANDARD_MODULES
    assert not {f"fdmetrics.{name}" for name in MODULES} & set(names)


def test_annotations_can_be_evaluated() -> None:
    seen = 0
    for name, value in public_callables(fdmetrics):
        # The server's types are in modules that only who serves imports.
        if inspect.isfunction(value) and name != "fdmetrics.start_http_server":
            try:
                get_type_hints(value)
            except TypeError:
                # Python 3.9 knows no X | Y of classes. All of their names are there.
                assert sys.version_info < (3, 10), name
            seen += 1
    assert seen > 40


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [("zmq", "zmq", "zmq"), ("prometheus_client", "prometheus_client", "prometheus-client")],
)
def test_a_module_whose_package_is_missing_says_what_to_install(name: str, package: str, extra: str) -> None:
    program = f"""
        import sys
        sys.modules[{name!r}] = None
        import fdmetrics
        assert not hasattr(fdmetrics, {name!r})
        try:
            fdmetrics.{name}
        except AttributeError as error:
            print(error)
        import pydoc
        assert "make_asgi_app" in pydoc.render_doc(fdmetrics)
    """
    text = run_program(program)
    assert text.startswith(f"fdmetrics.{name} cannot be imported (")
    assert text.endswith(f"): pip install 'fdmetrics[{extra}]'\n")


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(AttributeError, match=r"module 'fdmetrics' has no attribute 'Countre'"):
        fdmetrics.Countre  # type: ignore[attr-defined]  # noqa: B018


def test_what_is_imported_late_is_what_its_module_has() -> None:
    assert fdmetrics.make_asgi_app is fdmetrics.asgi.make_asgi_app
    assert fdmetrics.make_wsgi_app is fdmetrics.wsgi.make_wsgi_app
    assert fdmetrics.push_to_gateway is fdmetrics.pushgateway.push_to_gateway
    assert fdmetrics.Statistics is fdmetrics.store.Statistics
    assert set(fdmetrics.__all__) <= set(dir(fdmetrics))


def test_registries_say_whose_they_are(registry: fdmetrics.Registry) -> None:
    assert repr(fdmetrics.REGISTRY) == "fdmetrics.Registry()"
    assert repr(registry) == f"fdmetrics.Registry({registry.path!r})"


def test_left_out_methods_are_the_documented_ones() -> None:
    left_out = set()
    for name in ("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"):
        ours, theirs = getattr(fdmetrics, name), getattr(prometheus_client, name)
        public = {member for member in dir(theirs) if not member.startswith("_")}
        left_out |= {f"{name}.{member}" for member in public if not hasattr(ours, member)}
    text = inspect.getdoc(fdmetrics.instruments) or ""
    documented = set(re.findall(r"\b(\w+\.\w+)(?=[ ,.])", text.partition("Left out")[2]))
    collector = {
        f"{name}.{member}"
        for name in ("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum")
        for member in ("collect", "describe")
    }
    assert left_out == documented | collector


def test_the_version_is_said_once() -> None:
    pyproject = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text()
    assert 'path = "fdmetrics/_version.py"' in pyproject
    assert re.fullmatch(r"\d+\.\d+\.\d+", fdmetrics.__version__)
    # The extra that brings the tool asks for the one of the same version.
    tool = f'"fdmetrics-tool=={fdmetrics.__version__}"'
    assert tool in pyproject
    assert fdmetrics.__version__ not in pyproject.replace(tool, "")
