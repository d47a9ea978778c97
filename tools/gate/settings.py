"""Finds settings that no code reads."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from tools.gate.sources import Problem, Source

SETTINGS = "ganggpt/config.py"


def unread_settings(sources: Sequence[Source]) -> dict[str, Problem]:
    """The fields of ``Settings`` that nothing outside of its module reads, by name.

    A setting is read by ``settings.<field>`` (any expression whose source ends in "settings"), or named in a string,
    as ``getattr`` wants it.
    """
    declared = next(source for source in sources if source.path == SETTINGS)
    read = {name for source in sources if source is not declared for name in _read_in(source)}
    return {
        name: Problem(SETTINGS, line, f"nothing reads the setting {name!r}")
        for name, line in _fields(declared)
        if name not in read
    }


def _fields(source: Source) -> list[tuple[str, int]]:
    settings = next(node for node in source.tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    return [
        (node.target.id, node.lineno)
        for node in settings.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]


def _read_in(source: Source) -> set[str]:
    read = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("settings"):
            read.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            read.add(node.value)
    return read
