"""Finds what does not work the same on every Python from 3.11.0 to 3.13, and which neither ruff nor mypy reports."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from tools.gate.sources import Problem, Source

_EXCEPT_STAR = "except*: before Python 3.11.4 it puts what is raised inside of it into a group; use errors.first_error"


def unlike_on_some_python(sources: Iterable[Source]) -> Iterator[Problem]:
    """Each ``except*``."""
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.TryStar):
                yield Problem(source.path, node.handlers[0].lineno, _EXCEPT_STAR)
