"""The ladder through the real SDK against a server that fails on command: every asker gets an outcome."""

from __future__ import annotations

import asyncio
import json

import pytest

from ganggpt.ai.gateway.gateway_config import SlotEntry
from ganggpt.ai.port import Answered, Deflected, EmbeddingResult, NotAnswered, Payers, PromptMessage, Sentence
from ganggpt.errors import InvalidInput
from ganggpt.testing.fake_model import (
    CutOff,
    Fault,
    FilteredAnswer,
    Garbage,
    Hang,
    Says,
    Status,
    filtered_prompt,
    no_json_schema,
    out_of_quota,
    rate_limited,
)
from tests.support.gateway_rig import TIMEOUT_S, Turn, heard, rigged, talk

LARGE_ONLY = SlotEntry(large=("large",))


async def test_an_answer_comes_with_its_price_and_is_booked_for_everybody_who_pays() -> None:
    async with rigged() as rig:
        outcome = await rig.gateway.answer(talk())
    assert isinstance(outcome, Answered)
    assert (outcome.rung, outcome.model) == ("large", "large")
    assert outcome.text.startswith("I hear you, friend.")
    usage = outcome.usage
    assert usage.known
    assert usage.nano_usd == usage.tokens_in * 2000 + usage.tokens_out * 8000
    (spend,) = rig.records.spends
    assert spend.usage == usage
    assert spend.payers == Payers("player:ana", "npc:mara", "faction:vagos")
    assert rig.count("ganggpt_ai_requests_total", "dialogue", "large") == 1


@pytest.mark.parametrize("kind", ["azure", "openai", "compatible"])
async def test_every_kind_of_provider_is_asked_in_its_own_way(kind: str) -> None:
    async with rigged(kind=kind) as rig:
        outcome = await rig.gateway.answer(talk())
    assert isinstance(outcome, Answered)
    assert ("/deployments/large/" in rig.server.seen[0].path) == (kind == "azure")


async def test_sentences_come_while_the_model_still_writes() -> None:
    async with rigged() as rig:
        rig.server.piece_s = 0.01
        said, outcome = await heard(rig.gateway, talk("hello"))
    assert isinstance(outcome, Answered)
    assert said[0] == "I hear you, friend."
    assert said[-1].startswith("Mr. Vance owes me $3.50")
    assert " ".join(said) == outcome.text
    assert outcome.usage.known


async def test_a_first_sentence_is_there_long_before_the_last_piece() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = Hang(after=7)
        stream = rig.gateway.stream(talk())
        async with asyncio.timeout(2):
            first = await anext(stream)
        await stream.aclose()
        await rig.server.until(lambda: rig.server.broken_off == 1)
    assert first == Sentence(0, "I hear you, friend.")


async def test_who_stops_listening_stops_the_model_and_pays_for_what_was_heard() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = Hang(after=9)
        stream = rig.gateway.stream(talk())
        async with asyncio.timeout(2):
            await anext(stream)
        await stream.aclose()
        await rig.server.until(lambda: rig.server.open_streams == 0)
    (spend,) = rig.records.spends
    assert not spend.usage.known
    assert 0 < spend.usage.tokens_out < 40
    assert rig.count("ganggpt_ai_calls_total", "large", "taken_back") == 1


async def test_retry_after_in_milliseconds_is_waited_for() -> None:
    async with rigged() as rig:
        rig.server.faults.append(rate_limited(0.12, in_ms=True))
        began_s = asyncio.get_running_loop().time()
        outcome = await rig.gateway.answer(talk())
        took_s = asyncio.get_running_loop().time() - began_s
    assert isinstance(outcome, Answered)
    assert outcome.rung == "large"
    assert took_s >= 0.12
    assert [seen.model for seen in rig.server.seen] == ["large", "large"]


