"""Server-sent events: the reply, sentence by sentence what is said, and what becomes of listeners who go away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from ganggpt.actors.envelope import VIEW, Envelope, reply_error, reply_ok
from ganggpt.actors.host.host import dice_of
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.ids import ActorId, command_id_text, new_command_id
from ganggpt.domain.kinds import KINDS, VERSION, TurnRecord, decode_command, effects_of, encode_turn
from ganggpt.domain.mind.commands import Conclude, Hush, SayScripted, Utter
from ganggpt.domain.mind.utterance import Provenance
from ganggpt.domain.npc.commands import Give, Talk
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.turn import Command, Turn
from ganggpt.errors import GangGPTError, UnknownActor
from ganggpt.protocol.limits import Limits
from ganggpt.serve.rest.utterance_events import Point, point_of
from tests.unit.domain.builders import NOW_S, WORLD
from tests.unit.domain.npc.test_rules import a_spawn
from tests.unit.serve.rig import HEADERS, MemoryPort, MemoryTurns, Rig, served, until

MARA = ActorId("npc:mara")
TALK = "/v1/actors/npc:mara/commands/Talk"
AVA = {"Accept": "text/event-stream", "X-Acting-As": "player:ava"}
LIMITS = Limits(stream_look_s=0.005, stream_beat_s=0.05, stream_resume_s=0.2)


@dataclass
class MaraPort(MemoryPort):
    """Runs one NPC by its real rules and keeps its turns in the journal of the rig."""

    turns: MemoryTurns
    has_model: bool = True
    online: bool = False
    state: Any = None
    done: dict[bytes, bytes] = field(default_factory=dict)
    hushes: list[Hush] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.do(a_spawn(), "server:test")

    async def ask(self, envelope: Envelope, source: str = "") -> bytes:
        if envelope.name == VIEW:
            if envelope.to.startswith("player:") and not self.online:
                return reply_error(envelope.id, UnknownActor(envelope.to))
            return reply_ok(envelope.id, 1, {"online": self.online})
        if envelope.id in self.done:
            return self.done[envelope.id]
        command = decode_command("npc", envelope.name, envelope.body)
        if isinstance(command, Hush):
            self.hushes.append(command)
        try:
            self.do(command, envelope.by, envelope.id)
        except GangGPTError as error:
            return reply_error(envelope.id, error)
        return self.done[envelope.id]

    def do(self, command: Command, by: str, command_id: bytes | None = None) -> dict[str, Any]:
        journal = self.turns.of.setdefault(MARA, [])
        seq, key = len(journal) + 1, command_id or new_command_id()
        now_s = NOW_S + seq
        turn = Turn(MARA, seq, now_s, by, dice_of(MARA, seq, WORLD.seed), WORLD, ScriptedMind(), self.has_model)
        decision = KIND.decide(self.state, command, turn)
        for event in decision.events:
            self.state = KIND.evolve(self.state, event)
        self.done[key] = reply_ok(key, seq, decision.reply)
        record = TurnRecord(VERSION, now_s, decision.events, self.done[key], effects_of(decision))
        journal.append((seq, encode_turn(record)))
        return dict(decision.reply)

    @property
    def utterance(self) -> str:
        now = self.state.mind.speaking.utterance
        assert now is not None
        return str(now.id)

    def says(self, *sentences: str) -> None:
        """The model's next sentences."""
        for text in sentences:
            said = len(self.state.mind.speaking.utterance.said)
            self.do(Utter(self.utterance, said, text), "model:gateway")

    def ends(self, *actions: tuple[str, str]) -> None:
        self.do(Conclude(self.utterance, actions, Provenance("gpt-x")), "model:gateway")


@dataclass
class Scene:
    """A bridge with Mara behind it, served by a real server."""

    rig: Rig
    mara: MaraPort
    http: httpx.AsyncClient

    @asynccontextmanager
    async def listening(self, method: str, path: str, **request: Any) -> AsyncIterator[Client]:
        async with self.http.stream(method, path, **request) as answer:
            yield Client(answer)

    def talks(self, text: str = "What is going on?", **headers: str) -> Any:
        return self.listening("POST", TALK, json={"text": text}, headers={**AVA, **headers})

    def ended(self, how: str) -> float:
        return float(self.rig.metrics.counter("ganggpt_streams_total").labels(how)._value.get())

    @property
    def live(self) -> float:
        return float(self.rig.metrics.gauge("ganggpt_streams_open")._value.get())


