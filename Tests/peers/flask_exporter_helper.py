# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of prometheus_flask_exporter import as `unittest_helper`, which their distribution lacks."""

from __future__ import annotations

import re
import unittest
from importlib import metadata
from typing import Any, Dict, List, Tuple

import prometheus_client
from flask import Flask
from prometheus_flask_exporter import PrometheusMetrics

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class BaseTestCase(unittest.TestCase):
    """A Flask application of its own for each test, and what its metrics show."""

    def setUp(self) -> None:
        self.app = Flask(__name__)
        self.app.testing = True
        self.client = self.app.test_client()
        prometheus_client.REGISTRY = prometheus_client.CollectorRegistry(auto_describe=True)

    def metrics(self, **arguments: Any) -> Any:
        arguments.setdefault("registry", None)
        return PrometheusMetrics(self.app, **arguments)

    def _samples(self, endpoint: str) -> List[Tuple[str, Dict[str, str], str]]:
        response = self.client.get(endpoint)
        self.assertEqual(response.status_code, 200)
        found = map(_SAMPLE.fullmatch, response.get_data(as_text=True).splitlines())
        return [(one[1], dict(_LABEL.findall(one[2] or "")), one[3]) for one in found if one]

    def assertMetric(self, name: str, value: object, *labels: Tuple[str, object], endpoint: str = "/metrics") -> None:
        """A sample with exactly these labels has a value that begins with this one, a regular expression."""
        wanted = {label: str(text) for label, text in labels}
        samples = self._samples(endpoint)
        values = [shown for sample, shown_labels, shown in samples if sample == name and shown_labels == wanted]
        self.assertTrue(any(re.match(str(value), shown) for shown in values), f"{name}{wanted} of {samples}")

    def assertAbsent(self, name: str, *labels: Tuple[str, object], endpoint: str = "/metrics") -> None:
        """No sample has exactly these labels."""
        wanted = {label: str(text) for label, text in labels}
        shown = [(sample, shown_labels) for sample, shown_labels, _ in self._samples(endpoint)]
        self.assertNotIn((name, wanted), shown)

    def assumeMinimumFlaskVersion(self, version: str) -> None:
        """Skips the test with an older Flask."""
        if not _is_flask_at_least(version):
            self.skipTest(f"needs Flask {version}")

    def assumeBeforeFlaskVersion(self, version: str) -> None:
        """Skips the test with this Flask or a newer one."""
        if _is_flask_at_least(version):
            self.skipTest(f"is for Flask before {version}")


def _is_flask_at_least(version: str) -> bool:
    installed = metadata.version("flask")
    return [int(part) for part in installed.split(".")] >= [int(part) for part in version.split(".")]