async def test_a_long_retry_after_is_not_waited_for_and_the_model_is_left_alone_meanwhile() -> None:
    async with rigged() as rig:
        rig.server.faults.append(rate_limited(30))
        outcomes = [await rig.gateway.answer(talk(text)) for text in ("one", "two", "three")]
    assert [outcome.rung for outcome in outcomes if isinstance(outcome, Answered)] == ["small"] * 3
    assert [seen.model for seen in rig.server.seen] == ["large", "small", "small", "small"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Status(500), "model_away"),
        (Status(503, "<html>bad gateway</html>"), "model_away"),
        (Garbage(), "answer_unreadable"),
        (Garbage('{"choices": []}'), "answer_unreadable"),
        (Garbage('{"choices": null, "usage": 3}'), "answer_unreadable"),
        (Garbage("[]"), "answer_unreadable"),
        (CutOff(), "model_slow"),
        (out_of_quota(), "quota_exhausted"),
        (Status(400, {"error": {"message": "context length exceeded"}}), "model_rejected"),
        (Says(""), "ok"),
    ],
    ids=str,
)
async def test_whatever_a_model_does_the_next_one_answers(fault: Fault, code: str) -> None:
    async with rigged() as rig:
        rig.server.always["large"] = fault
        outcome = await rig.gateway.answer(talk())
    assert isinstance(outcome, Answered)
    assert outcome.rung == "small"
    assert rig.count("ganggpt_ai_calls_total", "large", code) >= 1


@pytest.mark.parametrize(
    "fault", [Status(500), Garbage("no event"), CutOff(after=0), Hang(), Says(""), out_of_quota()], ids=str
)
async def test_a_stream_that_says_nothing_is_tried_with_the_next_model(fault: Fault) -> None:
    async with rigged(entries={"large": {"timeout_s": 0.2}}) as rig:
        rig.server.always["large"] = fault
        said, outcome = await heard(rig.gateway, talk())
    assert isinstance(outcome, Answered)
    assert outcome.rung == "small"
    assert said[0] == "I hear you, friend."


@pytest.mark.parametrize("fault", [CutOff(after=9), Hang(after=9)], ids=str)
async def test_a_stream_that_breaks_off_ends_with_the_sentences_that_were_whole(fault: Fault) -> None:
    async with rigged() as rig:
        rig.server.always["large"] = fault
        said, outcome = await heard(rig.gateway, talk())
        again, _ = await heard(rig.gateway, talk())
    assert said == ["I hear you, friend."]
    assert isinstance(outcome, Answered)
    assert outcome.cut
    assert outcome.text == "I hear you, friend."
    assert len(rig.server.seen) == 2, "nothing is said twice, and a cut answer is not cached"
    assert again == said


async def test_a_model_that_hangs_is_given_up_and_a_stranger_is_not_held_up() -> None:
    async with rigged(entries={"large": {"timeout_s": 1.0, "tries": 1}}) as rig:
        rig.server.faults.append(Hang())
        slow, fast = await asyncio.gather(rig.gateway.answer(talk("a")), rig.gateway.answer(talk("b")))
    assert isinstance(slow, Answered)
    assert isinstance(fast, Answered)
    assert {slow.rung, fast.rung} == {"large", "small"}


async def test_an_asker_gets_his_outcome_when_his_time_is_over() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = Hang()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        outcome = await rig.gateway.answer(talk(within_s=0.3))
        said, streamed = await heard(rig.gateway, talk(within_s=0.3))
        took_s = loop.time() - began_s
    assert isinstance(outcome, NotAnswered)
    assert outcome.reason == "late"
    assert isinstance(streamed, NotAnswered)
    assert streamed.reason == "late"
    assert said == []
    assert took_s < TIMEOUT_S, "his time is over, not that of the provider"


async def test_all_models_down_is_an_outcome_that_names_the_cause() -> None:
    async with rigged() as rig:
        rig.server.always |= {"large": Status(500), "small": Status(401)}
        outcome = await rig.gateway.answer(talk())
    assert isinstance(outcome, NotAnswered)
    assert outcome.reason == "failing"
    assert outcome.usage.nano_usd == 0, "a refused call costs nothing"


