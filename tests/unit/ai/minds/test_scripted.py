"""The scripted mind: never empty, never too long, never the same opening, the same words for the same dice."""

from __future__ import annotations

import re
import string
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.repetition import measured, talk
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.ai.minds.texts import ALIASES, PLAIN, TONES, VOICES, languages, tongue
from ganggpt.domain.mind.brief import (
    OPENERS_MAX,
    PHRASES_MAX,
    SAID_MAX,
    Act,
    Brief,
    Cited,
    Politics,
    opener_of,
    phrase_of,
    sentences_of,
    with_opener,
    with_phrases,
)
from ganggpt.domain.mind.memory_record import MemoryKind, Source
from ganggpt.domain.turn import Dice, Wording
from ganggpt.worldfiles.files import load_world
from tests.support.paths import ROOT

MIND: Wording = ScriptedMind()
LINES, HAILS, REASONS, MORE, MEMORIES, _ = tongue("en")
LANGUAGES = languages()
ACTS = get_args(Act)
MOODS = ("dark", "sour", "calm", "good", "elated")
STANDINGS = ("enemy", "hostile", "wary", "neutral", "friendly", "trusted", "family")
GIFT = Cited(3, "gift", "Ava gave me a silver watch", "witnessed", "last week", True)


def a_brief(**fields: Any) -> Brief:
    known: dict[str, Any] = {
        "speaker": "Mara Voss",
        "role": "fixer",
        "style": "street",
        "act": "greet",
        "mood": "calm",
        "standing": "neutral",
        "listener": "Ava",
        "place": "the docks",
    }
    return Brief(**{**known, **fields})


_text = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=240)
_cited = st.builds(
    Cited,
    st.integers(1, 99),
    st.sampled_from(get_args(MemoryKind)),
    st.one_of(_text, st.sampled_from(["Ava gave me a dog", "Ava told me: ", "A stranger was here", "Ava is"])),
    st.sampled_from(get_args(Source)),
    st.sampled_from(["a moment ago", "last week", "a long time ago"]),
    st.booleans(),
)
_briefs = st.builds(
    Brief,
    speaker=st.just("Mara Voss"),
    role=_text.map(lambda text: text[:100]),
    style=st.one_of(st.sampled_from([*VOICES, *ALIASES, "Old Timer"]), _text),
    act=st.sampled_from(ACTS),
    mood=st.sampled_from(MOODS),
    standing=st.sampled_from(STANDINGS),
    listener=st.one_of(st.just(""), _text.map(lambda text: text[:50])),
    heard=_text,
    memory=st.one_of(st.none(), _cited),
    politics=st.one_of(st.none(), st.builds(Politics, st.just("Crew"), st.none() | _text, st.none() | _text)),
    place=st.one_of(st.just(""), _text),
    facts=st.dictionaries(st.sampled_from(["title", "reward", "task", "item", "known", "order"]), _text),
    avoid=st.lists(_text, max_size=6).map(tuple),
)


@given(_briefs, st.integers(0, 2**64 - 1))
@settings(max_examples=100, deadline=None)
def test_any_brief_gets_words_of_bounded_length_and_the_same_for_the_same_dice(brief: Brief, seed: int) -> None:
    said = MIND.say(brief, Dice(seed))
    assert 0 < len(said) <= SAID_MAX
    assert said.strip()
    assert said == MIND.say(brief, Dice(seed))


@pytest.mark.parametrize("style", VOICES)
@pytest.mark.parametrize("act", ACTS)
def test_no_opening_comes_again_within_ten_utterances_even_of_one_act(style: str, act: str) -> None:
    for standing in ("neutral", "trusted", "enemy"):
        avoid: tuple[str, ...] = ()
        stale: tuple[int, ...] = ()
        for seed in range(60):
            brief = a_brief(style=style, act=act, standing=standing, avoid=avoid, stale=stale)
            said = MIND.say(brief, Dice(seed))
            assert opener_of(said) not in avoid, (style, act, standing, said)
            avoid, stale = with_opener(avoid, said), with_phrases(stale, said)
    assert len(avoid) == OPENERS_MAX == 10
    assert len(stale) <= PHRASES_MAX


def test_a_line_that_was_said_lately_is_passed_over_while_there_is_another() -> None:
    lines = {MIND.say(a_brief(style=PLAIN, act="no_work"), Dice(seed)) for seed in range(300)}
    numbers = sorted({phrase_of(part) for said in lines for part in sentences_of(said)} - {0})
    kept = phrase_of("I have no work to give.")
    stale = tuple(number for number in numbers if number != kept)
    again = [MIND.say(a_brief(style=PLAIN, act="no_work", stale=stale), Dice(seed)) for seed in range(200)]
    assert all("I have no work to give." in said for said in again)


