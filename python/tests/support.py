# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Reads rendered text with prometheus_client's parser, and runs programs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Dict, FrozenSet, List, Mapping, Optional, Tuple, Union

from prometheus_client.parser import text_string_to_metric_families

import fdmetrics

Key = Tuple[str, FrozenSet[Tuple[str, str]]]
PACKAGE_ROOT = Path(__file__).resolve().parents[1]
# A program that begins with this can make no store: not in the directory that is named, nor in the automatic one.
NO_STORE = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"


class Samples:
    """The samples of a rendered text, by name and labels."""

    def __init__(self, rendered: Union[bytes, str, fdmetrics.Registry]) -> None:
        if isinstance(rendered, fdmetrics.Registry):
            rendered = rendered.render()
        self.text = rendered.decode() if isinstance(rendered, bytes) else rendered
        self.values: Dict[Key, float] = {}
        for family in text_string_to_metric_families(self.text):
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.values, f"{key} is rendered twice"
                self.values[key] = sample.value

    def get(self, name: str, **labels: str) -> Optional[float]:
        """The value of one sample; None where there is none."""
        return self.values.get((name, frozenset(labels.items())))

    def named(self, name: str) -> Dict[FrozenSet[Tuple[str, str]], float]:
        """All samples of a name, by their labels."""
        return {labels: value for (sample, labels), value in self.values.items() if sample == name}

    def all_values(self, name: str) -> List[float]:
        """The values of all samples of a name, in order."""
        return sorted(self.named(name).values())


def environment(**variables: Union[str, Path]) -> Dict[str, str]:
    """The environment of a program that has chosen no directory, and these variables."""
    chosen = ("FDMETRICS_DIR", "FDMETRICS_AUTO_DIR", "PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
    inherited: Mapping[str, str] = {name: value for name, value in os.environ.items() if name not in chosen}
    path = os.pathsep.join([str(PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**inherited, "PYTHONPATH": path, **{name: str(value) for name, value in variables.items()}}


def run_program(program: str, *arguments: Union[str, Path], timeout: float = 60, **variables: Union[str, Path]) -> str:
    """Runs a program text in a Python process of its own and returns what it prints; fails where it fails or hangs."""
    return ended_program(program, *arguments, timeout=timeout, **variables).stdout


def ended_program(
    program: str, *arguments: Union[str, Path], timeout: float = 60, **variables: Union[str, Path]
) -> subprocess.CompletedProcess[str]:
    """The same, with what it says on its standard error."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert result.returncode == 0, f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result
