"""Which conversations go on, and how many were begun."""

from __future__ import annotations

import pytest

from ganggpt.actors.host import conversations as module
from ganggpt.actors.host.conversations import IDLE_S, Conversations
from ganggpt.domain.npc.commands import Talk
from tests.support.runtime import Runtime


def test_a_conversation_is_begun_once_and_goes_on_until_nobody_said_anything_for_long() -> None:
    talks = Conversations()
    for speaker, at_s in (("ava", 0.0), ("ava", 30.0), ("bo", 100.0), ("ava", 140.0)):
        talks.note("npc:mara", f"player:{speaker}", at_s)
    talks.note("npc:vic", "player:ava", 140.0)
    assert (talks.started, talks.live(150.0)) == (3, 3)
    assert talks.live(100.0 + IDLE_S + 1) == 2
    assert talks.live(1000.0) == 0
    talks.note("npc:mara", "player:ava", 1001.0)
    assert (talks.started, talks.live(1001.0)) == (4, 1)


def test_words_after_a_long_silence_begin_another_conversation_though_nobody_looked() -> None:
    talks = Conversations()
    talks.note("npc:mara", "player:ava", 0.0)
    talks.note("npc:mara", "player:ava", IDLE_S + 1)
    assert (talks.started, talks.live(IDLE_S + 1)) == (2, 1)


def test_the_number_of_known_conversations_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_MAX", 10)
    talks = Conversations()
    for n in range(50):
        talks.note("npc:mara", f"player:{n}", 0.0)
    assert (talks.started, talks.live(0.0)) == (50, 10)


async def test_a_host_counts_the_talks_of_its_actors(runtime: Runtime) -> None:
    for speaker in ("player:ava", "player:ava", "player:bo"):
        await runtime.ask("npc:mara", Talk("hello"), by=speaker)
    stats = runtime.host("host:0").stats()
    assert (stats["conversations"], stats["conversations_started"]) == (2, 2)
    assert stats["activations"]["npc"] == 1
    await runtime.fleet.host("host:0").passivate()
    assert runtime.host("host:0").stats()["activations"]["npc"] == 0