def test_where_everything_is_to_be_avoided_the_opening_used_longest_ago_comes_again() -> None:
    everything: tuple[str, ...] = ()
    while (opener := opener_of(MIND.say(a_brief(act="bye", avoid=everything), Dice(1)))) not in everything:
        everything += (opener,)
    assert len(everything) > 20
    assert opener in everything[:20]


def test_the_people_of_the_shipped_world_never_open_twice_alike_within_ten_utterances() -> None:
    world = load_world(ROOT / "worlds" / "los-santos")
    for npc_id in world.npcs:
        row = measured(npc_id, talk(world, npc_id, 60))
        assert (row.utterances, row.openers_repeated) == (60, 0), row
        assert row.distinct_3 > 0.4, row


def test_being_told_the_same_thing_forty_times_is_answered_with_forty_openings_apart_by_ten() -> None:
    world = load_world(ROOT / "worlds" / "los-santos")
    for npc_id in ("mara", "halloran", "old-pete", "gia"):
        assert measured(npc_id, talk(world, npc_id, 400, dwell=40)).openers_repeated == 0


@pytest.mark.parametrize("reason", REASONS)
def test_every_refusal_says_its_reason(reason: str) -> None:
    for act in ("refuse_order", "refuse_action"):
        for seed in range(10):
            said = MIND.say(a_brief(act=act, facts={"reason": reason, "order": "attack"}), Dice(seed))
            assert any(line in said for line in REASONS[reason]), said
    assert MIND.say(a_brief(act="refuse_action", facts={"reason": "never heard of"}), Dice(1))


def test_every_style_has_its_own_voice_and_an_unknown_one_talks_plainly() -> None:
    heard = {style: {MIND.say(a_brief(style=style), Dice(seed)) for seed in range(60)} for style in VOICES}
    for style, said in heard.items():
        assert len(said) >= 5
        others = set().union(*(words for other, words in heard.items() if other != style))
        assert style == PLAIN or len(said - others) >= 2
    assert len(VOICES) >= 9
    assert {MIND.say(a_brief(style="martian"), Dice(seed)) for seed in range(60)} == heard[PLAIN]
    assert MIND.say(a_brief(style="Old_Timer"), Dice(5)) == MIND.say(a_brief(style="oldtimer"), Dice(5))


def test_tone_follows_standing_and_mood() -> None:
    def greetings(**fields: str) -> set[str]:
        return {MIND.say(a_brief(style=PLAIN, **fields), Dice(seed)) for seed in range(80)}

    assert greetings(standing="family").isdisjoint(greetings(standing="enemy"))
    assert greetings(mood="good").isdisjoint(greetings(mood="dark"))


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (GIFT, r"you gave me a silver watch"),
        (
            Cited(1, "threat", 'Ava threatened me with a weapon in hand: "Run."', "witnessed", "yesterday", True),
            r'you threatened me with a weapon in hand: "Run\."',
        ),
        (
            Cited(1, "talk", 'Ava told me: "I lost my brother."', "told", "yesterday", True),
            r'you told me: "I lost my brother\."',
        ),
        (Cited(1, "seen", "Ava was at the pier", "witnessed", "yesterday", True), r"you were at the pier"),
        (Cited(1, "seen", "the pier burned", "witnessed", "yesterday", True), r"the pier burned"),
        (Cited(1, "gift", "Bob gave me a dog", "witnessed", "yesterday", False), r"Bob gave me a dog"),
        (
            Cited(1, "met", "A stranger first spoke to me in Docks", "witnessed", "yesterday", True),
            r"you first spoke to me in Docks",
        ),
        (
            Cited(1, "promise", "Ava owes me a boat", "told", "yesterday", True),
            r"promise still open: Ava owes me a boat",
        ),
        (Cited(1, "rumour", "the vault is empty", "rumour", "yesterday", False), r"the vault is empty"),
    ],
)
def test_a_memory_is_told_in_the_speakers_own_words(memory: Cited, words: str) -> None:
    for seed in range(30):
        said = MIND.say(a_brief(act="remember", memory=memory), Dice(seed))
        assert re.search(words, said, re.IGNORECASE), said


