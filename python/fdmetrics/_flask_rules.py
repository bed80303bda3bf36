# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The rule of a Flask route as it is written in the program, without importing Flask."""

from __future__ import annotations

from typing import Any, Dict, Optional


def rule_of_environ(environ: Dict[str, Any]) -> Optional[str]:
    """The rule of the request that Flask is answering; None where it has none, or has let go of the request.

    werkzeug puts its request into the environ, and Flask's has the rule. Flask takes it out after it has answered.
    """
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return None if rule is None else str(rule.rule)


def rule_of_url(app: Any, environ: Dict[str, Any]) -> Optional[str]:
    """The rule that a Flask application has for a request; None where it has none, or is no Flask application.

    For a request whose exception has passed Flask, as it does in tests and while debugging: that costs another routing.
    app may be the application, or its wsgi_app.
    """
    url_map = getattr(getattr(app, "__self__", app), "url_map", None)
    if url_map is None or "werkzeug.request" not in environ or environ["werkzeug.request"] is not None:
        return None
    # werkzeug raises where no rule matches.
    try:
        rule, _ = url_map.bind_to_environ(environ).match(return_rule=True)
    except Exception:
        return None
    return str(rule.rule)
