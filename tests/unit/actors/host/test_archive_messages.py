"""What a mind lets go of reaches its archive once and for all, and what it asks for comes back as a command."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ganggpt.actors.envelope import error_of, wrap
from ganggpt.actors.host import archive_messages, outbox, tail_first
from ganggpt.actors.host.archive_messages import ArchiveMessages
from ganggpt.actors.host.delivery import Delivery
from ganggpt.actors.host.tail_first import TailFirst
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.companion.commands import GainExperience, Recruit
from ganggpt.domain.ids import ActorId, new_command_id
from ganggpt.domain.kinds import decode_command, encode_command
from ganggpt.domain.mind.commands import ArchiveMemories, Recollect, SearchArchive
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.npc.commands import Observe, Talk
from ganggpt.domain.player.rules import Join
from ganggpt.domain.turn import Command
from ganggpt.errors import Fenced, GangGPTError, Unavailable
from ganggpt.persistence.ports.journal import OutboxMessage
from ganggpt.persistence.ports.projections import ArchiveQuestion, Found
from tests.support.builders import NOW_S
from tests.support.eventually import eventually
from tests.support.host_parts import Rig, a_rig
from tests.support.runtime import Prompter, Runtime

MARA = "npc:mara"


async def live_through(runtime: Runtime, first: int, last: int) -> None:
    observed = [Observe(f"thing{n} place{n} deed{n}", 30 + n % 60) for n in range(first, last)]
    await runtime.ask(MARA, Talk("hello", "Ava"))
    await runtime.ask_all([wrap(new_command_id(), MARA, "server:test", command) for command in observed])


def held(runtime: Runtime) -> tuple[Memory, ...]:
    memories: tuple[Memory, ...] = runtime.host("host:0").activations[MARA].state.mind.memories
    return memories


def together(runtime: Runtime) -> list[int]:
    """The numbers of all memories in mind and archive."""
    return sorted([m.no for m in held(runtime)] + list(runtime.archive.kept.get(MARA, ())))


async def test_mind_and_archive_together_hold_everything(runtime: Runtime) -> None:
    await live_through(runtime, 0, 300)
    await eventually(lambda: together(runtime) == list(range(1, 302)))
    await eventually(lambda: not runtime.database.outbox)
    assert runtime.host("host:0").stats()["archive_kept"] == len(runtime.archive.kept[MARA])


async def test_what_was_let_go_is_found_again_and_said_to_who_asked(runtime: Runtime) -> None:
    runtime.database.servers.add("one")
    await runtime.ask("player:ava", Join(username="Ava", server="one"), by="server:one")
    await live_through(runtime, 0, 150)
    await eventually(lambda: len(together(runtime)) == 151)
    asked = next(memory for memory in runtime.archive.kept[MARA].values() if memory.kind == "seen")
    for _ in range(2):
        reply = await runtime.ask(MARA, Talk(f"do you remember {asked.text}?"))
        assert reply["reply"]["cites"] == next(memory.no for memory in held(runtime) if memory.was == asked.no)
    assert runtime.host("host:0").stats()["archive_searches"] == 1


async def test_what_the_archive_finds_too_late_for_the_answer_is_said_a_line_later(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.database.servers.add("one")
    await runtime.ask("player:ava", Join(username="Ava", server="one"), by="server:one")
    await live_through(runtime, 0, 150)
    await eventually(lambda: len(together(runtime)) == 151)
    asked = next(memory for memory in runtime.archive.kept[MARA].values() if memory.kind == "seen")
    search, times = runtime.archive.search, itertools.count()

    async def slow_at_first(question: ArchiveQuestion) -> Sequence[Found]:
        if next(times) == 0:
            await asyncio.Event().wait()
        return await search(question)

    monkeypatch.setattr(runtime.archive, "search", slow_at_first)
    reply = await runtime.ask(MARA, Talk(f"do you remember {asked.text}?"))
    assert reply["ok"]
    await eventually(lambda: any(memory.was == asked.no for memory in held(runtime)))
    await eventually(lambda: any(row.type == "npc.said" for row in runtime.heard))


async def test_what_is_said_meanwhile_is_answered_in_order(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    await live_through(runtime, 0, 150)
    await eventually(lambda: not runtime.database.outbox)
    searching, go_on, search = asyncio.Event(), asyncio.Event(), runtime.archive.search

    async def slow(question: ArchiveQuestion) -> Sequence[Found]:
        searching.set()
        await go_on.wait()
        return await search(question)

    monkeypatch.setattr(runtime.archive, "search", slow)
    monkeypatch.setattr(tail_first, "WITHIN_S", 5.0)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(runtime.ask(MARA, Talk("do you remember the emerald necklace?")))
        await searching.wait()
        second = tasks.create_task(runtime.ask(MARA, Talk("hello"), by="player:bob"))
        third = tasks.create_task(runtime.ask(MARA, Talk("bye"), by="player:bob"))
        await asyncio.sleep(0)
        go_on.set()
    assert first.result()["seq"] < second.result()["seq"] < third.result()["seq"]


@pytest.mark.parametrize("error", [Unavailable("the database"), RuntimeError("a bug")])
async def test_an_archive_that_is_down_or_broken_holds_nobody_up(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    await live_through(runtime, 0, 150)
    await eventually(lambda: not runtime.database.outbox)

    async def refuse(question: ArchiveQuestion) -> Sequence[Found]:
        raise error

    monkeypatch.setattr(runtime.archive, "search", refuse)
    assert (await runtime.ask(MARA, Talk("do you remember the emerald necklace?")))["ok"]
    assert (await runtime.ask(MARA, Talk("hello"), by="player:bob"))["ok"]


async def test_a_mistake_before_a_talk_ends_nobody_and_the_talk_is_answered(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live_through(runtime, 0, 3)
    activation = runtime.host("host:0").activations[MARA]

    def mistaken(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(activation, "kind", replace(activation.kind, ahead=mistaken))
    assert (await runtime.ask(MARA, Talk("do you remember the emerald necklace?")))["ok"]


async def test_an_archive_that_hangs_stops_nobody(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    await live_through(runtime, 0, 150)
    await eventually(lambda: not runtime.database.outbox)
    hanging, go_on = asyncio.Event(), asyncio.Event()

    async def hang(question: ArchiveQuestion) -> Sequence[Found]:
        hanging.set()
        await go_on.wait()
        return []

    monkeypatch.setattr(runtime.archive, "search", hang)
    await runtime.ask(MARA, Talk("do you remember the emerald necklace?"))
    async with asyncio.timeout(5):
        await hanging.wait()
        for n in range(20):
            assert (await runtime.ask(MARA, Talk(f"hello number {n}"), by="player:bob"))["ok"]
    go_on.set()
    await eventually(lambda: not runtime.database.outbox)


async def test_what_was_let_go_while_the_archive_was_unreachable_gets_there_later(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "RESCAN_S", 0.02)
    outage, keep = [True], runtime.archive.keep

    async def refuse(*arguments: Any) -> None:
        if outage[0]:
            raise Unavailable("the database")
        await keep(*arguments)

    monkeypatch.setattr(runtime.archive, "keep", refuse)
    await live_through(runtime, 0, 120)
    assert runtime.archive.kept == {}
    outage[0] = False
    await eventually(lambda: together(runtime) == list(range(1, 122)))


async def test_what_a_killed_host_did_not_bring_to_the_archive_its_successor_does(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = asyncio.Event()

    async def hang(*_: Any) -> None:
        await stuck.wait()

    keep = runtime.archive.keep
    monkeypatch.setattr(runtime.archive, "keep", hang)
    await live_through(runtime, 0, 120)
    monkeypatch.setattr(runtime.archive, "keep", keep)
    await runtime.restart()
    assert (await runtime.ask(MARA, Talk("hello again")))["ok"]
    await eventually(lambda: together(runtime) == list(range(1, 122)))


async def test_a_companion_has_an_archive_of_its_own(runtime: Runtime) -> None:
    rex = "companion:rex"
    runtime.database.servers.add("one")
    await runtime.ask("player:ava", Join(username="Ava", server="one"), by="server:one")
    await runtime.ask(rex, Recruit("player:ava", "Rex", "bodyguard", {"loyalty": 100}), by="player:ava")
    deeds = [GainExperience(1 + n % 60, f"thing{n} place{n} deed{n}") for n in range(120)]
    await runtime.ask_all([wrap(new_command_id(), rex, "player:ava", deed) for deed in deeds])
    await eventually(lambda: bool(runtime.archive.kept.get(rex)))
    asked = next(iter(runtime.archive.kept[rex].values()))
    reply = await runtime.ask(rex, companion.Talk(f"do you remember {asked.text}?"), by="player:ava")
    memories = runtime.host("host:0").activations[rex].state.mind.memories
    assert reply["reply"]["cites"] == next(memory.no for memory in memories if memory.was == asked.no)
    assert MARA not in runtime.archive.kept


class Archive:
    """The store; an ``error`` is raised, ``busy`` is how many are under way, ``most`` how many ever were."""

    def __init__(self, error: GangGPTError | None = None) -> None:
        self.kept: list[tuple[int, str, int]] = []
        self.asked: list[ArchiveQuestion] = []
        self.error = error
        self.busy = self.most = 0
        self.go = asyncio.Event()

    async def keep(self, epoch: int, npc: str, memories: Sequence[Memory], held: int) -> None:
        if self.error is not None:
            raise self.error
        self.kept.append((epoch, npc, len(memories)))

    async def search(self, question: ArchiveQuestion) -> Sequence[Found]:
        self.asked.append(question)
        self.busy += 1
        self.most = max(self.most, self.busy)
        await self.go.wait()
        self.busy -= 1
        return [(A_MEMORY, 0.5)]


A_MEMORY = Memory(3, "gift", "Ava gave me a silver watch", 60, "player:ava", "witnessed", NOW_S)


class Scene:
    """Messages to an archive of their own, and what was answered to them."""

    def __init__(self, rig: Rig, archive: Archive) -> None:
        self.rig, self.archive = rig, archive
        self.model = Prompter()
        self.part = ArchiveMessages(rig.identity, archive, self.model, rig.peers)  # type: ignore[arg-type]
        self.answers: dict[bytes, bytes] = {}

    def send(self, command: Command) -> bytes:
        message_id = new_command_id(NOW_S)
        message = OutboxMessage(ActorId(MARA), 1, 0, ActorId(MARA), message_id, command.tag, encode_command(command))
        self.part.send(message, self.answers.__setitem__)
        return message_id

    async def answer_to(self, message_id: bytes) -> bytes:
        await eventually(lambda: message_id in self.answers)
        return self.answers[message_id]


async def test_alone_what_is_kept_is_stored_under_the_epoch_and_answered() -> None:
    scene = Scene(await a_rig(), Archive())
    answer = await scene.answer_to(scene.send(ArchiveMemories((A_MEMORY,), 1)))
    assert error_of(answer) is None
    assert scene.archive.kept == [(scene.rig.identity.epoch, MARA, 1)]
    assert scene.part.kept == 1


async def test_alone_a_fenced_host_leaves_the_message_to_its_successor() -> None:
    scene = Scene(await a_rig(), Archive(Fenced("host:0", 1)))
    error = error_of(await scene.answer_to(scene.send(ArchiveMemories((A_MEMORY,), 1))))
    assert error is not None
    assert error["retryable"]


async def test_alone_what_was_found_goes_to_who_asked_as_a_command_with_the_id_of_the_message() -> None:
    scene = Scene(await a_rig(), Archive())
    scene.archive.go.set()
    message_id = scene.send(SearchArchive("silver watch", "player:ava", NOW_S, 1))
    await eventually(lambda: scene.rig.peers.sent)
    (envelope,) = scene.rig.peers.sent
    assert (envelope.id, envelope.to, envelope.name, envelope.inner) == (message_id, MARA, Recollect.tag, True)
    assert message_id not in scene.answers
    scene.rig.peers.answer(message_id)
    await scene.answer_to(message_id)
    assert scene.part.searches == 1


async def test_alone_a_mind_without_an_archive_gets_the_embedding_of_its_question_and_no_search() -> None:
    scene = Scene(await a_rig(), Archive())
    scene.model.embeds = True
    scene.send(SearchArchive("the blaze", "player:ava", NOW_S, 0))
    await eventually(lambda: scene.rig.peers.sent)
    found = decode_command("npc", Recollect.tag, scene.rig.peers.sent[0].body)
    assert found == Recollect("the blaze", "player:ava", NOW_S, (), scene.model.vector)
    assert scene.archive.asked == []
    assert scene.part.searches == 0
    assert scene.model.embedding_requests.get_nowait() == ("the blaze", "player:ava", MARA)


async def test_alone_only_a_few_questions_are_in_the_database_at_one_time() -> None:
    scene = Scene(await a_rig(), Archive())
    for _ in range(archive_messages.AT_ONCE + 3):
        scene.send(SearchArchive("silver watch", "player:ava", NOW_S, 1))
    await eventually(lambda: scene.archive.busy == archive_messages.AT_ONCE)
    scene.archive.go.set()
    await eventually(lambda: len(scene.rig.peers.sent) == archive_messages.AT_ONCE + 3)
    assert scene.archive.most == archive_messages.AT_ONCE


async def test_alone_nothing_is_answered_after_the_end_of_the_incarnation() -> None:
    scene = Scene(await a_rig(), Archive())
    scene.send(SearchArchive("silver watch", "player:ava", NOW_S, 1))
    await eventually(lambda: scene.archive.busy)
    scene.part.cancel()
    scene.archive.go.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not scene.answers
    assert not scene.rig.peers.sent


async def test_when_a_host_ends_what_waits_for_its_archive_goes_back_to_its_router() -> None:
    rig, archive = await a_rig(), Archive()
    first = TailFirst(archive, NoTurns())
    delivery = Delivery(2)
    asked = wrap(new_command_id(), MARA, "player:ava", Talk("do you remember the boat?"))
    later = wrap(new_command_id(), MARA, "player:bob", Talk("hello"))
    assert first.ask(SearchArchive("the boat", "player:ava", rig.clock.now_s(), 1), asked, delivery, 0)
    assert first.keeps(later, delivery, 1)
    first.cancel()
    async with asyncio.timeout(5):
        await delivery.all_in()
    assert all(b"moved" in reply for reply in delivery.replies)


class NoTurns:
    """Nothing runs any more."""

    def accept(self, *_: Any) -> None:
        raise AssertionError("a turn ran after the host ended")
