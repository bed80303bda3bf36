# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A Prometheus that a test starts and asks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml

from running import PATIENCE_SECONDS, Running, environment, free_port

#: What Prometheus counts of scrapes that it could not take as they were.
COMPLAINTS = (
    "prometheus_target_scrapes_sample_out_of_order_total",
    "prometheus_target_scrapes_sample_duplicate_timestamp_total",
    "prometheus_target_scrapes_sample_out_of_bounds_total",
    "prometheus_target_scrapes_exceeded_sample_limit_total",
    "prometheus_target_scrapes_exceeded_body_size_limit_total",
    "prometheus_target_scrapes_exemplar_out_of_order_total",
    "prometheus_target_scrape_pool_exceeded_target_limit_total",
    "prometheus_target_scrape_pool_exceeded_label_limits_total",
)

Labels = dict[str, str]


class Scraped(NamedTuple):
    """A series as it was scraped: its labels, and each sample with its time in milliseconds."""

    labels: Labels
    samples: list[tuple[int, float]]

    @property
    def values(self) -> list[float]:
        """The values alone."""
        return [value for _, value in self.samples]


class Prometheus(Running):
    """A Prometheus server. A context manager, which begins when it answers queries."""

    def __enter__(self) -> Prometheus:
        try:
            self.wait_for("being ready", lambda: self.get("/-/ready").status == 200)
        except BaseException:
            self.__exit__()
            raise
        return self

    def api(self, path: str) -> Any:
        """What its HTTP API answers."""
        answer = self.get(f"/api/v1/{path}")
        found = json.loads(answer.body)
        assert found["status"] == "success", (path, found)
        return found["data"]

    def query(self, expression: str, milliseconds: int | None = None) -> list[tuple[Labels, float]]:
        """The labels and values of an expression, now or at a time."""
        at = "" if milliseconds is None else f"&time={milliseconds / 1000:.3f}"
        result = self.api(f"query?query={quote(expression)}{at}")["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in result]

    def scraped(self, selector: str) -> list[Scraped]:
        """The samples of the last hour as they were scraped."""
        result = self.api(f"query?query={quote(selector + '[1h]')}")["result"]
        return [
            Scraped(each["metric"], [(round(float(at) * 1000), float(value)) for at, value in each["values"]])
            for each in result
        ]

    def wait_for(self, what: str, found: Callable[[], Any]) -> Any:
        """The first answer that is something."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (answer := found()):
            assert time.monotonic() < deadline, f"{what}: nothing in {PATIENCE_SECONDS} s\n{self.log}"
            time.sleep(0.2)
        return answer

    def errors(self) -> dict[str, str]:
        """The last error of each target that has one, by its job and address."""
        targets = self.api("targets")["activeTargets"]
        return {
            f"{target['labels']['job']} {target['scrapeUrl']}": target["lastError"]
            for target in targets
            if target["lastError"]
        }

    def complaints(self) -> dict[str, float]:
        """What it found wrong with samples that it scraped, by the metric in which it counts that."""
        text = self.get("/metrics").body.decode()
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")
        assert {name for name in COMPLAINTS if name in values} >= set(COMPLAINTS[:4]), "this version counts otherwise"
        return {name: float(values[name]) for name in COMPLAINTS if float(values.get(name, 0))}


def start(
    program: str, folder: Path, configuration: Path | dict[str, Any], *flags: str, listen: str = "127.0.0.1"
) -> Prometheus:
    """Starts a Prometheus with a configuration; it keeps its data in a folder."""
    folder.mkdir(exist_ok=True)
    if not isinstance(configuration, Path):
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(configuration))
        configuration = file
    port = free_port()
    command: Sequence[str] = [
        program,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={listen}:{port}",
        *flags,
    ]
    return Prometheus(command, port, folder / "log", environment(), listen)
