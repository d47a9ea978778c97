"""Named statements in ``.sql`` files beside the modules that run them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def load_sql(file: Path) -> Mapping[str, str]:
    """The statements of a file by name. Each stands below a line ``-- name: …``; comment lines between that line and
    the statement are for readers and do not reach the database."""
    statements = {}
    for section in file.read_text(encoding="utf-8").split("-- name: ")[1:]:
        name, *lines = section.splitlines()
        while lines[0].startswith("--"):
            lines.pop(0)
        statements[name] = "\n".join(lines).strip()
    return statements
