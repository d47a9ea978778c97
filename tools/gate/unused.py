"""Finds definitions that nothing in the program refers to. Tests do not count as use.

Two views complete each other. Vulture knows methods, attributes and unreachable lines, but goes by the bare name: a
name that is used anywhere is used everywhere. What stands at the top of a module is therefore looked up exactly: by its
name in its own module, by an import, by an attribute of the imported module, or by a dotted path in a string or a
configuration file.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vulture.core import Vulture

from tools.gate.sources import Problem, Source, imports_of

# A decorator that registers what it decorates is a use; these return it, changed or not, and keep no reference.
_PLAIN_DECORATORS = frozenset(
    {"dataclass", "final", "runtime_checkable", "total_ordering", "cache", "lru_cache", "contextmanager"}
    | {"asynccontextmanager", "overload", "override", "property", "staticmethod", "classmethod", "abstractmethod"}
)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_KNOWN_TO_VULTURE = frozenset({"method", "property", "attribute", "unreachable_code"})
_DOTTED = re.compile(r"\b((?:ganggpt|bench)(?:\.\w+)*)[.:](\w+)")


def unused_definitions(root: Path, sources: Sequence[Source], configuration: Iterable[str]) -> dict[str, list[Problem]]:
    """The places of each unused name. ``configuration``: texts outside of Python that may name a function."""
    found: dict[str, list[Problem]] = {}
    for name, problem in [*_by_vulture(root, sources), *_at_top_level(sources, configuration)]:
        found.setdefault(name, []).append(problem)
    return found


def _by_vulture(root: Path, sources: Sequence[Source]) -> Iterator[tuple[str, Problem]]:
    """What vulture finds inside of classes, but for fields of records: those are read as a whole (``asdict``, a codec,
    a row)."""
    vulture = Vulture()
    fields: set[str] = set()
    registered: set[tuple[str, int]] = set()
    for source in sources:
        vulture.scan((root / source.path).read_text(), source.path)
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                fields |= set(_fields(node))
            if isinstance(node, _DEFINITIONS) and _is_registered(node):
                registered.add((source.path, node.decorator_list[0].lineno))
    for item in vulture.get_unused_code():
        read_whole = item.typ == "attribute" and item.name in fields
        place = (str(item.filename), item.first_lineno)
        if item.typ in _KNOWN_TO_VULTURE and not read_whole and place not in registered:
            yield item.name, Problem(str(item.filename), item.first_lineno, item.message)


def _fields(record: ast.ClassDef) -> Iterator[str]:
    for each in record.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            yield each.target.id


def _at_top_level(sources: Sequence[Source], configuration: Iterable[str]) -> Iterator[tuple[str, Problem]]:
    used = set(_references(sources, configuration))
    for source in sources:
        named = _names_read(source.tree)
        for name, node in _definitions(source.tree):
            # Recursion is no use: what the definition itself reads does not count.
            if (source.module, name) not in used and named[name] == _names_read(node)[name]:
                yield name, Problem(source.path, node.lineno, f"nothing uses {name!r}")


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    for node in tree.body:
        if isinstance(node, _DEFINITIONS):
            if not _is_registered(node):
                yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for each in ast.walk(target):
                    if isinstance(each, ast.Name) and not each.id.startswith("__"):
                        yield each.id, node


def _is_registered(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    return any(_name_of(each) not in _PLAIN_DECORATORS for each in node.decorator_list)


def _name_of(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _references(sources: Sequence[Source], configuration: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Module and name of each reference from another file."""
    for source in sources:
        modules: dict[str, str] = {}  # the name by which an imported module goes in this file
        for each in imports_of(source):
            modules[each.alias] = each.imported
            if each.name is not None:
                yield each.module, each.name
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute):
                named = ast.unparse(node.value)
                yield modules.get(named, named), node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from _dotted_in(node.value)
    for text in configuration:
        yield from _dotted_in(text)


def _dotted_in(text: str) -> Iterator[tuple[str, str]]:
    yield from ((match[1], match[2]) for match in _DOTTED.finditer(text))


def _names_read(tree: ast.AST) -> Counter[str]:
    return Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
