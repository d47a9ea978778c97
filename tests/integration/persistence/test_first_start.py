"""Mistakes at the first start of a real ``ganggpt up``: a box in seconds, exit status 2, nothing started."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from ganggpt.config import Settings, variable_of
from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

PASSWORD = "Zebra7-Quagga"


async def up(home: Path, environment: Mapping[str, str], *words: str) -> str:
    """What `ganggpt up` says before it ends with 2, in one line, without a traceback or a Ray that it started."""
    bare = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", "up", "--port", "0", "--dashboard-port", "0", *words,
        cwd=home, env={**bare, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environment},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    text = out.decode()
    assert process.returncode == 2, text
    assert "Traceback" not in text
    assert "✓ Ray  " not in text
    assert PASSWORD not in text
    assert "╭─" in text
    return " ".join(line.strip("│ ") for line in text.splitlines() if line.startswith("│"))


VARIABLES = {variable_of(name) for name in Settings.model_fields}


async def test_a_database_and_a_redis_that_are_not_there_are_both_said(tmp_path: Path) -> None:
    given = {
        "DATABASE_URL": f"postgresql://u:{PASSWORD}@127.0.0.1:1/d",
        "REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:2",
    }
    said = await up(tmp_path, given)
    assert "DATABASE_URL: nothing listens at 127.0.0.1:1 (connection refused). Start Postgres there" in said
    assert "REDIS_URL: nothing listens at 127.0.0.1:2 (connection refused). Start Redis there" in said


async def test_a_pgbouncer_without_its_setting_ends_the_start(tmp_path: Path, pgbouncer: str | None) -> None:
    if pgbouncer is None:
        pytest.skip("no pgbouncer on PATH (Debian package pgbouncer)")
    assert "Set GANGGPT_PGBOUNCER=true" in await up(tmp_path, {"DATABASE_URL": pgbouncer})


async def test_a_directory_of_data_that_cannot_be_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = await up(tmp_path, {}, "--data-dir", "file/world")
    # A path that is longer than the box is cut anywhere.
    assert f"{tmp_path / 'file'} is a file".replace(" ", "") in said.replace(" ", "")


async def test_world_files_of_a_new_world_are_checked_before_anything_starts(tmp_path: Path) -> None:
    assert "GANGGPT_WORLD: there is no folder nowhere" in await up(tmp_path, {"GANGGPT_WORLD": "nowhere"})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "world.yaml").write_text("world: {name: 5}\n")
    assert "world.yaml:1: world.name" in await up(tmp_path, {"GANGGPT_WORLD": "mine"})


@pytest.mark.parametrize("name", ["up.lock", "token", "ray-token"])
async def test_a_directory_in_the_place_of_a_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "world" / name).mkdir(parents=True)
    said = await up(tmp_path, {}, "--data-dir", "world")
    assert "cannot be used: Is a directory" in said
    assert name in said.replace(" ", "")


async def test_an_env_file_of_powershell_and_a_mistake_in_the_environment_are_both_said(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("SERVER_PORT=1\n".encode("utf-16"))
    said = await up(tmp_path, {"GANGGPT_SHARDS": "many"})
    assert ".env: it is text in UTF-16" in said
    assert "GANGGPT_SHARDS: it should be a valid integer" in said


async def test_what_the_environment_says_of_other_postgres_servers_does_not_reach_ours(tmp_path: Path) -> None:
    others = {
        "PGHOST": "nowhere.invalid", "PGPORT": "6543", "PGSSLMODE": "verify-full", "PGOPTIONS": "-c nonsense=1",
        "PGUSER": "stranger", "PGDATABASE": "nowhere", "PGTARGETSESSIONATTRS": "standby", "PGCHANNELBINDING": "require",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", "migrate", "--json", "--data-dir", "world",
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), **others}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, out
    assert b"schema" in out
