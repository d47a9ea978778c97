"""What the demo hears of an answer: all of its sentences, and who chose the words."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ganggpt.client.wire import Push
from ganggpt.demo.hearing import HeardWords, Hearing
from ganggpt.errors import Unavailable

PROMPT = 'heard: "the pocket watch I gave you?"\ncause: "Ava gave me a pocket watch (a moment ago)"'


class Pushes:
    """The pushes of a game server, in their order."""

    def __init__(self, *pushes: tuple[str, dict[str, Any]]) -> None:
        self._left = [Push(no, 1, no, "npc:mara", type_, body) for no, (type_, body) in enumerate(pushes, 1)]

    async def next_push(self, within_s: float) -> Push:
        if not self._left:
            raise TimeoutError
        return self._left.pop(0)


def says(utterance: str, text: str, *, final: bool = False) -> tuple[str, dict[str, Any]]:
    return "npc.says", {"utterance": utterance, "say": text, "final": final}


def bridge(**made: dict[str, Any]) -> httpx.AsyncClient:
    """A bridge that explains utterances."""

    def explained(request: httpx.Request) -> httpx.Response:
        utterance = request.url.path.rpartition("/")[2]
        return httpx.Response(200, json={"made": {"model": "own", "guards": [], "prompt": PROMPT, **made[utterance]}})

    return httpx.AsyncClient(transport=httpx.MockTransport(explained), base_url="http://bridge")


async def test_answers_are_heard_to_their_end_and_told_by_who_chose_the_words() -> None:
    hearing = Hearing(5)
    replies = [
        {"say": "Hm.", "more": True, "utterance": "a"},
        {"say": "Wait your turn.", "more": False, "utterance": None},
        {"say": "Yes?", "more": True, "utterance": "b"},
        {"say": "Good.", "utterance": "c"},
    ]
    pushes = Pushes(
        says("a", "One."), says("x", "Nobody asked."), says("b", "Not me."), ("npc.mood", {"mood": "calm"}),
        says("a", "Two.", final=True), ("npc.hush", {"utterance": "b"}),
    )  # fmt: skip
    async with bridge(a={}, b={"model": "scripted", "guards": ["heard: odd", "late"]}) as rest:
        found = await hearing.words(pushes, rest, replies)  # type: ignore[arg-type]
    assert [one.text for one in found] == ["One. Two.", "Wait your turn.", "Not me.", "Good."]
    assert [one.by_model for one in found] == [True, False, False, False]
    assert found[0].note("qwen3").startswith("by qwen3, ")
    assert found[1].note("qwen3") == ""
    assert found[2].note("qwen3") == "by the script, qwen3 was asked: late"
    assert (hearing.asked, len(hearing.times_s), dict(hearing.why_not)) == (2, 1, {"late": 1})


async def test_an_answer_that_never_ends_is_an_error_that_names_it() -> None:
    async with bridge(a={}) as rest:
        with pytest.raises(Unavailable, match=r"end of a is not available.* within 5 s"):
            await Hearing(5).words(Pushes(says("a", "One.")), rest, [{"more": True, "utterance": "a"}])  # type: ignore[arg-type]


def test_a_prompt_tells_of_a_thing_only_where_it_is_to_be_remembered() -> None:
    assert (
        HeardWords("", asked=True, prompt=PROMPT).told_of("pocket watch")
        == '"Ava gave me a pocket watch (a moment ago)"'
    )
    assert HeardWords("", asked=True, prompt=PROMPT.splitlines()[0]).told_of("pocket watch") == ""
