# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The packages whose own tests are run: prometheus_client itself, and what applications use it through.

Their tests are those of their source distributions on PyPI. requirements.txt has the same versions.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple, Tuple


class Suite(NamedTuple):
    """One package's tests."""

    name: str
    version: str
    #: Where they are, in the distribution or in a checkout of the package's repository.
    tests: str = "tests"
    #: For pytest.
    arguments: Tuple[str, ...] = ("-p", "no:django")
    #: Files that the tests need and the distribution lacks, each with a file beside this one, or its text.
    lacks: Mapping[str, str] = {}
    #: Tests of ours, beside this file, where no distribution on PyPI has the package's own.
    ours: str = ""


SUITES = (
    Suite("prometheus_client", "0.26.0", arguments=("-p", "no:django", "--benchmark-disable")),
    Suite("prometheus-fastapi-instrumentator", "8.1.0", ours="instrumentator"),
    Suite("prometheus_flask_exporter", "0.23.2", lacks={"tests/unittest_helper.py": "flask_exporter_helper.py"}),
    Suite("prometheus-async", "26.1.0"),
    Suite("django-prometheus", "2.5.0", tests="django_prometheus/tests"),
    Suite("starlette_exporter", "0.24.0", lacks={"tests/static/test.txt": "A file.\n"}),
)
