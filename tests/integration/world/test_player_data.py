"""Everything about a player is exported, and after the erasure nothing of them is left anywhere."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio as redis_client

from ganggpt.client.game_server import GameServer
from ganggpt.runtime.run_file import Run
from ganggpt.runtime.world_process import WorldProcess, token_of
from ganggpt.testing.fake_model import FakeModel, variables_for
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

NAME = "Zephyrine"
SECRET = "my sister hides a quetzal in the old lighthouse"
MARKS = ("zephyrine", "quetzal", "Zephyrine", "ZEPHYRINE", "zeph@example.org", "rustbucket", "quillon", "Quillon")
"""What only she and her words brought into the world."""


def spoken(body: Mapping[str, Any]) -> str:
    """The fake model says her words back, so that they stand in prompts, answers and pushes."""
    heard = json.dumps(body["messages"])
    say = f"So, {NAME}, a quetzal in the lighthouse. I will keep it quiet." if "quetzal" in heard else "Quiet night."
    return json.dumps({"say": say, "actions": []})


@pytest.fixture(scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    model = FakeModel(spoken, piece_s=0.001)
    await model.start()
    environment = {**variables_for(model), "GANGGPT_OWN_ACTORS_MAX": "0", "GANGGPT_AI_RECORD_DAYS": "7"}
    process = WorldProcess(
        tmp_path_factory.mktemp("player-data"), "--port", "0", "--dashboard-port", "0", environment=environment
    )
    yield await process.start()
    await process.stop()
    await model.stop()


async def cli(run: Run, *arguments: str) -> Any:
    """What a command of ours says as JSON; its errors are the test's."""
    return json.loads(await lines_of(run, *arguments))


async def lines_of(run: Run, *arguments: str) -> str:
    """The lines of JSON of a command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", *arguments, "--json", "--data-dir", run.data_dir,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 180)
    assert process.returncode == 0, err.decode()
    return out.decode()


TAIL_OF_DOG = """
INSERT INTO npc_memories (npc_id, memory_type, content, terms)
VALUES ('companion:quillon', 'note', '{"text": "It rained"}', array_to_tsvector(ARRAY['rain']))
"""
"""Something her companion let go of that says nothing of her."""


async def everything(pool: Any) -> dict[str, str]:
    """Every row of every table as text, bytes with what they hold; also what nobody thought of."""
    tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename")
    found = {}
    for (table,) in tables:
        rows = await pool.fetch(f"SELECT * FROM {table}")
        found[table] = "\n".join(repr(tuple(row.values())) for row in rows)
    return found


async def traces(run: Run, pool: Any) -> dict[str, list[str]]:
    """Which marks of the player stand where."""
    places = await everything(pool)
    async with redis_client.from_url(run.redis) as client:
        for key in await client.keys("*"):
            kind = (await client.type(key)).decode()
            read = {"string": client.get, "set": client.smembers, "stream": client.xrange}.get(kind)
            places[f"redis {key!r}"] = repr((key, await read(key) if read is not None else ""))
    return {place: held for place, text in places.items() if (held := [mark for mark in MARKS if mark in text])}


async def until_in(run: Run, pool: Any, places: set[str]) -> None:
    """Wait until the player is found in all of these."""
    missing: set[str] = set()

    async def none_missing() -> bool:
        missing.clear()
        missing.update(places - (await traces(run, pool)).keys())
        return not missing

    await eventually(none_missing, "something of the player is in all places", 20, every_s=0.2, seen=lambda: missing)


async def play(run: Run) -> None:
    """She joins, talks, gives, takes a mission, recruits, and others speak of her."""
    async with GameServer(run.bridge, token_of(run), "rights") as game:
        for name, username in (("zephyrine", NAME), ("ben", "Benedict")):
            email = {"email": "zeph@example.org"} if name == "zephyrine" else {}
            await ok(game, f"player:{name}", "Join", {"username": username, "server": "rights", **email})
        me = {"by": "player:zephyrine"}
        await ok(game, "npc:mara", "Talk", {"text": f"I am {NAME} and {SECRET}.", "name": NAME}, **me)
        await ok(game, "npc:mara", "Give", {"item": "rustbucket", "value": 900, "name": NAME}, **me)
        await ok(game, "npc:mara", "Threaten", {"text": "Tell nobody or I burn the quetzal nest.", "name": NAME}, **me)
        await game.send("npc:mara", "AskForWork", {"name": NAME}, **me)
        dog = {"owner": "player:zephyrine", "name": "Quillon", "companion_type": "dog", "personality": {"loyalty": 60}}
        await ok(game, "companion:quillon", "Recruit", dog)
        await ok(game, "companion:quillon", "Talk", {"text": "You guard the quetzal, Quillon."}, **me)
        theft = {"what": f"{NAME} stole a lawnmower", "about": "player:zephyrine", "weight": 60}
        await ok(game, "npc:tobias", "Observe", theft)
        await ok(
            game, "npc:tobias", "Talk", {"text": f"{NAME} is a thief, I promise you.", "name": "Ben"}, by="player:ben"
        )
        await ok(game, "player:zephyrine", "Report", {"deeds": [{"verb": "eliminate", "target": "thug"}]}, **me)
        await ok(game, "player:zephyrine", "Quit", {}, **me)


async def ok(game: GameServer, actor: str, command: str, body: Mapping[str, Any], **options: Any) -> Any:
    answer = await game.send(actor, command, dict(body), **options)
    assert answer.ok, (actor, command, answer)
    return answer.reply


async def test_a_player_is_written_down_and_then_forgotten_everywhere(run: Run, tmp_path: Path) -> None:
    await play(run)
    async with asyncpg.create_pool(run.database, min_size=1, max_size=2) as pool:
        await until_in(run, pool, {"npc_memories", "journal", "ai_exchanges", "companions"})

        await pool.execute(TAIL_OF_DOG)

        told = await cli(run, "export", "zephyrine")
        assert {"player:zephyrine", "npc:mara", "npc:tobias", "companion:quillon"} <= told["actors"].keys()
        assert SECRET in json.dumps(told["actors"]["npc:mara"])
        assert "zeph@example.org" in json.dumps(told["tables"]["players"])
        assert told["tables"]["ai_exchanges"]

        shown = [json.loads(line) for line in (await lines_of(run, "erase", "zephyrine", "--dry-run")).splitlines()]
        assert {"table", "row", "field", "before", "after"} == shown[0].keys()
        assert {"snapshots", "journal", "ai_exchanges", "players"} <= {change["table"] for change in shown}
        assert not await pool.fetchval("SELECT count(*) FROM erasures"), "it only shows"
        assert SECRET in json.dumps(await cli(run, "export", "zephyrine"))

        erased = await cli(run, "erase", "zephyrine", "--yes")
        assert erased["done"] is True
        assert erased["minds"] >= 3
        assert await traces(run, pool) == {}
        assert not await pool.fetchval("SELECT count(*) FROM npc_memories WHERE npc_id = 'companion:quillon'")
        marks = json.loads((Path(run.data_dir) / "snapshots" / "erased-players.json").read_text())
        assert len(marks) == 1
        assert "zephyrine" not in json.dumps(marks)

    async with GameServer(run.bridge, token_of(run), "rights") as game:
        again = await ok(game, "npc:tobias", "Talk", {"text": "Who is a thief?", "name": "Ben"}, by="player:ben")
        assert NAME not in json.dumps(again)
        joined = await ok(game, "player:zephyrine", "Join", {"username": NAME, "server": "rights"})
        assert joined["new"] is True
    verified = await cli(run, "verify")
    assert verified["holds"] is True