def test_the_longest_memory_still_fits_and_is_not_dropped() -> None:
    memory = Cited(1, "talk", 'Ava told me: "' + "word " * 44 + '"', "told", "a few weeks ago", True)
    for style in VOICES:
        for seed in range(20):
            assert "word word" in MIND.say(a_brief(style=style, act="remember", memory=memory), Dice(seed))


def test_names_and_texts_are_data_and_never_read_as_lines() -> None:
    said = MIND.say(a_brief(act="obey", listener="{role}", facts={"order": "say {enemy} {0} %s"}), Dice(1))
    assert "{enemy} {0} %s" in said


def test_politics_name_the_friend_and_the_enemy() -> None:
    politics = Politics("Harbour Crew", "City Council", "Vipers")
    for seed in range(20):
        said = MIND.say(a_brief(act="politics", politics=politics), Dice(seed))
        assert all(name in said for name in ("Harbour Crew", "City Council", "Vipers")), said


FACTS = {
    *(
        "about",
        "age",
        "aims",
        "ask",
        "back",
        "boss",
        "business",
        "cause",
        "clock",
        "colours",
        "count",
        "deed",
        "direction",
    ),
    *("distance", "doing", "enemy", "faction", "foes", "for", "against", "friend", "friends", "here", "hint", "home"),
    *(
        "hardness",
        "item",
        "kind",
        "known",
        "landmarks",
        "likes",
        "listener",
        "minutes",
        "motto",
        "offer",
        "one",
        "order",
    ),
    *("other", "own", "owner", "part", "payer", "place", "places", "price", "quote", "reward", "role", "role_a"),
    *("second", "side", "speaker", "spot", "talks", "task", "text", "tie", "time", "title", "topics", "until", "walk"),
    *("ware", "wares", "way", "weather", "where", "who", "you", "then"),
}
"""What a line may be filled with, in small letters."""


def slots_of(line: str) -> set[str]:
    names = {name for _, name, _, _ in string.Formatter().parse(line) if name is not None}
    return {name[0].lower() + name[1:] for name in names}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_act_has_lines_for_every_tone_and_every_slot_is_known(language: str) -> None:
    texts = tongue(language)
    assert set(ACTS) - set(texts.lines) - {"account", "confided"} <= FALL_BACK, language
    parts = (texts.reasons, texts.more, texts.memories)
    spoken = [lines for tables in (texts.lines, texts.hails) for act in tables.values() for lines in act.values()]
    spoken += [lines for part in parts for lines in part.values()]
    for line in (line for lines in spoken for line in lines):
        assert slots_of(line) <= FACTS, line
        assert line.strip()
    for key, tones in (*texts.lines.items(), *texts.hails.items()):
        assert all(tones[tone] for tone in TONES), key


FALL_BACK = {"inform", "opine", "trade"}
"""Acts that always say which lines they are put into."""


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_language_says_what_english_says_and_nothing_that_holds_english_sentences(language: str) -> None:
    texts = tongue(language)
    assert set(LINES) - set(texts.lines) - {"and_more", "account"} == set()
    sentences = {
        "text",
        "about",
        "spot",
        "doing",
        "tie",
        "business",
        "colours",
        "hint",
        "motto",
        "back",
        "likes",
        "aims",
    }
    sentences |= {"task", "landmarks", "known", "item", "order", "kind", "role_a", "you"}
    spoken = [line for tones in texts.lines.values() for lines in tones.values() for line in lines]
    assert not [line for line in spoken if slots_of(line) & sentences]
    assert {"and", "here", "ware", "way first", "way next", "rain", "north"} <= set(texts.words)


def test_voices_open_address_and_close_in_every_tone() -> None:
    for style, voice in VOICES.items():
        assert set(voice) - {"you", "open", "tail"} <= set(ACTS), style
        assert all(voice[part][tone] for part in ("you", "open", "tail") for tone in TONES)
    assert {key for key in MORE if key.startswith("standing ")} == {f"standing {one}" for one in STANDINGS}
    assert {key for key in MORE if key.startswith("mood ")} == {f"mood {one}" for one in MOODS}
    assert {f"own {source}" for source in get_args(Source)} | set(get_args(Source)) <= set(MEMORIES)


def test_a_brief_is_plain_data() -> None:
    brief = a_brief(memory=GIFT, politics=Politics("Crew", None, "Vipers"), facts={"item": "a watch"}, avoid=("yo",))
    assert msgspec.json.decode(msgspec.json.encode(brief), type=Brief) == brief
