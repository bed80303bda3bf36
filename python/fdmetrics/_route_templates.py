# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The templates of the routes of a Starlette or FastAPI application, as they are written in the program.

Both put the endpoint that they chose into the scope (a mount puts the mounted application there, until a route of that
one is chosen), but not the prefixes of the mounts and routers around it. So the routes are walked once, and each
endpoint is known by the whole template that leads to it. Nothing is matched a second time for a request, unless
one endpoint has several templates.
"""

from __future__ import annotations

import re
import time
from typing import Any, Dict, Iterator, List, Optional, Pattern, Tuple

#: How long an endpoint that is not found must wait for the routes to be walked again, in seconds.
_WALK_AGAIN_SECONDS = 1.0
_PARAMETER = re.compile(r"\{[^{}:]+(:[^{}]+)?\}")

# An endpoint and the template of its requests: None for a mount, whose requests no route of the mounted one matched.
Reached = Tuple[object, Optional[str]]


class RouteTemplates:
    """The templates of one application. Any thread may call any method; none takes a lock."""

    def __init__(self, app: object) -> None:
        self._app = app
        self._index = _Index(())
        self._walk_at = 0.0

    def template(self, scope: Any, path: str) -> Optional[str]:
        """The template of the route that answered a request for a path below the application; None where none did."""
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return None
        known = self._index.only.get(id(endpoint))
        return known if known is not None else self._look_up(endpoint, scope, path)

    def _look_up(self, endpoint: object, scope: Any, path: str) -> Optional[str]:
        candidates = self._index.templates.get(id(endpoint))
        if candidates is None and time.monotonic() >= self._walk_at:
            # The first request, or a route that was added since.
            self._walk_at = time.monotonic() + _WALK_AGAIN_SECONDS
            routes = routes_of(self._app) or routes_of(scope.get("app"))
            self._index = _Index(tuple(_reached(routes, "")))
            candidates = self._index.templates.get(id(endpoint))
        if candidates is None:
            # A route that the application's routes do not lead to, such as one behind an application of another kind.
            route = scope.get("route")
            template = getattr(route, "path", None)
            return template if getattr(route, "endpoint", None) is endpoint and isinstance(template, str) else None
        if len(candidates) > 1:
            for candidate in candidates:
                if candidate is not None and self._index.pattern(candidate).match(path):
                    return candidate
        return candidates[0]


class _Index:
    """Templates by the identity of their endpoint. Holds the endpoints, so that no other object gets their identity."""

    def __init__(self, reached: Tuple[Reached, ...]) -> None:
        self._reached = reached
        self._patterns: Dict[str, Pattern[str]] = {}
        #: All templates of an endpoint, in the order of the routes.
        self.templates: Dict[int, List[Optional[str]]] = {}
        for endpoint, template in reached:
            templates = self.templates.setdefault(id(endpoint), [])
            if template not in templates:
                templates.append(template)
        #: The template of each endpoint that has one.
        self.only: Dict[int, str] = {
            key: templates[0] for key, templates in self.templates.items() if len(templates) == 1 and templates[0]
        }

    def pattern(self, template: str) -> Pattern[str]:
        """What the paths of a template look like."""
        pattern = self._patterns.get(template)
        if pattern is None:
            pattern = self._patterns[template] = re.compile(_pattern(template))
        return pattern


def _pattern(template: str) -> str:
    pattern, end = "", 0
    for parameter in _PARAMETER.finditer(template):
        pattern += re.escape(template[end : parameter.start()])
        pattern += ".*" if parameter.group(1) == ":path" else "[^/]+"
        end = parameter.end()
    # A mounted application without routes answers for all that is below its path.
    return f"{pattern}{re.escape(template[end:])}(/.*)?\\Z"


def routes_of(app: Any) -> Optional[List[Any]]:
    """The routes of an application, through the middlewares around it; None where it has none."""
    for _ in range(100):
        routes = getattr(app, "routes", None)
        if isinstance(routes, list):
            return routes
        app = getattr(app, "app", None)
        if app is None:
            break
    return None


def _reached(routes: Optional[List[Any]], prefix: str) -> Iterator[Reached]:
    for route in routes or ():
        included = getattr(route, "effective_route_contexts", None)
        if included is None:
            yield from _reached_by(route, prefix)
            continue
        # A router that FastAPI includes without copying its routes; its contexts have the whole paths.
        for context in included():
            yield from _reached_by(getattr(context, "starlette_route", None) or context, prefix)


def _reached_by(route: Any, prefix: str) -> Iterator[Reached]:
    template = prefix + (getattr(route, "path", None) or "")
    endpoint = getattr(route, "endpoint", None)
    if endpoint is not None:
        yield endpoint, template or "/"
        return
    app = getattr(route, "app", None)
    inner = routes_of(app)
    yield app, (template or "/") if inner is None else None
    yield from _reached(inner, template)
