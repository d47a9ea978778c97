"""Writes the table of letters that look like others: ``python3 -m tools.lookalike_table``, with Debian's python3-icu.

The data are those of Unicode's confusables (Unicode Technical Standard 39), as ICU has them. Only letters that NFKC
leaves as they are need a line: the rest is done by ``unicodedata``.
"""

from __future__ import annotations

import importlib
import sys
import unicodedata
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[1] / "ganggpt" / "domain" / "language" / "lookalikes.txt"
_HEAD = """# A letter, a tab, and what it looks like: the confusables of UTS #39, Unicode {version},
# Copyright © 1991-2022 Unicode, Inc., https://www.unicode.org/license.txt; written by tools/lookalike_table.py.
"""


def table(checker: Any) -> list[str]:
    """The lines, in the order of the code points."""
    lines = []
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        if unicodedata.category(letter)[0] not in "LNPSM":
            continue
        if any(unicodedata.normalize(form, letter) != letter for form in ("NFD", "NFKC")):
            continue
        shape = checker.getSkeleton(0, letter)
        if shape != letter:
            lines.append(f"{letter}\t{shape}\n")
    return lines


if __name__ == "__main__":
    icu = importlib.import_module("icu")
    TABLE.write_text(_HEAD.format(version=icu.UNICODE_VERSION) + "".join(table(icu.SpoofChecker())), encoding="utf-8")
