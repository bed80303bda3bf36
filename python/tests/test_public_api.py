# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the package exports."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import prometheus_client

import fdmetrics


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
        theirs = inspect.signature(getattr(prometheus_client, name)).parameters
        assert list(ours) == list(theirs), name
        for parameter in theirs.values():
            if parameter.name != "registry":
                assert ours[parameter.name].default == parameter.default, f"{name}({parameter.name})"


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
    assert fdmetrics.__version__ not in pyproject
