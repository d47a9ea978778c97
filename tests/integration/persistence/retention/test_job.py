"""``ganggpt retention``: settings in, one round, a report out."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from ganggpt.cli import app
from ganggpt.cli.screen import screen
from ganggpt.cli.world_commands import pool_of
from ganggpt.config import Settings
from ganggpt.errors import StartFailed, Unavailable
from ganggpt.operations.retention import apply_retention
from tests.support.past import Past, npc

pytestmark = pytest.mark.integration


def _settings(**fields: int) -> Settings:
    return Settings(_env_file=None, **fields)


async def test_the_settings_decide_and_what_is_under_way_is_told(past: Past, database: str) -> None:
    await past.make_days(6, 4)
    mara = npc("mara")
    await past.live(mara, 6)
    await past.live(mara, 4, turns=1)
    told: list[str] = []
    done = await apply_retention(_settings(journal_days=5), database, told.append)
    assert done.dropped == [past.name(6)]
    assert any("dropping" in line for line in told)
    assert (await apply_retention(_settings(journal_days=3), database, told.append)).dropped == [past.name(4)]


async def test_a_database_of_another_schema_is_refused_with_the_fix(empty_database: str) -> None:
    with pytest.raises(StartFailed, match="ganggpt migrate"):
        await apply_retention(_settings(), empty_database, print)


async def test_the_command_prints_one_json_object_and_a_dry_run_changes_nothing(
    past: Past, database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await past.make_days(20)
    await past.live(npc("mara"), 20)
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> dict[str, object]:
        result = CliRunner().invoke(app, ["retention", "--json", "--data-dir", str(tmp_path), *words])
        assert result.exit_code == 0, result.output
        found: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
        return found

    try:
        planned = await asyncio.to_thread(run, "--dry-run")
        assert (planned["dry_run"], planned["dropped"]) == (True, [past.name(20)])
        assert await past.days() == [past.name(20), past.name(0)]
        done = await asyncio.to_thread(run)
        assert (done["dry_run"], done["dropped"], done["held"]) == (False, [past.name(20)], {})
        assert await past.days() == [past.name(0)]
    finally:
        screen.as_json = False


async def test_a_database_that_is_unreachable_is_told() -> None:
    with pytest.raises(Unavailable):
        await apply_retention(_settings(), "postgresql://nobody@/none?host=/nonexistent", print)


async def test_commands_that_read_a_world_say_so_where_there_is_none(empty_database: str) -> None:
    with pytest.raises(StartFailed, match="holds no world"):
        async with pool_of(Settings(_env_file=None, database_url=SecretStr(empty_database))):
            pytest.fail("there is nothing to read")