async def test_a_refused_prompt_is_softened_once_without_the_words_that_were_refused() -> None:
    async with rigged() as rig:
        rig.server.faults.append(filtered_prompt("violence"))
        outcome = await rig.gateway.answer(talk("something vile"))
    assert isinstance(outcome, Answered)
    assert outcome.softened
    assert "vile" in json.dumps(rig.server.seen[0].body)
    assert "vile" not in json.dumps(rig.server.seen[1].body)
    assert rig.count("ganggpt_ai_filtered_total", "prompt", "violence") == 1


async def test_the_asker_may_bring_a_softer_prompt() -> None:
    async with rigged() as rig:
        rig.server.faults.append(filtered_prompt())
        soft = (PromptMessage("system", "You are Mara."), PromptMessage("user", "They threaten you."))
        await rig.gateway.answer(talk("vile", softened=soft))
    assert rig.server.seen[1].body["messages"][-1]["content"] == "They threaten you."


@pytest.mark.parametrize("fault", [filtered_prompt("jailbreak"), FilteredAnswer(category="jailbreak")], ids=str)
async def test_a_second_refusal_is_a_deflection_and_no_other_model_is_tried_with_it(fault: Fault) -> None:
    async with rigged() as rig:
        rig.server.faults.extend([fault, fault])
        outcome = await rig.gateway.answer(talk())
        calls = rig.server.count
        await rig.gateway.answer(talk())
    assert isinstance(outcome, Deflected)
    assert outcome.categories == ("jailbreak",)
    assert calls == 2
    assert rig.server.count == 3, "a deflection is not cached"
    assert rig.count("ganggpt_ai_requests_total", "dialogue", "deflected") == 1


async def test_an_answer_the_filter_stops_in_the_middle_is_withdrawn() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = FilteredAnswer(after=8)
        said, outcome = await heard(rig.gateway, talk())
    assert said == ["I hear you, friend."]
    assert isinstance(outcome, Deflected)
    assert (outcome.where, outcome.spoken) == ("answer", 1)


async def test_a_stream_the_filter_stops_before_its_first_sentence_is_softened() -> None:
    async with rigged() as rig:
        rig.server.faults.append(FilteredAnswer(after=1))
        said, outcome = await heard(rig.gateway, talk())
    assert isinstance(outcome, Answered)
    assert outcome.softened
    assert len(said) == 3


async def test_a_filter_that_did_not_run_counts_as_a_refusal() -> None:
    choice = {
        "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "unvetted"},
        "content_filter_results": {"error": {"code": "content_filter_error", "message": "it timed out"}},
    }  # fmt: skip
    async with rigged() as rig:
        rig.server.faults.append(Garbage(json.dumps({"choices": [choice]})))
        outcome = await rig.gateway.answer(talk())
    assert isinstance(outcome, Answered)
    assert outcome.softened
    assert "unvetted" not in outcome.text


async def test_a_shape_is_asked_as_a_strict_schema_and_comes_back_validated() -> None:
    async with rigged() as rig:
        rig.server.faults.append(Says('```json\n{"say": "Get lost.", "mood": -2}\n```'))
        outcome = await rig.gateway.answer(talk(shape=Turn))
    assert isinstance(outcome, Answered)
    assert outcome.value == Turn(say="Get lost.", mood=-2)
    asked = rig.server.seen[0].body["response_format"]["json_schema"]
    assert asked["strict"] is True
    assert asked["schema"]["required"] == ["say", "mood"]
    assert asked["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    "said", ["not json at all", '{"say": "hm"}', '{"say": "x", "mood": 99}', '{"say": "', "[1, 2]", "null"], ids=repr
)
async def test_a_wrong_shape_is_repaired_once(said: str) -> None:
    async with rigged() as rig:
        rig.server.faults.extend([Says(said), Says('{"say": "Fine.", "mood": 0}')])
        outcome = await rig.gateway.answer(talk(shape=Turn))
    assert isinstance(outcome, Answered)
    assert outcome.repaired
    assert outcome.value == Turn(say="Fine.", mood=0)
    asked = rig.server.seen[1].body["messages"]
    assert asked[-2]["content"] == said
    assert "not valid" in asked[-1]["content"]
    assert len(rig.records.spends) == 2


