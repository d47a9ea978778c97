"""A mind and its archive over a real Postgres: nothing is lost between them, what was let go is found again, and a
restored world remembers it too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ganggpt.domain.mind.archive import SEARCH_EVERY_S
from ganggpt.domain.npc.commands import Observe, Revise, Talk
from ganggpt.domain.player.rules import Join
from ganggpt.operations.snapshots import restore_snapshot, take_snapshot
from ganggpt.operations.verify import verify_world
from tests.support.eventually import eventually
from tests.support.live_town import LiveTown, fetch, living

pytestmark = pytest.mark.integration

NewDatabase = Callable[[], Awaitable[str]]
SHOWN = "SELECT content->>'no', terms IS NOT NULL FROM npc_memories WHERE npc_id = 'mara'"
ARCHIVE = (
    "SELECT content->>'text' FROM npc_memories WHERE npc_id = 'mara' AND terms IS NOT NULL ORDER BY created_at, id"
)


async def _lives_through(live: LiveTown, count: int) -> None:
    await live.ask("player:ava", Join("Ava", "ls-1"))
    await live.ask("npc:mara", Revise(room=64), by="server:ls-1")
    for n in range(count):
        seen = Observe(f"hid barrel{n} behind shed{n * 7} on quay{n * 3}", 40 + n % 50, "player:ava" if n % 3 else None)
        await live.ask("npc:mara", seen)


async def _held(live: LiveTown) -> set[int]:
    host = live.fleet.host("host:0")._host
    assert host is not None
    return {memory.no for memory in host.activations["npc:mara"].state.mind.memories}


async def _comes_back(live: LiveTown, text: str) -> None:
    """Mara is asked for something she no longer has in mind, and has it in mind again."""
    told = text.replace("A stranger ", "")
    await live.ask("npc:mara", Talk("hello", "Ava"), "player:ava")

    async def may_ask() -> bool:
        host = live.fleet.host("host:0")._host
        assert host is not None
        return host.identity.clock.now_s() - host.activations["npc:mara"].state.mind.asked_s >= SEARCH_EVERY_S

    await eventually(may_ask, "some time since she last asked her archive", 60)
    await live.ask("npc:mara", Talk(f"do you remember who {told}?", "Ava"), "player:ava")

    async def in_mind() -> bool:
        host = live.fleet.host("host:0")._host
        assert host is not None
        return any(m.text == text and m.was for m in host.activations["npc:mara"].state.mind.memories)

    await eventually(in_mind, "what came back from the archive", 60)


async def test_mind_and_archive_lose_nothing_and_a_restored_world_has_both(
    town: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    async with living(town) as live:
        await _lives_through(live, 180)

        async def all_there() -> bool:
            rows = await fetch(town, SHOWN)
            archived = {int(no) for no, archive in rows if archive}
            return archived | await _held(live) == set(range(1, 181)) and len(rows) == 180

        await eventually(all_there, "every memory in the tables, held or in the archive", 60)
        ((first, *_),) = [await fetch(town, ARCHIVE)]
        await _comes_back(live, first[0])
        await eventually(_settled(town), "no message on its way", 60)
        await take_snapshot(town, str(tmp_path), name="live")
    assert (await verify_world(town)).findings == ()
    target = await new_database()
    await restore_snapshot(target, f"{tmp_path}/live")
    kept = await fetch(target, ARCHIVE)
    assert kept == await fetch(town, ARCHIVE)
    async with living(target) as live:
        await _comes_back(live, kept[5][0])


def _settled(dsn: str) -> Callable[[], Awaitable[bool]]:
    async def settled() -> bool:
        return not await fetch(dsn, "SELECT 1 FROM outbox LIMIT 1")

    return settled


async def test_a_flush_after_a_crash_leaves_the_archive_alone(town: str) -> None:
    async with living(town) as live:
        await _lives_through(live, 120)
        await eventually(_settled(town), "no message on its way", 60)
        before = await fetch(town, ARCHIVE)
        assert len(before) > 40
        await live.fleet.kill("host:0")
        await live.fleet.start("host:0", "shared")
        await live.ask("npc:mara", Observe("sank a trawler off the point", 90))

        async def shown() -> bool:
            rows = await fetch(town, "SELECT 1 FROM npc_memories WHERE content->>'text' LIKE '%trawler%'")
            return bool(rows)

        await eventually(shown, "what happened after the crash", 60)
        assert set(before) <= set(await fetch(town, ARCHIVE))
    assert (await verify_world(town)).findings == ()
