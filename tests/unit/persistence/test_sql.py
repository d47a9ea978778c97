"""Statements are found by name, and each name is one that somebody uses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganggpt.persistence import sql
from ganggpt.persistence.journal import journal
from ganggpt.persistence.player_data import player_data
from ganggpt.persistence.ports.player_data import REWORDED, TABLES
from ganggpt.persistence.projections import check, writer
from ganggpt.persistence.sql import load_sql

_ROOT = Path(sql.__file__).parent
_MODULES = sorted(file.with_suffix(".py") for file in _ROOT.rglob("*.sql") if file.with_suffix(".py").exists())
_WITH_SQL = [module for module in _MODULES if module.parent.name != "versions"]


def test_a_statement_is_what_stands_below_its_name_and_its_comment(tmp_path: Path) -> None:
    file = tmp_path / "some.sql"
    file.write_text("-- name: one\n-- For readers.\nSELECT 1\n  AS a\n\n-- name: two\nSELECT 2 -- two\n")
    assert load_sql(file) == {"one": "SELECT 1\n  AS a", "two": "SELECT 2 -- two"}


@pytest.mark.parametrize("module", _WITH_SQL, ids=lambda path: str(path.relative_to(_ROOT)))
def test_a_module_uses_the_statements_of_its_file(module: Path) -> None:
    used = set(re.findall(r'\bSQL\["(\w+)"\]', module.read_text()))
    if module == Path(writer.__file__):
        used |= set(re.findall(r'\bFLUSH\["(\w+)"\]', Path(check.__file__).read_text()))
    if module == Path(player_data.__file__):
        used |= {f"reword_{table}" for table in REWORDED}
    assert used == set(load_sql(module.with_suffix(".sql")))


def test_every_table_can_be_searched_for_a_player_and_cleaned() -> None:
    assert set(player_data.SEARCH) == {"arguments", *TABLES}
    assert set(player_data.DELETE) | set(REWORDED) == {"arguments", *TABLES}


def test_turns_are_written_and_fenced_alike_with_and_without_effects() -> None:
    turns = journal.SQL["append"].removesuffix("\nSELECT count(*) FROM turns")
    assert journal.SQL["append_with_effects"].startswith(f"{turns}, letters AS (")