async def test_a_shape_that_stays_wrong_costs_one_repair_and_then_falls() -> None:
    async with rigged() as rig:
        for name in ("large", "small"):
            rig.server.always[name] = Says('{"say": 3}')
        outcome = await rig.gateway.answer(talk(shape=Turn))
    assert isinstance(outcome, NotAnswered)
    assert outcome.reason == "invalid"
    assert [seen.model for seen in rig.server.seen] == ["large", "large", "small"]


async def test_a_model_without_json_schemas_is_asked_in_the_older_way_from_then_on() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = Says('{"say": "Hm.", "mood": 0}')
        rig.server.faults.append(no_json_schema())
        first = await rig.gateway.answer(talk("a", shape=Turn))
        second = await rig.gateway.answer(talk("b", shape=Turn))
    assert isinstance(first, Answered)
    assert isinstance(second, Answered)
    kinds = [seen.body["response_format"]["type"] for seen in rig.server.seen]
    assert kinds == ["json_schema", "json_object", "json_object"]


async def test_of_a_shape_the_spoken_field_is_streamed_while_the_rest_is_written() -> None:
    async with rigged() as rig:
        said = '{"say": "Sit down. I said \\"sit\\", Ana. Now talk.", "mood": -1}'
        rig.server.always["large"] = Says(said)
        sentences, outcome = await heard(rig.gateway, talk(shape=Turn))
    assert sentences == ["Sit down.", 'I said "sit", Ana.', "Now talk."]
    assert isinstance(outcome, Answered)
    assert outcome.value == Turn(say='Sit down. I said "sit", Ana. Now talk.', mood=-1)


async def test_a_streamed_shape_that_says_nothing_valid_is_repaired_and_then_spoken() -> None:
    async with rigged() as rig:
        rig.server.faults.extend([Says('{"mood": 1}'), Says('{"say": "Well. Yes.", "mood": 1}')])
        sentences, outcome = await heard(rig.gateway, talk(shape=Turn))
    assert sentences == ["Well.", "Yes."]
    assert isinstance(outcome, Answered)
    assert outcome.repaired


async def test_a_streamed_shape_that_breaks_after_it_was_spoken_is_a_cut_answer() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = Says('{"say": "Run. Now.", "mood": 77}')
        sentences, outcome = await heard(rig.gateway, talk(shape=Turn))
    assert sentences == ["Run.", "Now."]
    assert isinstance(outcome, Answered)
    assert outcome.cut
    assert outcome.value is None


async def test_an_absurdly_long_answer_is_cut() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = Says("blah " * 200_000)
        outcome = await rig.gateway.answer(talk(tokens_max=50))
        said, streamed = await heard(rig.gateway, talk("other", tokens_max=50))
    assert isinstance(outcome, Answered)
    assert outcome.cut
    assert len(outcome.text) <= 600
    assert isinstance(streamed, Answered)
    assert streamed.cut
    assert sum(map(len, said)) <= 700


async def test_an_equal_request_is_answered_from_the_cache_also_as_a_stream() -> None:
    async with rigged() as rig:
        first = await rig.gateway.answer(talk())
        second = await rig.gateway.answer(talk("Where  is my\nmoney?"))
        said, third = await heard(rig.gateway, talk())
    assert isinstance(first, Answered)
    assert isinstance(second, Answered)
    assert isinstance(third, Answered)
    assert (second.rung, third.rung) == ("cached", "cached")
    assert second.text == third.text == first.text
    assert " ".join(said) == first.text
    assert second.usage.nano_usd == 0
    assert rig.server.count == 1


async def test_what_was_said_to_one_player_is_not_served_to_another() -> None:
    async with rigged() as rig:
        await rig.gateway.answer(talk())
        outcome = await rig.gateway.answer(talk(payers=Payers("player:bob", "npc:mara")))
    assert isinstance(outcome, Answered)
    assert outcome.rung == "large"


async def test_a_forgotten_player_is_not_in_the_cache() -> None:
    async with rigged() as rig:
        await rig.gateway.answer(talk(fallback_key=("npc:mara", "greet")))
        await rig.gateway.forget("player:ana")
        outcome = await rig.gateway.answer(talk())
    assert isinstance(outcome, Answered)
    assert outcome.rung == "large"


