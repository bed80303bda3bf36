# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Builds the native programs. A peer that is not installed is left out, with the reason."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

NATIVE = Path(__file__).resolve().parent / "native"


class BuildError(Exception):
    """A program of this project's own could not be built; the text says why and what to do."""


@dataclass
class Programs:
    """The programs that could be built, and for each of the others the reason."""

    built: dict[str, Path] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def _require(tool: str, package: str) -> None:
    if shutil.which(tool) is None:
        raise BuildError(f"{tool} is not installed (Debian, Ubuntu: apt-get install {package})")


def _has_prometheus_cpp() -> bool:
    probe = ["g++", "-fsyntax-only", "-x", "c++", "-include", "prometheus/registry.h", "/dev/null"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _has_libzmq() -> bool:
    probe = ["gcc", "-fsyntax-only", "-x", "c", "-include", "zmq.h", "/dev/null"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def link_options(library: Path, directory: Path) -> list[str]:
    """What links a program to just this library, whatever it calls itself and wherever it stands."""
    _require("readelf", "binutils")
    dynamic = subprocess.run(["readelf", "-d", str(library)], capture_output=True, text=True, check=False)
    if dynamic.returncode != 0:
        raise BuildError(f"{library} is not a shared library: {dynamic.stderr.strip()}")
    soname = re.search(r"\(SONAME\).*\[(.+)\]", dynamic.stdout)
    directory.mkdir(exist_ok=True)
    for name in {"libfdmetrics.so", soname.group(1) if soname else library.name}:
        link = directory / name
        link.unlink(missing_ok=True)
        link.symlink_to(library)
    # The library's own dependencies are its own business: it finds them when it is loaded.
    return [f"-L{directory}", "-l:libfdmetrics.so", f"-Wl,-rpath,{directory}", "-Wl,--allow-shlib-undefined"]


def build(repository: Path, library: Path, output: Path) -> Programs:
    """Compiles all programs into `output`, linked against `library`. Raises BuildError."""
    _require("gcc", "gcc")
    _require("g++", "g++")
    output.mkdir(parents=True, exist_ok=True)
    programs = Programs()
    common = ["-O2", "-D_GNU_SOURCE", "-pthread", f"-I{repository / 'Include'}"]
    linked = link_options(library, output / "lib")

    def compile_program(name: str, source: str, flags: list[str], libraries: list[str]) -> None:
        compiler = ["g++", "-std=c++17"] if source.endswith(".cc") else ["gcc", "-std=gnu11"]
        target = output / name
        command = [*compiler, *common, *flags, str(NATIVE / source), "-o", str(target), *libraries, "-lm"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BuildError(f"{' '.join(command)} failed:\n{result.stderr.strip()}")
        programs.built[name] = target

    compile_program("bare", "bare.c", [], [])
    compile_program("fdm", "fdm.c", [], linked)
    compile_program("churn", "churn.c", [], linked)
    compile_program("serve", "serve.c", [], linked)
    compile_program("life", "life.c", [], linked)
    if _has_libzmq():
        compile_program("zmq", "zmq.c", [], [*linked, "-lzmq"])
    else:
        programs.missing["zmq"] = "libzmq is not installed (Debian, Ubuntu: apt-get install libzmq3-dev)"
    if _has_prometheus_cpp():
        peer = ["-lprometheus-cpp-core"]
        compile_program("prometheus-cpp", "prometheus_cpp.cc", [], peer)
        compile_program("text", "text.cc", ["-DWITH_PROMETHEUS_CPP"], [*linked, *peer])
    else:
        programs.missing["prometheus-cpp"] = (
            "prometheus-cpp is not installed (Debian, Ubuntu: apt-get install prometheus-cpp-dev)"
        )
        compile_program("text", "text.cc", [], linked)
    return programs
