"""What a mind lets go of reaches its tail once and for all, and what it asks for comes back as a command."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ganggpt.actors.envelope import wrap
from ganggpt.actors.host import outbox
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.companion.commands import GainExperience, Recruit
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.npc.commands import Observe, Talk
from ganggpt.domain.player.rules import Join
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.projections import Found, TailQuestion
from tests.support.eventually import eventually
from tests.support.runtime import Runtime

MARA = "npc:mara"


async def live_through(runtime: Runtime, first: int, last: int) -> None:
    observed = [Observe(f"thing{n} place{n} deed{n}", 30 + n % 60) for n in range(first, last)]
    await runtime.ask(MARA, Talk("hello", "Ava"))
    await runtime.ask_all([wrap(new_command_id(), MARA, "server:test", command) for command in observed])


def held(runtime: Runtime) -> tuple[Memory, ...]:
    memories: tuple[Memory, ...] = runtime.host("host:0").activations[MARA].state.mind.memories
    return memories


def together(runtime: Runtime) -> list[int]:
    """The numbers of all memories in mind and tail."""
    return sorted([m.no for m in held(runtime)] + list(runtime.tail.kept.get(MARA, ())))


async def test_mind_and_tail_together_hold_everything(runtime: Runtime) -> None:
    await live_through(runtime, 0, 300)
    await eventually(lambda: together(runtime) == list(range(1, 302)))
    await eventually(lambda: not runtime.database.outbox)
    assert runtime.host("host:0").stats()["tail_kept"] == len(runtime.tail.kept[MARA])


async def test_what_was_let_go_is_found_again_and_said_to_who_asked(runtime: Runtime) -> None:
    runtime.database.servers.add("one")
    await runtime.ask("player:ava", Join(username="Ava", server="one"), by="server:one")
    await live_through(runtime, 0, 150)
    await eventually(lambda: len(together(runtime)) == 151)
    asked = next(memory for memory in runtime.tail.kept[MARA].values() if memory.kind == "seen")
    reply = await runtime.ask(MARA, Talk(f"do you remember {asked.text}?"))
    assert reply["ok"]
    await eventually(lambda: any(memory.was == asked.no for memory in held(runtime)))
    await eventually(lambda: any(row.type == "npc.said" for row in runtime.heard))
    again = await runtime.ask(MARA, Talk(f"do you remember {asked.text}?"))
    assert again["reply"]["cites"] == next(memory.no for memory in held(runtime) if memory.was == asked.no)
    assert runtime.host("host:0").stats()["tail_asked"] == 1


async def test_a_tail_that_hangs_stops_nobody(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    await live_through(runtime, 0, 150)
    await eventually(lambda: not runtime.database.outbox)
    hanging, go_on = asyncio.Event(), asyncio.Event()

    async def hang(question: TailQuestion) -> Sequence[Found]:
        hanging.set()
        await go_on.wait()
        return []

    monkeypatch.setattr(runtime.tail, "search", hang)
    await runtime.ask(MARA, Talk("do you remember the emerald necklace?"))
    async with asyncio.timeout(5):
        await hanging.wait()
        for n in range(20):
            assert (await runtime.ask(MARA, Talk(f"hello number {n}"), by="player:bob"))["ok"]
    go_on.set()
    await eventually(lambda: not runtime.database.outbox)


async def test_what_was_let_go_while_the_tail_was_away_gets_there_later(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "RESCAN_S", 0.02)
    away, keep = [True], runtime.tail.keep

    async def refuse(*arguments: Any) -> None:
        if away[0]:
            raise Unavailable("the database")
        await keep(*arguments)

    monkeypatch.setattr(runtime.tail, "keep", refuse)
    await live_through(runtime, 0, 120)
    assert runtime.tail.kept == {}
    away[0] = False
    await eventually(lambda: together(runtime) == list(range(1, 122)))


async def test_what_a_killed_host_did_not_bring_to_the_tail_its_successor_does(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = asyncio.Event()

    async def hang(*_: Any) -> None:
        await stuck.wait()

    keep = runtime.tail.keep
    monkeypatch.setattr(runtime.tail, "keep", hang)
    await live_through(runtime, 0, 120)
    monkeypatch.setattr(runtime.tail, "keep", keep)
    await runtime.restart()
    assert (await runtime.ask(MARA, Talk("hello again")))["ok"]
    await eventually(lambda: together(runtime) == list(range(1, 122)))


async def test_a_companion_has_a_tail_of_its_own(runtime: Runtime) -> None:
    rex = "companion:rex"
    runtime.database.servers.add("one")
    await runtime.ask("player:ava", Join(username="Ava", server="one"), by="server:one")
    await runtime.ask(rex, Recruit("player:ava", "Rex", "bodyguard", {"loyalty": 100}), by="player:ava")
    deeds = [GainExperience(1 + n % 60, f"thing{n} place{n} deed{n}") for n in range(120)]
    await runtime.ask_all([wrap(new_command_id(), rex, "player:ava", deed) for deed in deeds])
    await eventually(lambda: bool(runtime.tail.kept.get(rex)))
    asked = next(iter(runtime.tail.kept[rex].values()))
    assert (await runtime.ask(rex, companion.Talk(f"do you remember {asked.text}?"), by="player:ava"))["ok"]
    await eventually(lambda: any(row.type == "companion.said" for row in runtime.heard))
    state = runtime.host("host:0").activations[rex].state
    assert any(memory.was == asked.no for memory in state.mind.memories)
    assert MARA not in runtime.tail.kept
