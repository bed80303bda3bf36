# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The JSON of Grafana's panels, rows and template variables, as far as the dashboard needs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
#: The grid of a dashboard has 24 columns; a row's panels share them.
GRID_WIDTH = 24


class Query(NamedTuple):
    """A PromQL expression, and what its series are called: {{label}} stands for a label's value."""

    expression: str
    legend: str = ""


class Panel(NamedTuple):
    """A panel, without its place."""

    kind: str
    title: str
    queries: Sequence[Query]
    unit: str = "short"
    description: str = ""
    #: Values from which a stat is coloured: orange, red.
    limits: tuple[float, float] | None = None
    #: Where a graph's axis begins; None: with the least value.
    least: float | None = 0
    #: Series whose names match are drawn below zero.
    below_zero: str = ""
    width: int = 8
    height: int = 8


def _target(query: Query, number: int, kind: str) -> Json:
    target: Json = {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expression,
        "legendFormat": query.legend or "__auto",
        "range": kind in ("timeseries", "heatmap"),
        "instant": kind in ("stat", "table"),
        "refId": chr(ord("A") + number),
    }
    if kind == "heatmap":
        target |= {"format": "heatmap", "legendFormat": "{{le}}"}
    if kind == "table":
        target |= {"format": "table"}
    return target


def _options(panel: Panel) -> Json:
    if panel.kind == "timeseries":
        return {
            "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    if panel.kind == "stat":
        return {
            "colorMode": "value" if panel.limits else "none",
            "graphMode": "area",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "auto",
        }
    if panel.kind == "heatmap":
        return {
            "calculate": False,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "scale": "exponential", "exponent": 0.5},
            # Cells without a request are left empty.
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"show": True, "yHistogram": False},
            "yAxis": {"axisPlacement": "left", "unit": panel.unit},
        }
    return {"showHeader": True}


def _field_config(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.limits:
        steps += [{"color": color, "value": value} for color, value in zip(("orange", "red"), panel.limits)]
    defaults: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        defaults["custom"] = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}
        if panel.least is not None:
            defaults["min"] = panel.least
    overrides: list[Json] = []
    if panel.below_zero:
        overrides.append(
            {
                "matcher": {"id": "byRegexp", "options": panel.below_zero},
                "properties": [{"id": "custom.transform", "value": "negative-Y"}],
            }
        )
    return {"defaults": defaults, "overrides": overrides}


def _panel_json(panel: Panel, number: int, x: int, y: int) -> Json:
    found: Json = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": _field_config(panel),
        "options": _options(panel),
        "targets": [_target(query, index, panel.kind) for index, query in enumerate(panel.queries)],
    }
    if panel.kind == "table":
        # Each query's labels are columns of one table; the time says nothing.
        hidden = {"Time": True, "Value": True, "__name__": True}
        found["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
    return found


def placed(rows: Mapping[str, Sequence[Panel]]) -> Iterator[Json]:
    """The rows and their panels from left to right, each as low as the one before leaves room."""
    number = y = 0
    for title, panels in rows.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": GRID_WIDTH, "h": 1},
            "panels": [],
        }
        y += 1
        x = height = 0
        for panel in panels:
            if x + panel.width > GRID_WIDTH:
                x, y, height = 0, y + height, 0
            number += 1
            yield _panel_json(panel, number, x, y)
            x, height = x + panel.width, max(height, panel.height)
        y += height


def choice(name: str, label: str, query: str) -> Json:
    """A variable of several values, all of them at first."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def dashboard(title: str, uid: str, variables: Sequence[Json], panels: Iterable[Json]) -> Json:
    """The whole dashboard, in the schema of Grafana 10."""
    source: Json = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return {
        "title": title,
        "uid": uid,
        "tags": ["fdmetrics"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, *variables]},
        "annotations": {"list": []},
        "links": [],
        "panels": list(panels),
    }
