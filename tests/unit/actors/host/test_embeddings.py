"""What actors of a host learned gets an embedding: gathered, asked for once, told back; and nothing depends on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from ganggpt.actors.host import embeddings
from ganggpt.actors.host.archive_messages import ArchiveMessages
from ganggpt.actors.host.embeddings import Embeddings
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.kinds import encode_command, encode_state
from ganggpt.domain.mind.commands import (
    ArchiveMemories,
    Embed,
    Remember,
    SearchArchive,
)
from ganggpt.domain.mind.memory import Remembered
from ganggpt.domain.mind.memory_record import Embedding, Memory
from ganggpt.domain.npc.commands import Give, Observe, Talk
from ganggpt.domain.player.rules import Join
from ganggpt.errors import Refused, Unavailable
from ganggpt.persistence.ports.journal import OutboxMessage
from tests.support.builders import NOW_S
from tests.support.eventually import eventually
from tests.support.host_parts import Rig, a_rig, running
from tests.support.runtime import Prompter, Runtime

AVA, MARA, OTIS = "player:ava", "npc:mara", "npc:otis"
WATCH = "Ava gave me a silver watch"


@pytest.fixture
def embedding_runtime(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """A world with a model of embeddings that is asked soon."""
    monkeypatch.setattr(embeddings, "GATHER_S", 0.05)
    runtime.model.embeds = True
    return runtime


async def asked(runtime: Runtime) -> Sequence[str]:
    async with asyncio.timeout(5):
        return await runtime.model.embedding_requests.get()


def held(runtime: Runtime, actor: str = MARA) -> tuple[Memory, ...]:
    memories: tuple[Memory, ...] = runtime.host("host:0").activations[actor].state.mind.memories
    return memories


async def test_without_a_model_that_talks_a_memory_is_said_a_moment_after_words_did_not_find_it(
    embedding_runtime: Runtime,
) -> None:
    runtime, model = embedding_runtime, embedding_runtime.model
    runtime.database.servers.add("one")
    await runtime.ask(AVA, Join(username="Ava", server="one"), by="server:one")
    model.embeds = False
    await runtime.ask(MARA, Talk("hello", "Ava"), by=AVA)
    model.embeds = True
    await runtime.ask(MARA, Observe("Celia torched the old cinema", 60), by="server:one")
    await eventually(lambda: held(runtime)[-1].embedding is not None)
    reply = await runtime.ask(MARA, Talk("How did that blaze begin?", "Ava"), by=AVA)
    assert reply["reply"]["cites"] != held(runtime)[-1].no
    await eventually(lambda: any(row.type == "npc.said" for row in runtime.heard))
    said = next(msgspec.msgpack.decode(row.body) for row in runtime.heard if row.type == "npc.said")
    assert (said["cites"], said["act"]) == (held(runtime)[-1].no, "gossip")
    assert model.asked.empty()


async def test_what_was_learned_gets_an_embedding(embedding_runtime: Runtime) -> None:
    await embedding_runtime.ask(MARA, Give("silver watch", 400, "Ava"), by=AVA)
    assert list(await asked(embedding_runtime)) == ["Ava gave me a silver watch"]

    async def known() -> bool:
        return [m.embedding for m in held(embedding_runtime)] == [embedding_runtime.model.vector]

    await eventually(known)
    assert embedding_runtime.host("host:0").embeddings.embedded == 1
    view = await embedding_runtime.view(MARA)
    assert [m["model"] for m in view["reply"]["memories"]] == ["m"]


async def test_news_of_all_actors_go_in_one_request_and_equal_texts_once(
    embedding_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "GATHER_S", 60.0)
    monkeypatch.setattr(embeddings, "TEXTS_AT_ONCE", 2)  # the request leaves when the second text arrives
    await embedding_runtime.ask(MARA, Remember("The bridge is closed", weight=40), by=OTIS)
    await embedding_runtime.ask(MARA, Remember("The bridge is closed", kind="seen", weight=40), by=OTIS)
    await embedding_runtime.ask(MARA, Remember("A van burned", weight=40), by=OTIS)
    assert list(await asked(embedding_runtime)) == ["The bridge is closed", "A van burned"]

    async def known() -> bool:
        return [m.embedding is not None for m in held(embedding_runtime)] == [True, True, True]

    await eventually(known)
    assert embedding_runtime.model.embedding_requests.empty()


async def test_what_weighs_little_is_not_asked_for(embedding_runtime: Runtime) -> None:
    await embedding_runtime.ask(MARA, Observe("A cat crossed the street", 12), by="server:test")
    await embedding_runtime.ask(MARA, Observe("A lorry hit the pier", 60), by="server:test")
    assert list(await asked(embedding_runtime)) == ["A lorry hit the pier"]


async def test_without_a_model_of_embeddings_nothing_is_asked(runtime: Runtime) -> None:
    await runtime.ask(MARA, Give("silver watch", 400, "Ava"), by=AVA)
    assert len(runtime.host("host:0").embeddings) == 0
    assert runtime.model.embedding_requests.empty()


async def test_where_the_model_fails_the_memory_stays_and_it_is_counted(embedding_runtime: Runtime) -> None:
    embedding_runtime.model.vector = Unavailable("the model")
    await embedding_runtime.ask(MARA, Give("silver watch", 400, "Ava"), by=AVA)
    await asked(embedding_runtime)

    async def counted() -> bool:
        return embedding_runtime.host("host:0").embeddings.missed == 1

    await eventually(counted)
    assert [m.text for m in held(embedding_runtime)] == [WATCH]
    embedding_runtime.model.vector = Embedding("m", b"\x01\x02")
    await embedding_runtime.ask(MARA, Give("brass key", 200, "Ava"), by=AVA)
    assert list(await asked(embedding_runtime)) == ["Ava gave me a brass key"]


async def test_over_the_bound_nothing_waits(embedding_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "WAITING_MAX", 0)
    await embedding_runtime.ask(MARA, Give("silver watch", 400, "Ava"), by=AVA)
    assert embedding_runtime.host("host:0").embeddings.missed == 1
    assert len(embedding_runtime.host("host:0").embeddings) == 0


async def test_the_embedding_comes_back_after_a_restart(embedding_runtime: Runtime) -> None:
    await embedding_runtime.ask(MARA, Give("silver watch", 400, "Ava"), by=AVA)

    async def known() -> bool:
        return held(embedding_runtime)[0].embedding is not None

    await eventually(known)
    await embedding_runtime.ask(MARA, Give("brass key", 200, "Ava"), by=AVA)
    before = encode_state(embedding_runtime.host("host:0").activations[MARA].state.mind.memories[0])
    await embedding_runtime.restart()
    await embedding_runtime.ask(MARA, Talk("Hello"), by=AVA)
    assert encode_state(held(embedding_runtime)[0]) == before


async def test_a_question_to_the_archive_gets_an_embedding_on_its_way(embedding_runtime: Runtime) -> None:
    past = Memory(3, "gift", "Ava gave me a silver watch", 60, AVA, "witnessed", embedding_runtime.database.clock())
    await embedding_runtime.ask(MARA, Talk("Hello"), by=AVA)
    archive, epoch = embedding_runtime.archive, embedding_runtime.host("host:0").identity.epoch
    await archive.keep(epoch, MARA, ArchiveMemories((past,), 1).memories, 1)
    seen = []
    search = archive.search

    async def noted(question):  # type: ignore[no-untyped-def]
        seen.append(question)
        return await search(question)

    archive.search = noted  # type: ignore[method-assign]
    question = SearchArchive("silver watch", AVA, embedding_runtime.database.clock(), 1)
    done = asyncio.get_running_loop().create_future()
    message = OutboxMessage(MARA, 1, 0, MARA, new_command_id(), SearchArchive.tag, encode_command(question))
    host = embedding_runtime.host("host:0")
    ArchiveMessages(host.identity, archive, embedding_runtime.model, embedding_runtime.router).send(
        message, lambda _, answer: done.set_result(answer)
    )
    await asyncio.wait_for(done, 5)
    assert [one.embedding for one in seen] == [embedding_runtime.model.vector]


class Alone:
    """The part with a model that says one vector for everything, and writes down whose texts it was asked for."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.model = rig, Prompter()
        self.owners: list[str | None] = []
        embed = self.model.embed

        async def noted(texts: Sequence[str], owners: Sequence[str | None]) -> list[Embedding]:
            self.owners.extend(owners)
            return await embed(texts, owners)

        self.model.embed = noted  # type: ignore[method-assign]
        self.part = Embeddings(self.model, rig.peers, rig.clock)  # type: ignore[arg-type]

    def learned(self, actor: str, text: str, about: str | None = None, no: int = 1) -> None:
        memory = Memory(no, "gift", text, 60, about, "witnessed", NOW_S)
        self.part.note(self.rig.awake(actor), 4, [Remembered(memory)])


