"""Sentences, shapes, keys and prompts: the small parts that are laws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from ganggpt.ai.gateway.cache_keys import call_key, exact_key, fallback_key
from ganggpt.ai.gateway.provider import ProviderCall
from ganggpt.ai.gateway.sentences import SENTENCE_MAX, Sentences, sentences_of
from ganggpt.ai.gateway.structured import AnswerMisshapen, read_shape, shape_of, spoken_so_far
from ganggpt.ai.minds.prompt_files import FIELDS, read_prompts
from ganggpt.ai.model_answer import ModelAnswer
from ganggpt.ai.port import Payers, PromptMessage
from ganggpt.errors import ConfigRejected
from tests.support.gateway_rig import Turn, talk

WORDS = st.text(alphabet="abc ABC.!?…'\"\n*。。é", max_size=200)


@given(WORDS, st.lists(st.integers(1, 9), max_size=60))
def test_however_a_text_arrives_its_sentences_are_the_same_and_nothing_is_lost(text: str, cuts: list[int]) -> None:
    cutter = Sentences()
    found: list[str] = []
    rest = text
    for cut in cuts:
        found += cutter.add(rest[:cut])
        rest = rest[cut:]
    found += [*cutter.add(rest), *cutter.rest()]
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(found)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello. World.", ["Hello.", "World."]),
        ("Mr. Vance owes me $3.50. Pay!", ["Mr. Vance owes me $3.50.", "Pay!"]),
        ('"Sit!" she said. Then nothing', ['"Sit!" she said.', "Then nothing"]),
        ("So am I. You too?", ["So am I.", "You too?"]),
        ("Wait... what? No.", ["Wait... what?", "No."]),
        ("*spits* Get out. Now.", ["*spits* Get out.", "Now."]),
        ("你好。走吧！", ["你好。", "走吧！"]),
        ("First line\n\nSecond line", ["First line", "Second line"]),
        ("At 5 a.m. we go.", ["At 5 a.m. we go."]),
        ("", []),
    ],
)
def test_sentences_end_where_people_end_them(text: str, sentences: list[str]) -> None:
    assert sentences_of(text) == sentences


def test_a_sentence_without_end_is_cut_at_a_gap() -> None:
    found = sentences_of("word " * 400)
    assert len(found) > 4
    assert all(len(sentence) <= SENTENCE_MAX for sentence in found)
    assert set(" ".join(found).split()) == {"word"}


def test_a_sentence_is_out_as_soon_as_the_next_one_begins() -> None:
    cutter = Sentences()
    assert list(cutter.add("Go away.")) == []
    assert list(cutter.add(" I")) == ["Go away."]


class Inner(BaseModel):
    """A part."""

    kind: str = "x"
    title: str = Field(default="", max_length=5)


class Outer(BaseModel):
    """A whole."""

    parts: list[Inner] = []
    required: int | None = None


def test_a_strict_schema_names_every_field_on_every_level() -> None:
    schema = shape_of(Outer).schema
    assert schema["required"] == ["parts", "required"]
    inner = schema["$defs"]["Inner"]
    assert inner["required"] == ["kind", "title"]
    assert inner["additionalProperties"] is False
    assert "default" not in inner["properties"]["kind"]
    assert set(inner["properties"]) == {"kind", "title"}, "a field may be called like a word of the schema"


def test_what_is_wrong_with_an_answer_is_told_in_words_for_the_model() -> None:
    with pytest.raises(AnswerMisshapen, match=r"mood: .*less than or equal to 5"):
        read_shape(Turn, '{"say": "x", "mood": 6}')


_TAGS = st.sampled_from(["<think>", "</think>", "[THINK]", "[/THINK]", "<", "[", "<|channel|>", "{", "}", '"'])


@given(st.lists(st.one_of(st.text(max_size=20), _TAGS), max_size=6).map("".join), st.integers(0, 120))
@example("<<<THINK>", 11)
def test_the_spoken_field_grows_and_never_changes(said: str, cut: int) -> None:
    raw = Turn.model_construct(say=said, mood=1).model_dump_json()
    whole, _ = spoken_so_far(raw)
    assert whole.startswith(spoken_so_far(raw[:cut])[0])
    if not {"<", "["} & set(said):
        assert spoken_so_far(raw) == (said.removeprefix("\ufeff"), True)


@pytest.mark.parametrize(
    "text",
    [
        '<think>Be {"say": "no"} rude.</think>\n{"say": "Hi. You?", "actions": []}',
        '\ufeff```json\n{"say": "Hi. You?", "actions": []}\n``` I hope this helps {you}.',
        '```json {"say": "Hi. You?"} ```',
        'Be rude.</think>{"say": "Hi. You?"}',
        '[THINK]Be rude.[/THINK] Sure, here it is: {"say": "Hi. You?", "actions": []} Anything else?',
        '<|channel|>analysis<|message|>Rude.<|end|><|start|>assistant<|channel|>final<|message|>{"say": "Hi. You?"}',
        '{"say": "<think>Be rude.</think>Hi. You?"}',
        '{"say": "Hi.\n You?"}',
        '{"say": "Hi. You?", "actions": [{"do": "fo',
        '{"actions": [], "say": "Hi. You?"}',
        "<think>Rude it is.</think>Hi. You?",
        "Hi. You?",
    ],
)
def test_whatever_a_model_puts_round_its_answer_the_words_are_heard(text: str) -> None:
    answer = read_shape(ModelAnswer, text)
    assert isinstance(answer, ModelAnswer)
    assert answer.say == "Hi. You?"


def test_words_after_the_answer_do_not_drop_its_actions() -> None:
    text = 'Sure! {"say": "Hi.", "actions": [{"do": "follow"}]} Shall I say {more}?'
    answer = read_shape(ModelAnswer, text)
    assert isinstance(answer, ModelAnswer)
    assert [action.do for action in answer.doings] == ["follow"]


def test_words_that_are_not_finished_are_no_answer() -> None:
    with pytest.raises(AnswerMisshapen):
        read_shape(ModelAnswer, '{"say": "I will meet you at the')


def test_words_are_complete_when_their_string_is_closed() -> None:
    assert spoken_so_far('{"say": "Hi. Yo') == ("Hi. Yo", False)
    assert spoken_so_far('{"say": "Hi. You"') == ("Hi. You", True)
    assert spoken_so_far('{"say": "Hi. <thi') == ("Hi. ", False)


@pytest.mark.parametrize(
    "other",
    [
        {"slot": "summary"},
        {"purpose": "bark"},
        {"messages": (PromptMessage("system", "You are Mara."),)},
        {"messages": (PromptMessage("user", "You are Mara."), PromptMessage("user", "Where is my money?"))},
        {"shape": Turn},
        {"tokens_max": 7},
        {"payers": Payers("player:bob")},
    ],
    ids=lambda other: next(iter(other)),
)
def test_everything_that_is_documented_is_in_the_hash(other: dict[str, object]) -> None:
    assert exact_key(replace(talk(), **other), "m") != exact_key(talk(), "m")


@pytest.mark.parametrize(
    "same", [{"within_s": 1.0}, {"payers": Payers("player:ana", "npc:rico")}, {"fallback_key": ("x",)}]
)
def test_nothing_else_is(same: dict[str, object]) -> None:
    assert exact_key(replace(talk(), **same), "m") == exact_key(talk(), "m")


def test_white_space_and_unicode_forms_are_no_difference_and_models_are() -> None:
    assert exact_key(talk("e\u0301 x"), "m") == exact_key(talk("\u00e9\n x"), "m")
    assert exact_key(talk(), "m") != exact_key(talk(), "n")


def test_a_fallback_key_is_the_same_in_other_words_but_not_for_another_player() -> None:
    key = ("npc:mara", "greet")
    one = talk("hi", fallback_key=key)
    assert fallback_key(one) == fallback_key(talk("hello there", fallback_key=key))
    assert fallback_key(one) != fallback_key(talk("hi", fallback_key=key, payers=Payers("player:bob")))
    assert fallback_key(one) != fallback_key(talk("hi", fallback_key=("npc:mara gr", "eet")))
    assert fallback_key(talk("hi")) is None


@given(st.lists(st.tuples(st.sampled_from(["user", "system"]), st.text(max_size=9)), max_size=3))
def test_different_calls_have_different_keys(said: list[tuple[str, str]]) -> None:
    messages = tuple(PromptMessage(role, text) for role, text in said)  # type: ignore[arg-type]
    call = ProviderCall("m", messages, 10)
    assert call_key(call) == call_key(replace(call, player="player:ana", request_key="r"))
    assert call_key(call) != call_key(replace(call, messages=(*messages, PromptMessage("user", ""))))


def test_every_prompt_ships_and_fits() -> None:
    prompts = read_prompts()
    for name, fields in FIELDS.items():
        assert prompts.text(name, **dict.fromkeys(fields, "$HOME {x}"))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("repair.md", "Again, without the field", r"\$problem is missing"),
        ("repair.md", "Again: $problem and $player", r"nobody fills \$player"),
        ("soften.md", "It costs $ 5", "starts no placeholder"),
        ("soften.md", "  \n", "empty"),
        ("soften.md", "x" * 20_000, "bytes"),
        ("dialog.md", "You speak", "no prompt of that name"),
        ("mission.md", b"\xff\xfe", "cannot be read"),
    ],
    ids=str,
)
def test_a_broken_prompt_file_is_an_error_at_the_start(
    tmp_path: Path, name: str, text: str | bytes, problem: str
) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigRejected, match=problem) as caught:
        read_prompts(tmp_path)
    assert name in str(caught.value)


def test_ones_own_prompt_replaces_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "soften.md").write_text("Be nice. It costs $$5.")
    assert read_prompts(tmp_path).text("soften") == "Be nice. It costs $5."
    with pytest.raises(ConfigRejected, match="no folder"):
        read_prompts(tmp_path / "nowhere")
