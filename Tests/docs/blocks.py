# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The code blocks of README and of the documents."""

from __future__ import annotations

import re
import textwrap
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("docs", "deploy", "examples")
_FENCE = re.compile(r"( *)```(\w*)")


class Block(NamedTuple):
    """What is between two fences of a page."""

    page: str
    #: The first line of the text in the page, counted from 1.
    line: int
    language: str
    #: Which of the page's blocks of the language it is, counted from 1.
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """All pages, by their path from the top of the checkout."""
    found = [
        *ROOT.glob("*.md"),
        ROOT / "python/README.md",
        *(page for each in FOLDERS for page in (ROOT / each).rglob("*.md")),
    ]
    return sorted(str(page.relative_to(ROOT)) for page in found)


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """The blocks of a page, in their order."""
    found: list[Block] = []
    lines: list[str] | None = None
    language, first, indent = "", 0, ""
    for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if lines is None and fence:
            indent, language = fence.groups()
            lines, first = [], number + 1
        elif lines is not None and line == f"{indent}```":
            of_language = sum(block.language == language for block in found) + 1
            found.append(Block(page, first, language, of_language, textwrap.dedent("\n".join(lines)) + "\n"))
            lines = None
        elif lines is not None:
            lines.append(line)
    assert lines is None, f"{page}:{first}: the block has no end"
    return tuple(found)


def of_language(*languages: str) -> list[Block]:
    """The blocks of all pages in one of these languages."""
    return [block for page in pages() for block in blocks(page) if block.language in languages]


def block(page: str, language: str, number: int = 1) -> Block:
    """A block that a test knows of. Errors: AssertionError where it is gone."""
    for each in blocks(page):
        if (each.language, each.number) == (language, number):
            return each
    raise AssertionError(f"{page} has no block {number} of the language '{language}' any more")
