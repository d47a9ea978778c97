"""One deployment: its breaker, its limits, and what it is left alone for."""

from __future__ import annotations

import asyncio

from ganggpt.ai.gateway.gateway_config import SlotEntry
from ganggpt.ai.port import Answered, NotAnswered
from ganggpt.testing.fake_model import Hang, Status, out_of_quota
from tests.support.gateway_rig import rigged, talk

ALONE = SlotEntry(large=("large",))
BOTH = SlotEntry(large=("large",), small=("small",))


async def test_a_breaker_opens_after_failures_and_nobody_waits_for_that_model_any_more() -> None:
    async with rigged(entry={"tries": 1, "breaker_failures": 3, "breaker_s": 60}) as rig:
        rig.server.always["large"] = Status(500)
        for n in range(10):
            assert isinstance(await rig.gateway.answer(talk(str(n))), Answered)
        models = (await rig.gateway.state())["models"]
    assert sum(seen.model == "large" for seen in rig.server.seen) == 3
    assert models["large"] == "its breaker is open"
    assert rig.metrics.gauge("ganggpt_ai_breaker").labels("large")._value.get() == 1


async def test_an_open_breaker_tries_one_call_and_closes_when_it_works() -> None:
    async with rigged(slots=ALONE, entry={"tries": 1, "breaker_failures": 1, "breaker_s": 1e-6}) as rig:
        rig.server.faults.append(Status(500))
        assert isinstance(await rig.gateway.answer(talk("a")), NotAnswered)
        rig.server.faults.append(Hang())
        probe = asyncio.create_task(rig.gateway.answer(talk("b")))
        await rig.server.until(lambda: rig.server.count == 2)
        meanwhile = await rig.gateway.answer(talk("c"))
        probe.cancel()
        await asyncio.wait([probe])
        after = await rig.gateway.answer(talk("d"))
    assert isinstance(meanwhile, NotAnswered)
    assert rig.server.count == 3, "one call tries, the others do not follow it"
    assert isinstance(after, Answered)


async def test_callers_who_go_away_say_nothing_about_a_model() -> None:
    async with rigged(slots=ALONE, entry={"tries": 1, "breaker_failures": 2}) as rig:
        rig.server.always["large"] = Hang()
        for n in range(4):
            asked = asyncio.create_task(rig.gateway.answer(talk(str(n))))
            await rig.server.until(lambda n=n: rig.server.count == n + 1)
            asked.cancel()
            await asyncio.wait([asked])
        assert rig.deployments["large"].state() == "ready"


async def test_a_refused_key_is_told_with_its_variable_and_not_tried_with_every_word(caplog: object) -> None:
    async with rigged(entry={"tries": 3}) as rig:
        rig.server.always |= {"large": Status(401), "small": Status(404, {"error": {"code": "DeploymentNotFound"}})}
        outcome = await rig.gateway.answer(talk("a"))
        await rig.gateway.answer(talk("b"))
        state = (await rig.gateway.state())["models"]
    assert isinstance(outcome, NotAnswered)
    assert rig.server.count == 2
    assert "AZURE_OPENAI_KEY" in state["large"]
    assert "AZURE_OPENAI_DEPLOYMENT" in state["small"]


async def test_a_missing_deployment_a_wrong_key_and_a_wrong_version_are_told_apart() -> None:
    async with rigged() as rig:
        rig.server.deployments = frozenset({"small"})
        outcome = await rig.gateway.answer(talk())
        state = (await rig.gateway.state())["models"]
    assert isinstance(outcome, Answered)
    assert outcome.rung == "small"
    assert "the deployment is refused" in state["large"]


async def test_an_exhausted_quota_rests_for_minutes() -> None:
    async with rigged() as rig:
        rig.server.faults.append(out_of_quota())
        for n in range(5):
            await rig.gateway.answer(talk(str(n)))
    assert [seen.model for seen in rig.server.seen] == ["large"] + ["small"] * 5


async def test_no_more_calls_are_under_way_than_a_deployment_allows() -> None:
    async with rigged(slots=ALONE, entry={"at_once": 4, "wait_s": 10}) as rig:
        rig.server.piece_s = 0.005
        streams = [rig.gateway.stream(talk(str(n))) for n in range(12)]
        outcomes = await asyncio.gather(*(_last(stream) for stream in streams))
    assert all(isinstance(outcome, Answered) for outcome in outcomes)
    assert rig.server.most_streams == 4


async def test_who_finds_no_turn_in_time_asks_the_next_model() -> None:
    async with rigged(slots=BOTH, entries={"large": {"requests_per_min": 2, "wait_s": 0.05}}) as rig:
        outcomes = [await rig.gateway.answer(talk(str(n))) for n in range(4)]
    assert [outcome.rung for outcome in outcomes if isinstance(outcome, Answered)] == ["large"] * 2 + ["small"] * 2
    assert rig.deployments["large"].state() == "ready"


async def test_tokens_a_minute_are_kept_to() -> None:
    async with rigged(slots=BOTH, entries={"large": {"tokens_per_min": 300, "wait_s": 0.05}}) as rig:
        outcomes = [await rig.gateway.answer(talk(str(n), tokens_max=200)) for n in range(3)]
    assert [outcome.rung for outcome in outcomes if isinstance(outcome, Answered)] == ["large", "small", "small"]


async def test_a_server_that_is_not_there_costs_nothing() -> None:
    async with rigged(slots=ALONE, entry={"tries": 1}) as rig:
        await rig.server.stop()
        outcome = await rig.gateway.answer(talk())
    assert isinstance(outcome, NotAnswered)
    assert outcome.reason == "failing"
    assert "cannot be reached" in outcome.detail
    assert rig.records.nano_usd == 0


async def _last(stream: object) -> object:
    return [item async for item in stream][-1]  # type: ignore[attr-defined]
