"""Which reasons of Refused the rules of a command can raise, read from their code.

A rule raises what stands in its own body and in that of everything of the domain it names: functions it calls or hands
on, tables of functions, methods of whatever object has a method of that name. So nothing is missed; what is named and
never called would be listed too many, and a test that provokes every reason would miss it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import types
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import ganggpt.domain

Definition = tuple[str, str]
"""A module and a name in it, or a class and a method of it with a dot between."""


@cache
def _modules() -> dict[str, types.ModuleType]:
    found = pkgutil.walk_packages(ganggpt.domain.__path__, "ganggpt.domain.")
    return {module.name: importlib.import_module(module.name) for module in found}


@cache
def _bodies() -> dict[Definition, ast.AST]:
    """Every function, class and constant of the domain, and every method."""
    bodies: dict[Definition, ast.AST] = {}
    for name, module in _modules().items():
        for node in ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8")).body:
            for defined in _names_of(node):
                bodies[name, defined] = node
            if isinstance(node, ast.ClassDef):
                for part in node.body:
                    if isinstance(part, ast.FunctionDef):
                        bodies[name, f"{node.name}.{part.name}"] = part
    return bodies


def _names_of(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def _named_in(module: str, node: ast.AST) -> Iterator[Definition]:
    """What of the domain a body names."""
    names = vars(_modules()[module])
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and part.id in names:
            yield _origin(module, part.id, names[part.id])
        elif isinstance(part, ast.Attribute):
            value = names.get(part.value.id) if isinstance(part.value, ast.Name) else None
            if isinstance(value, types.ModuleType):
                yield value.__name__, part.attr
            else:
                yield from (known for known in _bodies() if known[1].endswith(f".{part.attr}"))


def _origin(module: str, name: str, value: Any) -> Definition:
    """Where something that a module names is defined."""
    if inspect.isfunction(value):
        return value.__module__, value.__name__
    if (module, name) in _bodies():
        return module, name
    same = (one for one in _bodies() if one[1] == name and vars(_modules()[one[0]])[name] is value)
    return next(same, (module, name))


def reasons_of(rule: Callable[..., Any], without: frozenset[str] = frozenset()) -> set[str]:
    """The reasons a rule can raise. ``without``: names of the rule's module that are not followed."""
    while isinstance(rule, partial):
        rule = rule.func
    first = (rule.__module__, rule.__name__)
    open_, seen, reasons = [first], {first, *((rule.__module__, name) for name in without)}, set[str]()
    while open_:
        module, name = open_.pop()
        body = _bodies().get((module, name))
        if body is None:
            continue
        reasons |= set(raised_in(body))
        for named in _named_in(module, body):
            if named not in seen:
                seen.add(named)
                open_.append(named)
    return reasons


def raised_in(node: ast.AST) -> Iterator[str]:
    """The reasons of every Refused in a body; each has to be written out there."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "Refused":
            reason = part.args[0]
            assert isinstance(reason, ast.Constant), f"line {reason.lineno}: a reason is a word that stands there"
            yield str(reason.value)
