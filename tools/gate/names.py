"""Finds a class name or module name that stands for two things."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

from tools.gate.sources import Problem, Source

_SCRIPTS = "bench/"  # each file measures what it is named after
_NUMBERED = "/migrations/versions/"
_Place: TypeAlias = tuple[str, str, int]
"""A name, the file and the line where it stands for something."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A written exception: what bears one name in the modules that fit one of ``paths`` is one thing.

    A star in a path stands for one folder or file.
    """

    paths: tuple[str, ...]

    def covers(self, path: str) -> bool:
        """Whether the module at ``path`` belongs to it."""
        return any(PurePosixPath(path).match(each) for each in self.paths)


def classes_of_two_things(sources: Iterable[Source], shared: Sequence[Shared]) -> Iterator[Problem]:
    """Each place of a public class name that stands for more than one thing."""
    return _of_two_things(_classes(sources), "class", shared)


def modules_of_two_things(sources: Iterable[Source], shared: Sequence[Shared]) -> Iterator[Problem]:
    """Each place of a module name that stands for more than one thing, packages included."""
    return _of_two_things(_modules(sources), "module", shared)


def unneeded_for_classes(sources: Iterable[Source], shared: Iterable[Shared]) -> list[Shared]:
    """The written exceptions in which no class name is used twice."""
    return _unneeded(list(_classes(sources)), shared)


def unneeded_for_modules(sources: Iterable[Source], shared: Iterable[Shared]) -> list[Shared]:
    """The written exceptions in which no module name is used twice."""
    return _unneeded(list(_modules(sources)), shared)


def _classes(sources: Iterable[Source]) -> Iterator[_Place]:
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, source.path, node.lineno


def _modules(sources: Iterable[Source]) -> Iterator[_Place]:
    """A module with the name of its own package is that package's chief module, hence no place of its own."""
    for source in sources:
        *above, name = source.module.split(".")
        if above and above[-1] != name and not source.path.startswith(_SCRIPTS) and _NUMBERED not in source.path:
            yield name, source.path, 1


def _of_two_things(places: Iterable[_Place], what: str, shared: Sequence[Shared]) -> Iterator[Problem]:
    by_name: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for name, path, line in places:
        by_name[name].append((path, line))
    for name, found in by_name.items():
        if len(found) > 1 and len({_thing_of(path, shared) for path, _ in found}) > 1:
            yield from (Problem(path, line, f"another {what} is called {name!r} too") for path, line in found)


def _unneeded(places: Sequence[_Place], shared: Iterable[Shared]) -> list[Shared]:
    idle = []
    for thing in shared:
        names = [name for name, path, _ in places if thing.covers(path)]
        if len(names) == len(set(names)):
            idle.append(thing)
    return idle


def _thing_of(path: str, shared: Sequence[Shared]) -> int | str:
    return next((number for number, thing in enumerate(shared) if thing.covers(path)), path)