async def test_the_cached_rung_answers_by_the_fallback_key_when_no_model_does() -> None:
    async with rigged() as rig:
        key = ("npc:mara", "greet", "friendly")
        known = await rig.gateway.answer(talk("hello Mara", fallback_key=key))
        rig.server.always |= {"large": Status(500), "small": Status(500)}
        outcome = await rig.gateway.answer(talk("hi there Mara", fallback_key=key))
        other = await rig.gateway.answer(talk("hi", fallback_key=("npc:mara", "greet", "hostile")))
    assert isinstance(known, Answered)
    assert isinstance(outcome, Answered)
    assert (outcome.rung, outcome.text) == ("cached", known.text)
    assert isinstance(other, NotAnswered)


async def test_the_same_question_at_the_same_time_is_asked_once() -> None:
    async with rigged() as rig:
        rig.server.delay_s = 0.05
        outcomes = await asyncio.gather(*(rig.gateway.answer(talk()) for _ in range(20)))
    assert rig.server.count == 1
    assert len(rig.records.spends) == 1
    assert {outcome.text for outcome in outcomes if isinstance(outcome, Answered)} == {outcomes[0].text}  # type: ignore[union-attr]
    assert sum(outcome.usage.nano_usd for outcome in outcomes) == rig.records.nano_usd


async def test_one_of_several_who_wait_may_leave_and_the_last_one_takes_the_request_back() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = Hang()
        first = asyncio.create_task(rig.gateway.answer(talk()))
        second = asyncio.create_task(rig.gateway.answer(talk()))
        await rig.server.until(lambda: rig.server.count == 1)
        first.cancel()
        await asyncio.wait([first])
        assert rig.server.broken_off == 0
        second.cancel()
        await rig.server.until(lambda: rig.server.broken_off == 1)
        await asyncio.wait([second])


async def test_hedging_is_off_by_default_and_asks_the_next_model_where_it_is_on() -> None:
    ladder = SlotEntry(large=("large", "other"))
    async with rigged(slots=ladder, entries={"large": {"hedge_after_s": 0.05}}) as rig:
        rig.server.always["large"] = Hang()
        outcome = await rig.gateway.answer(talk())
        await rig.server.until(lambda: rig.server.broken_off == 1)
    assert isinstance(outcome, Answered)
    assert outcome.model == "other"
    async with rigged(slots=ladder, entries={"large": {"tries": 1}}) as rig:
        rig.server.faults.append(Hang())
        outcome = await rig.gateway.answer(talk())
    assert [seen.model for seen in rig.server.seen] == ["large", "other"]
    assert rig.count("ganggpt_ai_calls_total", "large", "model_slow") == 1


async def test_vectors_come_in_order_and_a_known_text_is_not_asked_again() -> None:
    async with rigged() as rig:
        first = await rig.gateway.embed(["one", "two"], Payers())
        second = await rig.gateway.embed(["two", "three", "one"], Payers())
    assert isinstance(first, EmbeddingResult)
    assert isinstance(second, EmbeddingResult)
    assert first.model == "embedding"
    assert second.vectors[0] == pytest.approx(first.vectors[1], abs=1e-6)
    assert second.vectors[2] == pytest.approx(first.vectors[0], abs=1e-6)
    assert rig.server.seen[1].body["input"] == ["three"]


@pytest.mark.parametrize(
    "broken", [{"messages": ()}, {"tokens_max": 0}, {"within_s": 0}, {"slot": "cooking"}, {"purpose": ""}], ids=str
)
async def test_a_request_out_of_bounds_is_refused(broken: dict[str, object]) -> None:
    request = talk()
    fields = {name: getattr(request, name) for name in ("slot", "purpose", "messages", "tokens_max", "within_s")}
    async with rigged() as rig:
        with pytest.raises(InvalidInput, match=next(iter(broken))):
            await rig.gateway.answer(type(request)(**{**fields, **broken}))
    assert rig.server.count == 0
