# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The middleware of the API server.

app = FastAPI()
app.add_middleware(PrometheusMiddleware)
"""

from __future__ import annotations

from typing import Callable, Optional

from .._http_metrics import Excluded
from ..asgi import ASGIApp, MetricsMiddleware, Scope
from .metrics import main_process_metrics

#: The paths that are not recorded. What the model answers is in the catalogue's other metrics.
EXCLUDE_PATHS = ["/health", "/metrics", "/ping", "/load", "/v1/chat/completions", "/v1/completions"]


class PrometheusMiddleware(MetricsMiddleware):
    """Records into http_requests_total and http_request_duration_seconds of main_process_metrics.

    An ASGI middleware, with the rules of fdmetrics.asgi.MetricsMiddleware: the label `path` is the route's template.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        registry: object = None,
        excluded: Optional[Excluded] = None,
        path_of: Optional[Callable[[Scope], Optional[str]]] = None,
    ) -> None:
        """As MetricsMiddleware; excluded: None stands for EXCLUDE_PATHS as it is now."""
        super().__init__(
            app,
            registry=main_process_metrics.registry if registry is None else registry,
            excluded=EXCLUDE_PATHS if excluded is None else excluded,
            path_of=path_of,
        )
