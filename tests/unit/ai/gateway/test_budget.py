"""Budgets are hard: spent plus reserved never passes a limit. And with the switch off nothing leaves."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.ai.gateway.budget import Limit, OverBudget, claims_of, tokens_at_most
from ganggpt.ai.gateway.local_ledger import LocalLedger
from ganggpt.ai.port import Answered, NotAnswered, Payers, Usage
from ganggpt.testing.fake_model import Hang, Status, rate_limited
from tests.support.gateway_rig import heard, rigged, talk

NPC_CALLS = Limit("npc", "hour", "calls", 3)
CENT = 10_000_000


async def test_a_payer_who_has_spent_his_budget_gets_the_scripted_mind_and_others_go_on() -> None:
    async with rigged(limits=[NPC_CALLS]) as rig:
        outcomes = [await rig.gateway.answer(talk(str(n))) for n in range(5)]
        other = await rig.gateway.answer(talk(payers=Payers("player:ana", "npc:rico")))
    assert [isinstance(outcome, Answered) for outcome in outcomes] == [True] * 3 + [False] * 2
    assert isinstance(outcomes[4], NotAnswered)
    assert outcomes[4].reason == "budget"
    assert "npc npc:mara" in outcomes[4].detail
    assert isinstance(other, Answered)
    assert rig.server.count == 4
    assert rig.count("ganggpt_ai_over_budget_total", "npc") == 4, "large and small are asked, each time"


async def test_a_budget_begins_again_with_the_hour() -> None:
    async with rigged(limits=[NPC_CALLS]) as rig:
        for n in range(4):
            await rig.gateway.answer(talk(str(n)))
        rig.now_s += 3600
        outcome = await rig.gateway.answer(talk("later"))
    assert isinstance(outcome, Answered)


async def test_a_hundred_at_once_do_not_pass_a_limit_of_money() -> None:
    limit = Limit("server", "day", "nano_usd", CENT)
    async with rigged(limits=[limit]) as rig:
        rig.server.delay_s = 0.05
        outcomes = await asyncio.gather(*(rig.gateway.answer(talk(f"q{n}", tokens_max=100)) for n in range(100)))
        answered = [outcome for outcome in outcomes if isinstance(outcome, Answered)]
        assert 0 < len(answered) < 100
        assert rig.records.nano_usd <= CENT
        # What was reserved and not spent is free again.
        assert isinstance(await rig.gateway.answer(talk("one more")), Answered)
    assert rig.records.nano_usd <= CENT


async def test_a_budget_too_small_for_the_large_model_falls_to_what_it_can_pay() -> None:
    async with rigged(limits=[Limit("server", "hour", "tokens", 10)]) as rig:
        outcome = await rig.gateway.answer(talk())
    assert isinstance(outcome, NotAnswered)
    assert outcome.reason == "budget"
    assert rig.server.count == 0


async def test_a_call_that_was_never_answered_counts_as_the_most_it_can_have_cost() -> None:
    async with rigged(entry={"timeout_s": 0.1, "tries": 1}) as rig:
        rig.server.always |= {"large": Hang(), "small": Status(500)}
        outcome = await rig.gateway.answer(talk(tokens_max=100))
    assert outcome.usage.nano_usd == rig.records.nano_usd
    assert not outcome.usage.known
    assert outcome.usage.tokens_out == 100


async def test_embeddings_are_paid_too() -> None:
    async with rigged(limits=[Limit("player", "hour", "calls", 1)]) as rig:
        await rig.gateway.embed(["one"], Payers("player:ana"))
        outcome = await rig.gateway.embed(["two"], Payers("player:ana"))
    assert isinstance(outcome, NotAnswered)
    assert outcome.reason == "budget"
    assert rig.server.count == 1


async def test_with_the_switch_off_not_one_request_leaves() -> None:
    async with rigged() as rig:
        rig.on = False
        outcomes = await asyncio.gather(*(rig.gateway.answer(talk(str(n))) for n in range(20)))
        said, streamed = await heard(rig.gateway, talk())
        vectors = await rig.gateway.embed(["x"], Payers())
        state = await rig.gateway.state()
    assert rig.server.count == 0
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, NotAnswered)} == {"off"}
    assert isinstance(streamed, NotAnswered)
    assert (said, streamed.reason) == ([], "off")
    assert isinstance(vectors, NotAnswered)
    assert vectors.reason == "off"
    assert state["on"] is False
    assert rig.records.spends == []


async def test_a_retry_asks_the_switch_again() -> None:
    async with rigged() as rig:
        rig.server.faults.append(rate_limited(0.3, in_ms=True))
        asked = asyncio.create_task(rig.gateway.answer(talk()))
        await rig.server.until(lambda: rig.server.count == 1)
        rig.on = False
        outcome = await asked
    assert isinstance(outcome, NotAnswered)
    assert outcome.reason == "off"
    assert rig.server.count == 1


async def test_what_waits_for_its_turn_does_not_leave_after_the_switch() -> None:
    async with rigged(entry={"at_once": 1, "wait_s": 5}) as rig:
        rig.server.delay_s = 0.2
        first = asyncio.create_task(rig.gateway.answer(talk("a")))
        await rig.server.until(lambda: rig.server.count == 1)
        second = asyncio.create_task(rig.gateway.answer(talk("b")))
        await asyncio.sleep(0)
        rig.on = False
        outcomes = await asyncio.gather(first, second)
    assert isinstance(outcomes[0], Answered), "what had left may end"
    assert isinstance(outcomes[1], NotAnswered)
    assert rig.server.count == 1


async def test_the_cache_still_answers_with_the_switch_off() -> None:
    async with rigged() as rig:
        await rig.gateway.answer(talk())
        rig.on = False
        outcome = await rig.gateway.answer(talk())
    assert isinstance(outcome, Answered)
    assert outcome.rung == "cached"


async def _on() -> bool:
    return True


async def _nothing(_: object) -> int:
    return 0


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(0, 2000),
    calls=st.lists(st.tuples(st.integers(1, 400), st.floats(0, 1)), max_size=40),
    open_at_once=st.integers(1, 8),
)
def test_spent_plus_reserved_never_passes_a_limit(
    limit: int, calls: list[tuple[int, float]], open_at_once: int
) -> None:
    """For any calls whose cost is at most what was reserved, settled in any order."""

    async def play() -> None:
        ledger = LocalLedger(_on, _nothing)
        limits = [Limit("server", "hour", "tokens", limit)]
        spent = 0
        held = []
        for most, share in calls:
            claims = claims_of(limits, Payers(), Usage(most, 0), 1e9)
            try:
                held.append((await ledger.reserve(claims, 1.0), most, share))
            except OverBudget:
                assert spent + sum(amount for _, amount, _ in held) + most > limit
            assert spent + sum(amount for _, amount, _ in held) <= limit
            if len(held) >= open_at_once:
                reservation, amount, used = held.pop(0)
                spent += int(amount * used)
                ledger.settle(reservation, Usage(int(amount * used), 0))

    asyncio.run(play())


@given(st.text(max_size=400))
def test_an_estimate_is_never_below_one_token_for_four_letters(text: str) -> None:
    assert tokens_at_most(text) >= len(text) / 4
