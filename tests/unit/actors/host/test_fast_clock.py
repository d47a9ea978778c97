"""Game servers with wrong clocks: what they do to themselves, and that they do nothing to others."""

from __future__ import annotations

from ganggpt.actors.envelope import Envelope, wrap
from ganggpt.actors.host.dedupe import AHEAD_S_MAX, LIMITS, WINDOW_S
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.npc.commands import Observe, Talk
from tests.support.eventually import eventually
from tests.support.runtime import Runtime

MARA = "npc:mara"
FLOOD = 4352
"""More than the window keeps of older ids."""


def observed(n: int, at_s: float) -> Envelope:
    return wrap(new_command_id(at_s), MARA, "server:fast", Observe(f"a car passes for the {n}th time", 10))


def talk(at_s: float) -> Envelope:
    return wrap(new_command_id(at_s), MARA, "player:ava", Talk("Hello Mara"))


async def test_a_flood_of_ids_from_the_future_silences_nobody_else(runtime: Runtime) -> None:
    await runtime.ask(MARA, Talk("Hello"))
    now_s = runtime.host("host:0").identity.clock.now_s()
    flood = [observed(n, now_s + AHEAD_S_MAX - 1) for n in range(FLOOD)]
    replies = await runtime.ask_all(flood)
    refused = [reply["error"] for reply in replies if not reply["ok"]]
    assert len(refused) == FLOOD - LIMITS.ahead_max
    assert {error["code"] for error in refused} == {"overloaded"}
    assert all(error["retryable"] and "(now_ms)" in error["message"] for error in refused)
    hints = [error["retry_after_ms"] / 1000 for error in refused]
    assert all(30 < hint <= AHEAD_S_MAX - 1 - LIMITS.slack_s + 1 for hint in hints)

    for _ in ("awake", "woken from its journal"):
        clocks = (0.0, -LIMITS.slack_s / 2, LIMITS.slack_s / 2, -(WINDOW_S - 60))
        asked = [talk(runtime.host("host:0").identity.clock.now_s() + ahead_s) for ahead_s in clocks]
        for envelope in asked:
            (reply,) = await runtime.ask_all([envelope])
            assert reply["ok"], reply
            assert (await runtime.ask_all([envelope]))[0] == reply
        # What was applied is still known, and answered as before.
        assert await runtime.ask_all([flood[0], flood[LIMITS.ahead_max - 1]]) == [
            replies[0],
            replies[LIMITS.ahead_max - 1],
        ]
        await eventually(lambda: not runtime.database.outbox)
        await runtime.restart()
        await runtime.ask(MARA, Talk("Are you awake?"))
    journaled = runtime.database.journaled(MARA)
    assert len(journaled) == len(set(journaled))


async def test_a_flood_of_ids_of_the_present_expires_nothing_of_the_present(runtime: Runtime) -> None:
    """A right clock could do the same to those whose clocks are some seconds behind."""
    await runtime.ask(MARA, Talk("Hello"))
    now_s = runtime.host("host:0").identity.clock.now_s()
    replies = await runtime.ask_all([observed(n, now_s) for n in range(FLOOD)])
    assert all(reply["ok"] for reply in replies)
    (reply,) = await runtime.ask_all([talk(now_s - LIMITS.slack_s / 2)])
    assert reply["ok"], reply
    await eventually(lambda: not runtime.database.outbox)
