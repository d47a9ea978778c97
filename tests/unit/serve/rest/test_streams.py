"""Server-sent events: the reply, sentence by sentence what is said, and what becomes of listeners who go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from ganggpt.domain.ids import command_id_text, new_command_id
from ganggpt.domain.mind.commands import SayScripted
from ganggpt.domain.npc.commands import Give, Talk
from ganggpt.errors import GangGPTError
from ganggpt.serve.rest.utterance_events import EventId, event_id_of
from tests.support.eventually import eventually
from tests.support.utterance_scene import (
    AVA,
    LIMITS,
    MARA,
    TALK,
    Scene,
    a_scene,
)


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
    await eventually(lambda: bool(scene.mara.hushes), "a hush")
    assert scene.mara.hushes[0].heard in (2, 3), "the third may have been on its way"
    assert scene.mara.state.mind.speaking.utterance is None
    await eventually(lambda: scene.live == 0, "the place is given back")
    assert scene.ended("gone") == 1


async def test_nobody_is_hushed_for_a_player_who_hears_it_in_the_game() -> None:
    async with a_scene(online=True) as scene:
        async with scene.talks() as client:
            await client.next()
        await eventually(lambda: scene.live == 0, "the wait is over")
        assert scene.mara.hushes == []
        assert scene.mara.state.mind.speaking.utterance is not None


async def test_nobody_is_hushed_where_the_player_came_back(scene: Scene) -> None:
    async with scene.talks() as client:
        first = await client.next()
    assert first is not None
    path = f"/v1/utterances/{quote(first[1]['reply']['utterance'])}/events"
    async with scene.listening("GET", path, headers={"X-Acting-As": "player:ava"}) as again:
        await again.next()
        await eventually(lambda: scene.live == 1, "the wait for the first stream is over")
        assert scene.mara.hushes == []
        scene.mara.says("Here you are.")
        scene.mara.ends()
        assert (await again.rest())[-1][1]["ended"] == "said"


async def test_who_only_watches_may_come_and_go(scene: Scene) -> None:
    talked = await scene.http.post(TALK, json={"text": "What goes on here?"}, headers={"X-Acting-As": "player:ava"})
    path = f"/v1/utterances/{quote(talked.json()['reply']['utterance'])}/events"
    async with scene.listening("GET", path) as client:
        await client.next()
    await eventually(lambda: scene.live == 0, "the watcher is gone")
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
        scene.rig.turns.outage = True
        async with scene.talks() as client:
            await client.next()
            errors = scene.rig.metrics.counter("ganggpt_stream_read_errors_total")
            await eventually(lambda: errors._value.get() > 0, "a look that failed")
            scene.mara.says("One.")
            scene.mara.ends()
            scene.rig.turns.outage = False
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
        event_id_of(bad)
    assert event_id_of(str(EventId(17, 2))) == EventId(17, 2)