async def test_alone_equal_texts_are_asked_once_and_told_to_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "GATHER_S", 0.01)
    alone = Alone(await a_rig())
    alone.learned(MARA, "A van burned")
    alone.learned(OTIS, "A van burned")
    async with running(alone.part.run()):
        await eventually(lambda: len(alone.rig.peers.sent) == 2)
    assert {(e.to, e.name) for e in alone.rig.peers.sent} == {(MARA, Embed.tag), (OTIS, Embed.tag)}
    assert alone.model.embedding_requests.qsize() == 1


async def test_alone_a_text_about_one_player_is_theirs_and_one_about_several_is_nobodys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embeddings, "GATHER_S", 0.01)
    alone = Alone(await a_rig())
    alone.learned(MARA, "Ava paid me", about=AVA)
    alone.learned(MARA, "They paid me", about=AVA, no=2)
    alone.learned(OTIS, "They paid me", about="player:bob")
    async with running(alone.part.run()):
        await eventually(lambda: len(alone.owners) == 2)
    assert alone.owners == [AVA, None]


async def test_alone_a_full_request_leaves_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "TEXTS_AT_ONCE", 2)
    alone = Alone(await a_rig())
    for n in range(3):
        alone.learned(MARA, f"A van burned at pier {n}", no=n)
    async with running(alone.part.run()):
        await eventually(lambda: len(alone.rig.peers.sent) == 2)
    assert len(alone.part) == 1


async def test_alone_it_counts_what_got_an_embedding_and_what_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "GATHER_S", 0.01)
    alone = Alone(await a_rig())
    alone.learned(MARA, "A van burned", no=1)
    alone.learned(MARA, "A pier burned", no=2)
    async with running(alone.part.run()):
        await eventually(lambda: len(alone.rig.peers.sent) == 2)
        first, second = [envelope.id for envelope in alone.rig.peers.sent]
        alone.rig.peers.answer(first)
        alone.rig.peers.answer(second, Refused("gone", "it was forgotten"))
        assert (alone.part.embedded, alone.part.missed) == (1, 1)
        alone.model.vector = Unavailable("the model")
        alone.learned(MARA, "A house burned", no=3)
        await eventually(lambda: alone.part.missed == 2)


async def test_alone_players_do_not_remember_so_nothing_of_them_is_asked() -> None:
    alone = Alone(await a_rig())
    alone.learned(AVA, "A van burned")
    assert len(alone.part) == 0
