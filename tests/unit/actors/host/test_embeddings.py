"""What a host's actors learned gets a meaning: gathered, asked for once, told back; and nothing depends on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from ganggpt.actors.host import embeddings
from ganggpt.actors.host.archive_letters import TailLetters
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.kinds import encode_command, encode_state
from ganggpt.domain.mind.commands import ArchiveMemories, Remember, SearchArchive
from ganggpt.domain.mind.memory import Embedding, Memory
from ganggpt.domain.npc.rules import Give, Observe, Talk
from ganggpt.errors import Unavailable
from ganggpt.persistence.journal.journal import Letter
from tests.unit.actors.conftest import Runtime

AVA, MARA, OTIS = "player:ava", "npc:mara", "npc:otis"
WATCH = "Ava gave me a silver watch"


async def until(fact: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(5):
        while not await fact():
            await asyncio.sleep(0.005)


@pytest.fixture
def meaning(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """A world with a model of embeddings that is asked soon."""
    monkeypatch.setattr(embeddings, "GATHER_S", 0.05)
    runtime.model.embeds = True
    return runtime


async def asked(runtime: Runtime) -> Sequence[str]:
    async with asyncio.timeout(5):
        return await runtime.model.meanings.get()


def held(runtime: Runtime, actor: str = MARA) -> tuple[Memory, ...]:
    memories: tuple[Memory, ...] = runtime.host("host:0").hot[actor].state.mind.memories
    return memories


async def test_what_was_learned_gets_a_meaning(meaning: Runtime) -> None:
    await meaning.ask(MARA, Give("silver watch", 400, "Ava"), by=AVA)
    assert list(await asked(meaning)) == ["Ava gave me a silver watch"]

    async def known() -> bool:
        return [m.embedding for m in held(meaning)] == [meaning.model.vector]

    await until(known)
    assert meaning.host("host:0").counts.meant == 1
    view = await meaning.view(MARA)
    assert [m["model"] for m in view["reply"]["memories"]] == ["m"]


async def test_news_of_all_actors_go_in_one_request_and_equal_texts_once(meaning: Runtime) -> None:
    await meaning.ask(MARA, Remember("The bridge is closed", weight=40), by=OTIS)
    await meaning.ask(MARA, Remember("A van burned", weight=40), by=OTIS)
    await meaning.ask("npc:mara", Remember("The bridge is closed", kind="seen", weight=40), by=OTIS)
    assert list(await asked(meaning)) == ["The bridge is closed", "A van burned"]

    async def known() -> bool:
        return [m.embedding is not None for m in held(meaning)] == [True, True, True]

    await until(known)
    assert meaning.model.meanings.empty()


async def test_what_weighs_little_is_not_asked_for(meaning: Runtime) -> None:
    await meaning.ask(MARA, Observe("A cat crossed the street", 12), by="server:test")
    await meaning.ask(MARA, Observe("A lorry hit the pier", 60), by="server:test")
    assert list(await asked(meaning)) == ["A lorry hit the pier"]


async def test_without_a_model_of_embeddings_nothing_is_asked(runtime: Runtime) -> None:
    await runtime.ask(MARA, Give("silver watch", 400, "Ava"), by=AVA)
    assert len(runtime.host("host:0").meanings) == 0
    assert runtime.model.meanings.empty()


async def test_where_the_model_fails_the_memory_stays_and_it_is_counted(meaning: Runtime) -> None:
    meaning.model.vector = Unavailable("the model")
    await meaning.ask(MARA, Give("silver watch", 400, "Ava"), by=AVA)
    await asked(meaning)

    async def counted() -> bool:
        return meaning.host("host:0").counts.unmeant == 1

    await until(counted)
    assert [m.text for m in held(meaning)] == [WATCH]
    meaning.model.vector = Embedding("m", b"\x01\x02")
    await meaning.ask(MARA, Give("brass key", 200, "Ava"), by=AVA)
    assert list(await asked(meaning)) == ["Ava gave me a brass key"]


async def test_over_the_bound_nothing_waits(meaning: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "WAITING_MAX", 0)
    await meaning.ask(MARA, Give("silver watch", 400, "Ava"), by=AVA)
    assert meaning.host("host:0").counts.unmeant == 1
    assert len(meaning.host("host:0").meanings) == 0


async def test_the_meaning_comes_back_after_a_restart(meaning: Runtime) -> None:
    await meaning.ask(MARA, Give("silver watch", 400, "Ava"), by=AVA)

    async def known() -> bool:
        return held(meaning)[0].embedding is not None

    await until(known)
    await meaning.ask(MARA, Give("brass key", 200, "Ava"), by=AVA)
    before = encode_state(meaning.host("host:0").hot[MARA].state.mind.memories[0])
    await meaning.restart()
    await meaning.ask(MARA, Talk("Hello"), by=AVA)
    assert encode_state(held(meaning)[0]) == before


async def test_a_question_to_the_tail_gets_a_meaning_on_its_way(meaning: Runtime) -> None:
    past = Memory(3, "gift", "Ava gave me a silver watch", 60, AVA, "witnessed", meaning.database.clock())
    await meaning.ask(MARA, Talk("Hello"), by=AVA)
    tail, epoch = meaning.tail, meaning.host("host:0").epoch
    await tail.keep(epoch, MARA, ArchiveMemories((past,), 1).memories, 1)
    seen = []
    search = tail.search

    async def noted(question):  # type: ignore[no-untyped-def]
        seen.append(question)
        return await search(question)

    tail.search = noted  # type: ignore[method-assign]
    question = SearchArchive("silver watch", AVA, meaning.database.clock(), 1)
    done = asyncio.get_running_loop().create_future()
    letter = Letter(MARA, 1, 0, MARA, new_command_id(), SearchArchive.tag, encode_command(question))
    TailLetters(meaning.host("host:0"), tail).send(letter, lambda _, answer: done.set_result(answer))
    await asyncio.wait_for(done, 5)
    assert [one.embedding for one in seen] == [meaning.model.vector]