class Client:
    """Reads the events of one stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.beats = 0
        self.last = ""
        self._lines = answer.aiter_lines()

    async def next(self) -> tuple[str, dict[str, Any]] | None:
        """Name and data of the next event, None at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                if line == ":":
                    self.beats += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    self.last = fields["id"]
                    return fields["event"], json.loads(fields["data"])
                else:
                    fields = {}
        return None

    async def rest(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        while (one := await self.next()) is not None:
            found.append(one)
        return found


@asynccontextmanager
async def a_scene(limits: Limits = LIMITS, **mara: Any) -> AsyncIterator[Scene]:
    turns = MemoryTurns()
    port = MaraPort(turns, **mara)
    rig = Rig(limits=limits, kinds=KINDS, port=port, turns=turns)
    async with served(rig.app) as where, httpx.AsyncClient(base_url=f"http://{where}", headers=HEADERS) as http:
        yield Scene(rig, port, http)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with a_scene() as made:
        yield made


def names(heard: Sequence[tuple[str, Any]]) -> list[str]:
    return [name for name, _ in heard]


async def test_the_reply_comes_first_and_then_each_sentence_to_the_end(scene: Scene) -> None:
    async with scene.talks() as client:
        assert client.answer.headers["content-type"].startswith("text/event-stream")
        assert client.answer.headers["cache-control"] == "no-store"
        first = await client.next()
        assert first is not None
        name, answer = first
        assert (name, answer["ok"], answer["reply"]["more"]) == ("reply", True, True)
        utterance = answer["reply"]["utterance"]
        where = client.answer.headers["content-location"]
        assert where == f"/v1/utterances/{quote(utterance, safe=':')}/events"
        scene.mara.says("It is quiet.")
        second = await client.next()
        assert second is not None
        assert (second[0], second[1]["no"], second[1]["say"]) == ("says", 0, "It is quiet.")
        scene.mara.says("Too quiet.")
        scene.mara.ends()
        heard = await client.rest()
    assert names(heard) == ["says", "says", "done"]
    assert [heard[0][1]["say"], heard[1][1]["say"], heard[1][1]["final"]] == ["Too quiet.", "", True]
    assert heard[-1][1] == {"utterance": utterance, "ended": "said", "sentences": 2}
    assert scene.ended("said") == 1
    assert scene.live == 0
    assert scene.mara.hushes == []


async def test_without_a_model_the_reply_says_everything_and_that_is_all() -> None:
    async with a_scene(has_model=False) as scene, scene.talks() as client:
        heard = await client.rest()
    assert names(heard) == ["reply", "done"]
    assert heard[0][1]["reply"]["say"]
    assert heard[1][1] == {"utterance": heard[0][1]["reply"]["utterance"], "ended": "said", "sentences": 0}
    assert scene.rig.turns.looks == 0


async def test_who_does_not_ask_for_events_gets_one_answer(scene: Scene) -> None:
    for accept in ("*/*", "application/json", "text/html"):
        answer = await scene.http.post(TALK, json={"text": "What goes on here?"}, headers={**AVA, "Accept": accept})
        assert answer.json()["reply"]["more"] is True


async def test_an_action_the_rules_allow_is_an_event(scene: Scene) -> None:
    for _ in range(4):
        scene.mara.do(Give("silver watch", 5000), "player:ava")
    async with scene.talks("Follow me") as client:
        await client.next()
        scene.mara.says("Lead on.")
        scene.mara.ends(("follow", ""))
        heard = await client.rest()
    assert [one["verb"] for name, one in heard if name == "act"] == ["follow"]
    assert heard[-1][0] == "done"


async def test_what_is_broken_off_says_so(scene: Scene) -> None:
    async with scene.talks("A long story, please") as client:
        await client.next()
        scene.mara.says("Once upon a time")
        async with scene.talks("No, stop") as other:
            heard = await client.rest()
            assert names(heard) == ["says", "hush", "done"]
            assert heard[-1][1]["ended"] == "hushed"
            scene.mara.says("Fine.")
            scene.mara.ends()
            assert names(await other.rest()) == ["reply", "says", "says", "done"]


async def test_who_waits_for_their_turn_hears_their_own_answer(scene: Scene) -> None:
    scene.mara.do(Talk("What goes on here?"), "player:ben")
    async with scene.talks("And me?") as client:
        first = await client.next()
        assert first is not None
        assert first[1]["reply"]["utterance"] is None
        scene.mara.says("Ben, my friend.")
        scene.mara.ends()
        scene.mara.says("Now you.")
        scene.mara.ends()
        heard = await client.rest()
    assert [one["say"] for name, one in heard if name == "says"] == ["Now you.", ""]
    assert heard[-1][1]["ended"] == "said"


async def test_a_later_line_takes_the_place_of_one_that_waits(scene: Scene) -> None:
    scene.mara.do(Talk("What goes on here?"), "player:ben")
    async with scene.talks("And me?") as client, scene.talks("Hey, over here") as later:
        assert names(await client.rest()) == ["reply", "done"]
        scene.mara.do(SayScripted(scene.mara.utterance), "model:gateway")
        scene.mara.says("Yes?")
        scene.mara.ends()
        heard = await later.rest()
    assert [one["say"] for name, one in heard if name == "says"] == ["Yes?", ""]


async def test_the_same_id_again_is_the_same_answer_and_goes_on_where_it_was(scene: Scene) -> None:
    key = command_id_text(new_command_id())
    async with scene.talks(**{"Idempotency-Key": key}) as client:
        await client.next()
        scene.mara.says("One.", "Two.")
        assert (await client.next() or ("", {}))[1]["say"] == "One."
        last = client.last
    async with scene.talks(**{"Idempotency-Key": key, "Last-Event-ID": last}) as again:
        assert (await again.next() or ("", {}))[1]["say"] == "Two."
        scene.mara.ends()
        assert names(await again.rest()) == ["says", "done"]
        end = again.last
    async with scene.talks(**{"Idempotency-Key": key}) as whole:
        assert names(await whole.rest()) == ["reply", "says", "says", "says", "done"]
        assert whole.last == end
    assert scene.mara.hushes == []


async def test_an_utterance_can_be_listened_to_by_its_id_from_any_point(scene: Scene) -> None:
    talked = await scene.http.post(TALK, json={"text": "What goes on here?"}, headers={"X-Acting-As": "player:ava"})
    utterance = talked.json()["reply"]["utterance"]
    path = f"/v1/utterances/{quote(utterance)}/events"
    scene.mara.says("One.")
    async with scene.listening("GET", path) as client:
        first = await client.next()
        assert first is not None
        assert first[1] == talked.json()
        assert (await client.next() or ("", {}))[1]["say"] == "One."
        last = client.last
        scene.mara.says("Two.")
        scene.mara.ends()
        assert names(await client.rest()) == ["says", "says", "done"]
        end = client.last
    async with scene.listening("GET", path, headers={"Last-Event-ID": last}) as client:
        assert [one.get("say") for _, one in await client.rest()] == ["Two.", "", None]
    over = await scene.http.get(path, headers={"Last-Event-ID": end})
    assert over.status_code == 204, "a browser that gets this does not connect again"
    assert scene.live == 0


async def test_a_player_whose_stream_is_cut_and_who_does_not_come_back_went_away(scene: Scene) -> None:
    async with scene.talks() as client:
        await client.next()
        scene.mara.says("One.")
        await client.next()
        scene.mara.says("Two.", "Three.")
        await client.next()
    await until(lambda: bool(scene.mara.hushes), "a hush")
    assert scene.mara.hushes[0].heard in (2, 3), "the third may have been on its way"
    assert scene.mara.state.mind.speaking.utterance is None
    await until(lambda: scene.live == 0, "the place is given back")
    assert scene.ended("gone") == 1


async def test_nobody_is_hushed_for_a_player_who_hears_it_in_the_game() -> None:
    async with a_scene(online=True) as scene:
        async with scene.talks() as client:
            await client.next()
        await until(lambda: scene.live == 0, "the wait is over")
        assert scene.mara.hushes == []
        assert scene.mara.state.mind.speaking.utterance is not None


async def test_nobody_is_hushed_where_the_player_came_back(scene: Scene) -> None:
    async with scene.talks() as client:
        first = await client.next()
    assert first is not None
    path = f"/v1/utterances/{quote(first[1]['reply']['utterance'])}/events"
    async with scene.listening("GET", path, headers={"X-Acting-As": "player:ava"}) as again:
        await again.next()
        await until(lambda: scene.live == 1, "the wait for the first stream is over")
        assert scene.mara.hushes == []
        scene.mara.says("Here you are.")
        scene.mara.ends()
        assert (await again.rest())[-1][1]["ended"] == "said"


async def test_who_only_watches_may_come_and_go(scene: Scene) -> None:
    talked = await scene.http.post(TALK, json={"text": "What goes on here?"}, headers={"X-Acting-As": "player:ava"})
    path = f"/v1/utterances/{quote(talked.json()['reply']['utterance'])}/events"
    async with scene.listening("GET", path) as client:
        await client.next()
    await until(lambda: scene.live == 0, "the watcher is gone")
    assert scene.mara.hushes == []


async def test_another_player_does_not_listen_as_the_one_spoken_to(scene: Scene) -> None:
    talked = await scene.http.post(TALK, json={"text": "What goes on here?"}, headers={"X-Acting-As": "player:ava"})
    path = f"/v1/utterances/{quote(talked.json()['reply']['utterance'])}/events"
    answer = await scene.http.get(path, headers={"X-Acting-As": "player:ben"})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (409, "not_yours")
    assert scene.live == 0


async def test_a_stream_that_has_nothing_to_say_is_kept_open_and_has_an_end() -> None:
    async with a_scene(replace(LIMITS, stream_age_max_s=0.3)) as scene, scene.talks() as client:
        heard = await client.rest()
        assert names(heard) == ["reply", "done"]
        assert heard[-1][1]["ended"] == "late"
        assert client.beats >= 2


async def test_streams_are_bounded_and_one_over_the_bound_does_nothing() -> None:
    async with a_scene(replace(LIMITS, streams_max=1)) as scene, scene.talks() as client:
        await client.next()
        turns = len(scene.rig.turns.of[MARA])
        refused = await scene.http.post(TALK, json={"text": "What goes on here?"}, headers=AVA)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")
        assert len(scene.rig.turns.of[MARA]) == turns


async def test_errors_are_answers_and_no_streams(scene: Scene) -> None:
    for path, body, headers, status in (
        (TALK, {"text": ""}, AVA, 422),
        (TALK, {"text": "What goes on here?"}, {"Accept": "text/event-stream"}, 409),
        (TALK, {"text": "What goes on here?"}, {**AVA, "Last-Event-ID": "x"}, 422),
        ("/v1/actors/npc:mara/commands/Dance", {}, AVA, 404),
    ):
        answer = await scene.http.post(path, json=body, headers=headers)
        assert answer.status_code == status
        assert set(answer.json()) == {"error"}
    for utterance, status in (("npc:mara#999", 404), ("npc:mara#1", 404), ("nonsense", 422), ("npc:mara#x", 422)):
        answer = await scene.http.get(f"/v1/utterances/{quote(utterance)}/events")
        assert answer.status_code == status, answer.text
    assert scene.live == 0


async def test_streams_go_on_after_the_journal_could_not_be_read() -> None:
    async with a_scene(replace(LIMITS)) as scene:
        scene.rig.turns.away = True
        async with scene.talks() as client:
            await client.next()
            errors = scene.rig.metrics.counter("ganggpt_stream_read_errors_total")
            await until(lambda: errors._value.get() > 0, "a look that failed")
            scene.mara.says("One.")
            scene.mara.ends()
            scene.rig.turns.away = False
            assert names(await client.rest()) == ["says", "says", "done"]


async def test_a_replica_that_is_replaced_ends_its_streams_and_hushes_nobody(scene: Scene) -> None:
    async with scene.talks() as client:
        await client.next()
        async with asyncio.timeout(5):
            await scene.rig.app.drain()
        assert await client.rest() == []
        refused = await scene.http.post(TALK, json={"text": "What goes on here?"}, headers=AVA)
        assert refused.status_code == 503
    assert scene.ended("leaving") == 1
    assert scene.mara.hushes == []
    assert scene.live == 0


async def test_why_is_read_over_rest_as_the_command_shows_it(scene: Scene) -> None:
    reply = scene.mara.do(Talk("What goes on here?"), "player:ben")
    scene.mara.says("Ben, my friend.")
    scene.mara.ends(("fly", ""), ("follow", ""))
    answer = await scene.http.get(f"/v1/utterances/{quote(reply['utterance'])}")
    found = answer.json()
    assert (found["heard"], found["said"].startswith("Ben, my friend.")) == ("What goes on here?", True)
    assert found["made"]["model"] == "gpt-x"
    assert found["same"] is None
    for utterance, status, code in (
        ("npc:mara#999", 404, "unknown_utterance"),
        ("npc:nobody#1", 404, "unknown_utterance"),
        ("nonsense", 422, "invalid_input"),
    ):
        refused = await scene.http.get(f"/v1/utterances/{quote(utterance)}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)


async def test_openapi_tells_of_the_streams(scene: Scene) -> None:
    paths = (await scene.http.get("/openapi.json")).json()["paths"]
    for path, method in (
        ("/v1/actors/npc:{name}/commands/Talk", "post"),
        ("/v1/actors/companion:{name}/commands/Talk", "post"),
        ("/v1/utterances/{utterance}/events", "get"),
    ):
        assert "text/event-stream" in paths[path][method]["responses"]["200"]["content"], path
    headers = {one["name"] for one in paths["/v1/utterances/{utterance}/events"]["get"]["parameters"]}
    assert headers == {"utterance", "Last-Event-ID", "X-Acting-As"}
    assert "/v1/utterances/{utterance}" in paths


@pytest.mark.parametrize("bad", ["", "1", "1.", ".1", "1.x", "-1.0", "1.1.1", "9" * 30 + ".0"])
def test_what_is_no_event_id_is_refused(bad: str) -> None:
    with pytest.raises(GangGPTError, match="Last-Event-ID"):
        point_of(bad)
    assert point_of(str(Point(17, 2))) == Point(17, 2)
