"""The rules of the layout that no library checks: ``python -m tools.gate``. Ends with 1 when one is broken.

Layers, the independence of kinds and circles are contracts of import-linter in ``pyproject.toml``. What is let through
stands in ``allowed.toml`` beside this file, each with its reason; an entry that is not needed any more is reported too.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tools.gate.names import (
    Shared,
    classes_of_two_things,
    modules_of_two_things,
    unneeded_for_classes,
    unneeded_for_modules,
)
from tools.gate.python_versions import unlike_on_some_python
from tools.gate.settings import unread_settings
from tools.gate.sources import Problem, Source, read_sources
from tools.gate.test_modules import imports_between_tests
from tools.gate.unused import unused_definitions

ROOT = Path(__file__).parents[2]
ALLOWED = Path(__file__).with_name("allowed.toml")
PROGRAM = ("ganggpt", "bench")
_FOR_TESTS = "ganggpt/testing/"  # fakes for the tests of whoever uses the library, and ours
_CONFIGURATION = (
    "pyproject.toml",
    "Dockerfile",
    "compose.yaml",
    "k8s/**/*.yaml",
    "k8s/**/*.env",
    "deploy/**/*.yaml",
    "cluster/*.yaml",
)


def problems_in(root: Path, allowed: Path) -> Iterator[Problem]:
    """Everything that is wrong below ``root``."""
    exceptions = tomllib.loads(allowed.read_text())
    where = allowed.name
    program = read_sources(root, PROGRAM)
    tests = read_sources(root, ["tests"])
    yield from imports_between_tests(tests)
    yield from unlike_on_some_python([*program, *tests, *read_sources(root, ["tools"])])
    unread = {name: [problem] for name, problem in unread_settings(program).items()}
    yield from _not_allowed(unread, exceptions["settings"], where)
    classes, modules = ([Shared(tuple(each["paths"])) for each in exceptions[of]] for of in ("classes", "modules"))
    yield from classes_of_two_things(program, classes)
    yield from modules_of_two_things(program, modules)
    for each in [*unneeded_for_classes(program, classes), *unneeded_for_modules(program, modules)]:
        yield Problem(where, 1, f"no name is used twice in {', '.join(each.paths)}")
    yield from _not_allowed(_unused(root, program), _names(exceptions["unused"]), where)


def _unused(root: Path, program: list[Source]) -> dict[str, list[Problem]]:
    configuration = [path.read_text() for pattern in _CONFIGURATION for path in sorted(root.glob(pattern))]
    everything = [*program, *read_sources(root, ["tests"])]
    by_program = unused_definitions(root, program, configuration)
    by_anything = unused_definitions(root, everything, configuration)
    found: dict[str, list[Problem]] = {}
    for name, problems in by_program.items():
        found[name] = [each for each in problems if not each.path.startswith(_FOR_TESTS)]
    for name, problems in by_anything.items():
        found.setdefault(name, []).extend(each for each in problems if each.path.startswith(_FOR_TESTS))
    return {name: problems for name, problems in found.items() if problems}


def _names(entries: Iterable[Mapping[str, object]]) -> list[str]:
    return [name for entry in entries for name in entry["names"]]  # type: ignore[attr-defined]


def _not_allowed(found: Mapping[str, list[Problem]], allowed: Iterable[str], where: str) -> Iterator[Problem]:
    names = set(allowed)
    yield from _flat(problems for name, problems in found.items() if name not in names)
    yield from (Problem(where, 1, f"{name!r} is not needed any more") for name in sorted(names - found.keys()))


def _flat(groups: Iterable[Iterable[Problem]]) -> Iterator[Problem]:
    return (problem for group in groups for problem in group)


def main() -> int:
    """Print what is wrong; the code to exit with."""
    problems = sorted(set(problems_in(ROOT, ALLOWED)))
    for problem in problems:
        print(problem)  # noqa: T201 - the report
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
