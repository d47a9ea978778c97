"""Verification finds what disagrees, says whose it is, and makes the tables right again."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import msgspec
import pytest

from ganggpt.domain.messages import ShiftRelation
from ganggpt.domain.mission.rules import Accept
from ganggpt.domain.npc.commands import AskForWork, Talk
from ganggpt.domain.player.rules import Join
from ganggpt.errors import Fenced
from ganggpt.operations.journal_replay import Finding
from ganggpt.operations.snapshots import take_snapshot
from ganggpt.operations.verify import Verified, verify_world
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.projections.writer import PostgresFlush
from tests.support.live_town import LOS_SANTOS, fetch, living, until_delivered

pytestmark = pytest.mark.integration


@pytest.fixture
async def lived(town: str) -> str:
    """A world where a little of everything has happened; it is down, and its journal begins at the beginning."""
    async with living(town) as live:
        await live.ask("player:ava", Join("Ava", "ls-1", "ava@stone.org"))
        for faction in sorted(LOS_SANTOS.factions)[:3]:
            await live.ask(f"faction:{faction}", _shift(faction))
        missions = 0
        for npc, sheet in LOS_SANTOS.npcs.items():
            await live.ask(f"npc:{npc}", Talk(f"hello, I am Ava and I like {sheet.role}s"), "player:ava")
            if sheet.missions and missions < 2:
                reply = await live.ask(f"npc:{npc}", AskForWork(), "player:ava")
                await until_delivered(town)
                await live.ask(reply["reply"]["mission"], Accept(), "player:ava")
                missions += 1
        await until_delivered(town)
    # A while later: what was flushed just now may otherwise count as not to be shown yet.
    await fetch(town, "UPDATE journal SET at = at - interval '10 s'")
    return town


def _shift(faction: str) -> ShiftRelation:
    other = next(name for name in sorted(LOS_SANTOS.factions) if name != faction)
    return ShiftRelation(other, -5, "an insult")


def checks(verified: Verified) -> set[tuple[str, str]]:
    return {(finding.check, finding.actor) for finding in verified.findings}


async def test_an_honest_world_has_nothing_to_hide(lived: str, tmp_path: Path) -> None:
    taken = await take_snapshot(lived, str(tmp_path), name="one")
    for source in (None, taken.url):
        verified = await verify_world(lived, source=source)
        assert verified.findings == ()
        assert verified.holds
        assert verified.actors == verified.proved > 5
        assert verified.behind == 0
    assert (await verify_world(None, source=taken.url)).findings == ()


@pytest.mark.parametrize(
    ("spoil", "actor"),
    [
        ("UPDATE players SET cash = cash + 1000000 WHERE actor = 'player:ava'", "player:ava"),
        ("UPDATE players SET email = 'thief@evil.org' WHERE actor = 'player:ava'", "player:ava"),
        ("DELETE FROM npc_memories WHERE npc_id = 'mara'", "npc:mara"),
        ("UPDATE npc_memories SET emotional_weight = 1 WHERE npc_id = 'mara'", "npc:mara"),
        ("UPDATE npc_memories SET content = content || '{\"text\": \"forged\"}' WHERE npc_id = 'mara'", "npc:mara"),
        ("INSERT INTO npc_memories (npc_id, memory_type, content) VALUES ('mara', 'note', '{}')", "npc:mara"),
        ("UPDATE factions SET treasury = 0", "faction:*"),
        ("UPDATE faction_relationships SET strength = 100", "faction:*"),
        ("UPDATE missions SET status = 'completed'", "mission:*"),
        ("UPDATE npcs SET retired = true WHERE id = 'mara'", "npc:mara"),
        ("DELETE FROM npcs WHERE id = 'mara'", "npc:mara"),
        ("INSERT INTO npcs (id, actor, name, role, district) VALUES ('x', 'npc:x', 'X', 'x', 'x')", "npc:x"),
    ],
)
async def test_a_table_that_lies_is_found_and_repaired(lived: str, spoil: str, actor: str) -> None:
    await fetch(lived, "INSERT INTO players (username, email) VALUES ('imported', 'imported@old.org')")
    await fetch(lived, spoil)
    found = await verify_world(lived)
    assert not found.holds
    assert {check for check, _ in checks(found)} == {"tables"}
    assert all(who == actor or (actor.endswith("*") and who.startswith(actor[:-1])) for _, who in checks(found))
    repaired = await verify_world(lived, repair=True)
    assert repaired.repaired == found.disagreements > 0
    assert repaired.holds
    after = await verify_world(lived)
    assert after.findings == ()
    assert await fetch(lived, "SELECT count(*) FROM players WHERE actor IS NULL") == [(1,)]
    async with living(lived) as live:
        await live.ask("npc:mara", Talk("all well again?"), "player:ava")
    assert (await verify_world(lived)).findings == ()


async def test_who_never_lived_is_listed_as_the_world_files_say(town: str) -> None:
    assert (await verify_world(town)).findings == ()
    await fetch(town, "DELETE FROM npcs WHERE id = 'mara'")
    await fetch(town, "UPDATE npcs SET district = 'nowhere' WHERE id = 'tobias'")
    assert checks(await verify_world(town)) == {("tables", "npc:mara"), ("tables", "npc:tobias")}
    assert (await verify_world(town, repair=True)).repaired == 2
    assert (await verify_world(town)).findings == ()


async def test_a_double_or_a_wrong_snapshot_is_found(lived: str) -> None:
    actors = await fetch(lived, "SELECT actor FROM snapshots WHERE actor LIKE 'npc:%' ORDER BY 1 LIMIT 4")
    wrong, holed, broken, double = [actor for (actor,) in actors]
    swap = "UPDATE snapshots a SET body = b.body FROM snapshots b WHERE a.actor = $1 AND b.actor = $2"
    await fetch(lived, swap, wrong, holed)
    await fetch(lived, "DELETE FROM journal WHERE actor = $1 AND seq = 1", holed)
    await fetch(lived, "UPDATE snapshots SET body = '\\x93' WHERE actor = $1", broken)
    ava = "(SELECT command_id FROM journal WHERE actor = 'player:ava' AND seq = 1)"
    await fetch(lived, f"UPDATE journal SET command_id = {ava} WHERE actor = $1 AND seq = 1", double)
    found = checks(await verify_world(lived))
    assert ("snapshot", wrong) in found
    assert ("readable", broken) in found
    assert any(check == "commands" for check, _ in found)
    assert not any(actor == holed for _, actor in found), "its snapshot covers the turn that is gone"


async def test_a_hole_after_the_snapshot_is_found(lived: str) -> None:
    await fetch(lived, "DELETE FROM snapshots WHERE actor = 'player:ava'")
    await fetch(lived, "DELETE FROM journal WHERE actor = 'player:ava' AND seq = 2")
    found = (await verify_world(lived)).findings
    assert Finding("journal", "player:ava", "turn 2 is missing before turn 3") in found


async def test_messages_and_reminders_in_the_wrong_shard_are_found(lived: str) -> None:
    await fetch(lived, "UPDATE reminders SET shard = 's:999'")
    found = await verify_world(lived)
    assert {check for check, _ in checks(found)} == {"reminders"}
    assert not found.holds


async def test_a_snapshot_that_knows_another_past_than_the_database_is_found(lived: str, tmp_path: Path) -> None:
    taken = await take_snapshot(lived, str(tmp_path), name="one")
    await fetch(lived, "UPDATE journal SET body = body || '\\x00' WHERE actor = 'player:ava' AND seq = 1")
    found = checks(await verify_world(lived, source=taken.url))
    assert ("snapshot file", "player:ava") in found


async def test_a_live_world_can_be_verified_but_not_repaired(lived: str) -> None:
    async with living(lived) as live:
        for n in range(20):
            await live.ask("npc:mara", Talk(f"have you heard number {n}?"), "player:ava")
        verified = await verify_world(lived)
        assert verified.findings == ()


async def test_who_takes_over_during_a_repair_fences_it(lived: str) -> None:
    """The repair is a host by its epoch: when its row is dead its writes are refused."""
    async with asyncpg.create_pool(lived, min_size=1, max_size=3) as pool:
        hosts = PostgresHosts(pool, cluster="repair")
        epoch = (await hosts.register("repair", "own")).epoch
        await hosts.fence(epoch)
        with pytest.raises(Fenced):
            await PostgresFlush(pool).flush(epoch, [], 1.0)
    assert msgspec.json.encode((await verify_world(lived)).holds) == b"true"
