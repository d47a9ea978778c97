"""Finds test modules that import another test module: what two of them need belongs to ``tests/support``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tools.gate.sources import Problem, Source, imports_of

_SHARED = "tests.support"


def imports_between_tests(sources: Iterable[Source]) -> Iterator[Problem]:
    """Each import of another module of tests that is not shared."""
    for source in sources:
        for each in imports_of(source):
            if each.imported.startswith("tests.") and not each.imported.startswith(f"{_SHARED}."):
                yield Problem(source.path, each.line, f"imports {each.module}; what tests share is in tests/support")
