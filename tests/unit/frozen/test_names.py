"""Nobody outside notices that the code was rearranged: what others call us by is as recorded.

A change that is meant for them records it anew (``python -m tests.support.frozen names``), and its commit shows what
it changes for them.
"""

from __future__ import annotations

import difflib

import pytest

from tests.support.frozen.names import RECORDS


@pytest.mark.parametrize("name", RECORDS)
def test_what_others_call_us_by_is_as_recorded(name: str) -> None:
    path, made = RECORDS[name]
    recorded, now = path.read_text(encoding="utf-8").splitlines(), made().splitlines()
    changes = "\n".join(difflib.unified_diff(recorded, now, path.name, "now", lineterm="", n=1))
    if changes:
        pytest.fail(f"what others call us by has changed:\n{changes}", pytrace=False)
