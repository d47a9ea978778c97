"""Marks what starts Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_WITH_RAY = (_HERE / "world", _HERE / "clusters")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of ``world`` and ``clusters``."""
    for item in items:
        if any(folder in item.path.parents for folder in _WITH_RAY):
            item.add_marker(pytest.mark.ray)
