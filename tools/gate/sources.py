"""The parsed source files that the checks look at, and what a check reports."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One broken rule, at one place."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file. ``path`` is relative to the root, with slashes."""

    path: str
    tree: ast.Module = field(repr=False)

    @property
    def module(self) -> str:
        """The dotted name by which the file is imported; a package's own for its ``__init__.py``."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def read_sources(root: Path, folders: Iterable[str]) -> list[Source]:
    """Every Python file below ``folders`` of ``root``, in the order of their paths."""
    return [
        Source(path.relative_to(root).as_posix(), ast.parse(path.read_text(), str(path)))
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
    ]


@dataclass(frozen=True, slots=True)
class Import:
    """``from module import name as alias``; the name is None for ``import module``."""

    line: int
    module: str
    name: str | None
    alias: str

    @property
    def imported(self) -> str:
        """The dotted path of what is imported."""
        return self.module if self.name is None else f"{self.module}.{self.name}"


def imports_of(source: Source) -> Iterator[Import]:
    """Each import, wherever it stands: inside of functions and under TYPE_CHECKING too."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, each.name, None, each.asname or each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            module = node.module
            yield from (Import(node.lineno, module, each.name, each.asname or each.name) for each in node.names)
