"""Finds a class name or module name that stands for two things."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from tools.gate.sources import Problem, Source

_SCRIPTS = "bench/"  # each file measures what it is named after
_NUMBERED = "/migrations/versions/"


@dataclass(frozen=True, slots=True)
class Shared:
    """A written exception: the modules whose path fits one of ``paths`` are one thing, whatever they are called."""

    paths: tuple[str, ...]

    def covers(self, path: str) -> bool:
        """Whether the module at ``path`` belongs to it."""
        return any(fnmatch(path, each) for each in self.paths)


def classes_of_two_things(sources: Sequence[Source]) -> dict[str, list[Problem]]:
    """The places of each public class name that is defined more than once."""
    places: dict[str, list[Problem]] = defaultdict(list)
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                text = f"another class is called {node.name!r} too"
                places[node.name].append(Problem(source.path, node.lineno, text))
    return {name: found for name, found in sorted(places.items()) if len(found) > 1}


def modules_of_two_things(sources: Sequence[Source], shared: Iterable[Shared]) -> dict[str, list[Problem]]:
    """The places of each module name that stands for more than one thing, packages included.

    A module with the name of its own package is that package's chief module, hence the same thing.
    """
    places: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        if source.path.startswith(_SCRIPTS) or _NUMBERED in source.path:
            continue
        *above, name = source.module.split(".")
        if above and above[-1] != name:
            places[name].append(source.path)
    things = list(shared)
    return {
        name: [Problem(path, 1, f"another module is called {name!r} too") for path in paths]
        for name, paths in sorted(places.items())
        if len({_thing_of(path, things) for path in paths}) > 1
    }


def unneeded(sources: Sequence[Source], shared: Iterable[Shared]) -> list[Shared]:
    """The written exceptions that hold no two modules of one name together."""
    idle = []
    for thing in shared:
        names = [source.module.rsplit(".", 1)[-1] for source in sources if thing.covers(source.path)]
        if len(names) == len(set(names)):
            idle.append(thing)
    return idle


def _thing_of(path: str, things: Sequence[Shared]) -> object:
    return next((number for number, thing in enumerate(things) if thing.covers(path)), path)
