# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The templates of the routes of a Starlette or FastAPI application, as they are written in the program.

Both put the endpoint that they chose into the scope (a mount puts the mounted application there, until a route of that
one is chosen), but not the prefixes of the mounts and routers around it. So the routes are walked once, and each
endpoint is known by the whole template that leads to it. Nothing is matched a second time for a request, unless
one endpoint has several templates: then its routes are, as the router did it.
"""

from __future__ import annotations

import re
import time
from typing import Any, Collection, Dict, Iterator, List, NamedTuple, Optional, Pattern, Tuple

#: How long an endpoint that a walk has not found must wait for the routes to be walked again, in seconds.
_WALK_AGAIN_SECONDS = 1.0
#: For how many new endpoints in that time the routes are walked at once: an application may make one for each request.
_MOST_WALKS = 4
#: So many endpoints that no walk has found are remembered.
_MOST_UNKNOWN = 16
_PARAMETER = re.compile(r"\{([^{}:]+)(:[^{}]+)?\}")


class Reached(NamedTuple):
    """A route, and what leads to it."""

    endpoint: object
    #: None for a mount, whose requests no route of the mounted one matched.
    template: Optional[str]
    #: A regular expression of the paths, as the converters of the parameters have it.
    pattern: str
    #: None: all.
    methods: Optional[Collection[str]]
    #: What FastAPI puts into the scope as "route".
    route: object


class RouteTemplates:
    """The templates of one application. Any thread may call any method; none takes a lock."""

    def __init__(self, app: object) -> None:
        self._app = app
        self._index = _Index(())
        self._walk_at = 0.0
        self._walks_left = 0
        # The endpoints that no walk has found, by their identity. They are held, so that no other object gets it.
        self._unknown: Dict[int, object] = {}

    def template(self, scope: Any, path: str) -> Optional[str]:
        """The template of the route that answered a request for a path below the application; None where none did."""
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return None
        known = self._index.only.get(id(endpoint))
        return known if known is not None else self._look_up(endpoint, scope, path)

    def _look_up(self, endpoint: object, scope: Any, path: str) -> Optional[str]:
        candidates = self._index.routes.get(id(endpoint))
        if candidates is None and self._may_walk(endpoint):
            # The first request, or a route that was added since.
            routes = routes_of(self._app) or routes_of(scope.get("app"))
            self._index = _Index(tuple(_reached(routes, "", "")))
            candidates = self._index.routes.get(id(endpoint))
            if candidates is None:
                if len(self._unknown) >= _MOST_UNKNOWN:
                    self._unknown.clear()
                self._unknown[id(endpoint)] = endpoint
        if candidates is None:
            # A route that the application's routes do not lead to, such as one behind an application of another kind.
            route = scope.get("route")
            template = getattr(route, "path", None)
            return template if getattr(route, "endpoint", None) is endpoint and isinstance(template, str) else None
        return self._index.chosen(candidates, scope, path).template

    def _may_walk(self, endpoint: object) -> bool:
        now = time.monotonic()
        if now >= self._walk_at:
            self._walk_at = now + _WALK_AGAIN_SECONDS
            self._walks_left = _MOST_WALKS
        elif self._walks_left <= 0 or id(endpoint) in self._unknown:
            return False
        self._walks_left -= 1
        return True


class _Index:
    """Routes by the identity of their endpoint. Holds the endpoints, so that no other object gets their identity."""

    def __init__(self, reached: Tuple[Reached, ...]) -> None:
        self._patterns: Dict[str, Pattern[str]] = {}
        #: All routes of an endpoint, in the order of the program.
        self.routes: Dict[int, List[Reached]] = {}
        for one in reached:
            self.routes.setdefault(id(one.endpoint), []).append(one)
        #: The template of each endpoint that has one.
        self.only: Dict[int, str] = {}
        for key, routes in self.routes.items():
            template = routes[0].template
            if template and all(route.template == template for route in routes):
                self.only[key] = template

    def chosen(self, routes: List[Reached], scope: Any, path: str) -> Reached:
        """The route of several with one endpoint that a router chooses: the first that takes path and method, else the
        first that takes the path, which then answers with 405."""
        if len(routes) == 1:
            return routes[0]
        route = scope.get("route")
        # One that is included several times is several here.
        routes = [one for one in routes if one.route is route] or routes
        matching = [one for one in routes if self._pattern(one.pattern).match(path)]
        method = scope.get("method")
        for one in matching:
            if not one.methods or method in one.methods:
                return one
        return (matching or routes)[0]

    def _pattern(self, text: str) -> Pattern[str]:
        pattern = self._patterns.get(text)
        if pattern is None:
            pattern = self._patterns[text] = re.compile(text + r"\Z")
        return pattern


def _pattern(template: str, converters: Any) -> str:
    pattern, end = "", 0
    for parameter in _PARAMETER.finditer(template):
        pattern += re.escape(template[end : parameter.start()])
        converter = converters.get(parameter.group(1))
        default = ".*" if parameter.group(2) == ":path" else "[^/]+"
        pattern += f"(?:{getattr(converter, 'regex', default)})"
        end = parameter.end()
    return pattern + re.escape(template[end:])


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


def _reached(routes: Optional[List[Any]], prefix: str, pattern: str) -> Iterator[Reached]:
    for route in routes or ():
        included = getattr(route, "effective_route_contexts", None)
        if included is None:
            yield from _reached_by(route, route, prefix, pattern)
            continue
        # A router that FastAPI includes without copying its routes; its contexts have the whole paths.
        for context in included():
            original = getattr(context, "original_route", None)
            yield from _reached_by(getattr(context, "starlette_route", None) or context, original, prefix, pattern)


def _reached_by(route: Any, original: object, prefix: str, prefix_pattern: str) -> Iterator[Reached]:
    path = getattr(route, "path", None) or ""
    template = prefix + path
    pattern = prefix_pattern + _pattern(path, getattr(route, "param_convertors", None) or {})
    endpoint = getattr(route, "endpoint", None)
    if endpoint is not None:
        yield Reached(endpoint, template or "/", pattern, getattr(route, "methods", None), original)
        return
    app = getattr(route, "app", None)
    inner = routes_of(app)
    # A mounted application without routes answers for all that is below its path.
    yield Reached(app, (template or "/") if inner is None else None, pattern + "(?:/.*)?", None, original)
    yield from _reached(inner, template, pattern)
