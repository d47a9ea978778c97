"""Real worlds played for their rows: an evening, an evening with a model, and faults under load.

A trigger keeps each outbox message, reminder and snapshot as it was written, for the tables only hold the last of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg

from ganggpt.chaos.chaos_run import ChaosPlan, ChaosRun
from ganggpt.client.game_server import GameServer
from ganggpt.demo.fake_parts import every_part, vector_of
from ganggpt.demo.story import (
    NAMES,
    SERVER,
    Demo,
    _player,
)
from ganggpt.persistence.embedded.stores import EmbeddedPostgres
from ganggpt.persistence.migrate import migrate
from ganggpt.runtime.world_process import WorldProcess, token_of
from ganggpt.testing.fake_model import FakeModel, variables_for
from tests.support.frozen.harvest import Harvest

_OPTIONS: Final = ("--port", "0", "--dashboard-port", "0")
_FAULTS: Final = ("kill-host", "kill-own", "restart-postgres")
_EMBEDDING_MODEL: Final = "text-embedding-3-small"
_KEEP: Final = """
CREATE TABLE kept (place bigint GENERATED ALWAYS AS IDENTITY, what text NOT NULL, row jsonb NOT NULL);
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO kept (what, row) VALUES (TG_TABLE_NAME, to_jsonb(NEW)); RETURN NULL; END';
CREATE TRIGGER keep AFTER INSERT OR UPDATE ON outbox FOR EACH ROW EXECUTE FUNCTION keep();
CREATE TRIGGER keep AFTER INSERT OR UPDATE ON reminders FOR EACH ROW EXECUTE FUNCTION keep();
CREATE TRIGGER keep AFTER INSERT OR UPDATE ON snapshots FOR EACH ROW EXECUTE FUNCTION keep();
"""
_TURNS: Final = "SELECT actor, seq, command_id, by, name, body FROM journal ORDER BY actor, seq"
_CAST: Final = "SELECT actor, command, body FROM cast_members ORDER BY actor"
_KEPT: Final = "SELECT what, row::text FROM kept ORDER BY place"


async def evening(data_dir: Path) -> Harvest:
    """The demo without a model; then its Ava is erased and comes back."""
    return await _harvested(data_dir, lambda: _evening_and_erasure(data_dir))


async def evening_with_model(data_dir: Path) -> Harvest:
    """The demo with a stand-in for a model behind the real gateway."""
    return await _harvested(data_dir, lambda: _with_model(data_dir))


async def faults(data_dir: Path) -> Harvest:
    """Three rounds of real faults under a light load."""
    plan = ChaosPlan(rounds=3, seed=1, kinds=_FAULTS, actors=30, per_s=60.0, probes=10)
    return await _harvested(data_dir, lambda: ChaosRun(data_dir, plan, lambda *_: None).play())


async def _evening_and_erasure(data_dir: Path) -> None:
    await Demo(data_dir, lambda _: None, *_OPTIONS).play()
    world, ava = WorldProcess(data_dir, *_OPTIONS), _player(NAMES[0])
    run = await world.start()
    try:
        words = ("erase", ava, "--yes", "--even-online", "--data-dir", str(data_dir))
        erasing = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ganggpt.cli", *words, stdout=asyncio.subprocess.DEVNULL
        )
        if await asyncio.wait_for(erasing.wait(), 120):
            raise RuntimeError("the erasure failed")
        async with GameServer(run.bridge, token_of(run), SERVER) as server:
            await server.send(ava, "Join", {"username": "Ava Again", "server": SERVER})
            await server.send("npc:mara", "Talk", {"text": "Have we met?", "name": "Ava Again"}, by=ava)
    finally:
        await world.stop()


async def _with_model(data_dir: Path) -> None:
    model = FakeModel(every_part)
    model.vector = vector_of
    await model.start()
    try:
        environment = {**variables_for(model), "AZURE_OPENAI_EMBEDDING_DEPLOYMENT": _EMBEDDING_MODEL}
        await Demo(data_dir, lambda _: None, *_OPTIONS, environment=environment).play()
    finally:
        await model.stop()


async def _harvested(data_dir: Path, play: Callable[[], Awaitable[object]]) -> Harvest:
    """Prepare the stores of a data directory so that they keep everything, let a world be played there, and gather."""
    await _with_database(data_dir, _prepare)
    await play()
    return await _with_database(data_dir, _gathered)


async def _with_database(data_dir: Path, work: Callable[[str], Awaitable[Any]]) -> Any:
    server = EmbeddedPostgres(data_dir)
    await asyncio.to_thread(server.start)
    try:
        return await work(server.dsn)
    finally:
        await asyncio.to_thread(server.stop)


async def _prepare(dsn: str) -> None:
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_KEEP)
    finally:
        await connection.close()


async def _gathered(dsn: str) -> Harvest:
    found = Harvest()
    connection = await asyncpg.connect(dsn)
    try:
        for actor, seq, command_id, by, name, body in await connection.fetch(_TURNS):
            found.turns.setdefault(actor, []).append((seq, command_id.bytes, by, name, bytes(body)))
        found.commands += [(actor, name, bytes(body)) for actor, name, body in await connection.fetch(_CAST)]
        for what, text in await connection.fetch(_KEPT):
            row: Mapping[str, Any] = json.loads(text)
            body = bytes.fromhex(row["body"].removeprefix("\\x"))
            if what == "snapshots":
                found.snapshots.setdefault(row["actor"], []).append((row["seq"], body))
            elif what == "outbox":
                found.messages.append((row["target"], row["name"], body))
            else:
                found.reminders.append((row["actor"], row["command"], body))
    finally:
        await connection.close()
    return found
