# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The Python programs that the pages' blocks are, each by itself or together with those it builds on."""

from __future__ import annotations

import re
from typing import NamedTuple

from blocks import Block, block


class Program(NamedTuple):
    """Blocks of one page, in order, after what a reader has already."""

    page: str
    numbers: tuple[int, ...] = (1,)
    #: What the blocks take for granted: imports that the page has named before, and the reader's own application.
    prelude: str = ""
    #: Of a `diff` the lines that it adds are the program.
    language: str = "python"

    @property
    def blocks(self) -> list[Block]:
        """The blocks that it consists of."""
        return [block(self.page, self.language, number) for number in self.numbers]

    @property
    def text(self) -> str:
        """The whole program."""
        text = "".join(each.text for each in self.blocks)
        if self.language == "diff":
            text = re.sub(r"^(\+?)(.*)$", lambda line: line[2] if line[1] else "", text, flags=re.MULTILINE)
        return self.prelude + text

    @property
    def name(self) -> str:
        """As a module's."""
        page = self.page.removesuffix(".md").replace("/", "_").replace("-", "_").lower()
        return "_".join([page, self.language, *map(str, self.numbers)])

    def place(self, line: int) -> str:
        """Where a line of the text comes from, as PAGE:LINE."""
        if line <= (before := self.prelude.count("\n")):
            return f"the prelude of {self.page}, line {line}"
        for each in self.blocks:
            length = each.text.count("\n")
            if line <= before + length:
                return f"{self.page}:{each.line + line - before - 1}"
            before += length
        return f"the end of {self}"

    def __str__(self) -> str:
        return f"{self.page} {self.language} {' '.join(map(str, self.numbers))}"


BOTTLE = """\
from wsgiref.simple_server import demo_app as app
from fdmetrics.wsgi import MetricsMiddleware
"""

PROGRAMS = [
    Program("README.md", (1,)),
    Program("README.md", (2,)),
    Program("docs/fastdeploy.md", (1,), language="diff"),
    Program("docs/fastdeploy.md", (2,), language="diff"),
    Program("docs/fastdeploy.md", (1,)),
    Program("docs/fastdeploy.md", (2, 3)),
    Program("docs/fastdeploy.md", (2, 4)),
    Program("docs/frameworks/README.md", (1,)),
    Program("docs/frameworks/README.md", (2,)),
    Program("docs/frameworks/README.md", (3,), BOTTLE),
    Program("docs/frameworks/celery.md"),
    Program("docs/frameworks/django.md", (1, 2)),
    Program("docs/frameworks/django.md", (1, 3)),
    Program("docs/frameworks/fastapi.md"),
    Program("docs/frameworks/flask.md", (1,)),
    Program("docs/frameworks/flask.md", (2,), "import fdmetrics\nfrom flask import Flask\napp = Flask(__name__)\n"),
    Program("docs/frameworks/gunicorn.md"),
    Program("docs/frameworks/starlette.md", (1,)),
    Program("docs/migration.md", (1,)),
    Program("docs/migration.md", (2,)),
    Program("docs/migration.md", (3,)),
    Program("docs/prometheus-client.md"),
    Program("python/README.md", (1,)),
    Program("python/README.md", (2,), "import zmq\n"),
]

#: Where the last block stands for a line of the first. test_dashboards runs them.
DASHBOARDS = [
    Program("docs/frameworks/celery.md", (1, 2)),
    Program("docs/frameworks/django.md", (1, 2, 4)),
    Program("docs/frameworks/fastapi.md", (1, 2)),
    Program("docs/frameworks/flask.md", (1, 3)),
    Program("docs/frameworks/starlette.md", (1, 2)),
]
