"""What the speaker tells of itself: name, trade, past, home, family, friends, side, aims, secrets, day, mood."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ganggpt.domain.daily_life import day_of
from ganggpt.domain.language.person import in_first_person, own_words
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import stem, with_article, words_of
from ganggpt.domain.lore import Stop
from ganggpt.domain.mind.background import bosses, causes_of
from ganggpt.domain.mind.brief import politics_of
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.own_texts import QUESTION_FROM, STATEMENT_FROM, own_text, said_as
from ganggpt.domain.mind.dialogue.trade import listed, wares_in_words
from ganggpt.domain.mind.dialogue.understanding import AskedLine
from ganggpt.domain.mind.spoken_answer import Answer, Sequel, informed

_LIKES_TOLD: Final = 3
_PERSONAL_WORDS: Final = 3
_TIES_TOLD: Final = 2
_LATER: Final = listed_words("later")
_PARTS: Final = {
    "morning": 9 * 60,
    "noon": 12 * 60,
    "afternoon": 15 * 60,
    "evening": 20 * 60,
    "tonight": 22 * 60,
    "night": 23 * 60,
}
_FOES: Final = listed_words("foes")
_ROLE_WORDS: Final = listed_words("role_words")


def name(c: TalkContext, _: AskedLine) -> Answer:
    """Who are you."""
    then = () if c.speaker.listener or _asked_name(c) else (Sequel("ask_name"),)
    return Answer("introduce", then=then, because="sheet: name and role")


def role(c: TalkContext, asked: AskedLine) -> Answer:
    """What do you do; are you a doctor."""
    me = c.speaker
    if not me.role:
        return Answer("introduce", because="sheet: name")
    wanted = {stem(word) for word in words_of(asked.text)} & {stem(word) for word in _ROLE_WORDS}
    lead: tuple[Sequel, ...] = ()
    if wanted and not any(word in words_of(asked.text) for word in ("what", "who")):
        mine = {stem(word) for word in words_of(me.role)}
        lead = (Sequel("yes") if wanted & mine else Sequel("no"),)
    facts = {"role_a": with_article(me.role), "role": me.role, "wares": listed(wares_in_words(c, me.life.wares[:3]))}
    then: tuple[Sequel, ...] = (Sequel("of_wares", facts),) if me.life.wares else ()
    if not then and me.offers_work:
        then = (Sequel("of_jobs", facts),)
    if lead:
        return Answer("inform", line=lead[0].line, then=(Sequel("tell_role", facts), *then), because="sheet: role")
    return informed("tell_role", "sheet: role, wares, jobs", facts, *then)


def past(c: TalkContext, _: AskedLine) -> Answer:
    """Where are you from, how did you get here."""
    me = c.speaker
    text = me.life.past or in_first_person(me.backstory)
    if not text:
        return Answer("introduce", because="sheet: name; no past is known")
    if c.is_said(text):
        return story(c, _)
    return informed("tell_past", "life: past" if me.life.past else "sheet: backstory", {"text": text})


def story(c: TalkContext, asked: AskedLine) -> Answer:
    """Tell me a story; the one that has most in common with the question, if any has."""
    own = own_text(c, asked.text, QUESTION_FROM, public=False)
    if own is not None:
        return said_as(own)
    if c.speaker.language == "en" and asked.is_question and _STORY.isdisjoint(words_of(asked.text)):
        return other(c, asked)
    told = c.fresh(c.speaker.life.stories)
    if (
        told is None
        and not c.speaker.life.stories
        and c.speaker.backstory
        and not c.is_said(in_first_person(c.speaker.backstory))
    ):
        told = in_first_person(c.speaker.backstory)
    if told is None:
        return informed("no_story", "life: every story was told")
    return informed("tell_story", "life: stories", {"text": told})


_STORY: Final = listed_words("story")


def home(c: TalkContext, _: AskedLine) -> Answer:
    """Where do you live."""
    district = c.world.districts.get(c.speaker.home)
    if district is None:
        return informed("home_nowhere", "sheet: no home is known")
    bed = next((stop.spot for stop in _day(c) if stop.posture == "sleep" and stop.district == district.id), "")
    facts = {"home": district.name, "spot": own_words(bed)}
    return informed("tell_home_spot" if bed and c.speaker.standing >= 12 else "tell_home", "sheet: home", facts)


def likes(c: TalkContext, _: AskedLine) -> Answer:
    """What do you like."""
    if not c.speaker.likes:
        return informed("no_likes", "sheet: no likes")
    liked = [own_words(one) for one in c.speaker.likes[:_LIKES_TOLD]]
    return informed("tell_likes", "sheet: likes", {"likes": listed(liked)})


def family(c: TalkContext, _: AskedLine) -> Answer:
    """Have you got a family."""
    if not c.speaker.life.family:
        return informed("no_family", "life: no family is known")
    return informed("tell_family", "life: family", {"text": c.speaker.life.family})


def friends(c: TalkContext, asked: AskedLine) -> Answer:
    """Whom do you trust, who are your enemies."""
    me = c.speaker
    if not _FOES.isdisjoint(words_of(asked.text)):
        politics = politics_of(c.world, me.faction)
        if politics is not None and politics.enemy is not None:
            return informed(
                "tell_foes", "sheet of the faction: relations", {"foes": politics.enemy, "own": politics.own}
            )
        return informed("no_foes", "sheet: no faction, no foes")
    ties = [(c.world.npcs[id_].name, tie) for id_, tie in me.life.ties.items() if id_ in c.world.npcs]
    if not ties:
        return informed("no_friends", "life: no ties")
    told = ties[:_TIES_TOLD] if not c.is_said(_tie(*ties[0])) else ties[_TIES_TOLD:][:_TIES_TOLD] or ties[:1]
    return informed("tell_friends", "life: ties", {"text": " ".join(_tie(*one) for one in told)})


def _tie(who: str, tie: str) -> str:
    return f"{who} is {tie}."


def crew(c: TalkContext, asked: AskedLine) -> Answer:
    """Who do you run with; are you with them."""
    politics = politics_of(c.world, c.speaker.faction)
    named = c.faction(asked) if any(one.what == "faction" for one in asked.named) else None
    if named is not None:
        if named.id == c.speaker.faction:
            return Answer("politics", politics=politics, because="sheet: faction")
        facts = {"faction": named.name, "own": politics.own if politics is not None else ""}
        return informed("not_with_them" if politics is not None else "with_nobody", "sheet: faction", facts)
    return Answer("politics" if politics is not None else "no_politics", politics=politics, because="sheet: faction")


def boss(c: TalkContext, _: AskedLine) -> Answer:
    """Who gives you orders."""
    side = c.world.factions.get(c.speaker.faction or "")
    if side is None:
        return informed("no_boss", "sheet: no faction")
    who = bosses(c.world).get(side.id)
    if who == c.speaker.name:
        return informed("am_boss", "sheets: roles of the faction", {"own": side.name})
    if who is None:
        return informed("boss_unknown", "sheets: nobody leads the faction", {"own": side.name})
    return informed("tell_boss", "sheets: roles of the faction", {"boss": who, "own": side.name})


def aims(c: TalkContext, _: AskedLine) -> Answer:
    """What do you want in life."""
    me = c.speaker
    if me.life.wish:
        return informed("tell_wish", "life: wish", {"text": me.life.wish})
    if me.aims:
        return informed("tell_aims", "sheet: aims", {"aims": listed([own_words(one) for one in me.aims])})
    return informed("no_aims", "sheet: no aims")


def secret(c: TalkContext, _: AskedLine) -> Answer:
    """What are you hiding. Told from the standing on that the life says."""
    secrets = c.speaker.life.secrets
    if not secrets:
        return informed("no_secret", "life: no secret")
    told = next((one for one in secrets if one.standing <= c.speaker.standing and not c.is_said(one.text)), None)
    if told is not None:
        return informed("tell_secret", f"life: a secret, told from a standing of {told.standing}", {"text": told.text})
    kept = next((one for one in secrets if one.standing > c.speaker.standing), None)
    if kept is None:
        return informed("secret_told", "life: all secrets were told")
    why = f"life: a secret, kept below a standing of {kept.standing}"
    return Answer("keep_secret", line="keep_secret", facts={"hint": kept.hint}, because=why)


def day(c: TalkContext, asked: AskedLine) -> Answer:
    """What are you doing today, where will you be tonight, when are you here."""
    stops = _day(c)
    words = set(words_of(asked.text))
    if not stops:
        return informed("day_plain", "sheet: no day is known", {"doing": c.speaker.doing})
    wanted = next((minute for word, minute in _PARTS.items() if word in words), None)
    if wanted is None and not words.isdisjoint(_LATER):
        wanted = 21 * 60
    if "sleep" in words:
        stop = next((one for one in stops if one.posture == "sleep"), stops[-1])
    elif wanted is not None:
        stop = _stop_at(stops, wanted)
    else:
        now, after = _stop_at(stops, c.speaker.minute), _stop_after(stops, c.speaker.minute)
        facts = {"doing": c.speaker.doing or own_words(now.doing), **_stop_facts(c, after)}
        return informed("tell_day", "life: day", facts)
    return informed("tell_later", "life: day", _stop_facts(c, stop))


def _stop_facts(c: TalkContext, stop: Stop) -> dict[str, str]:
    district = c.world.districts.get(stop.district)
    place = district.name if district is not None else c.speaker.place
    return {"time": stop.at, "spot": own_words(stop.spot), "where": place, "then": own_words(stop.doing)}


def _day(c: TalkContext) -> tuple[Stop, ...]:
    sheet = c.world.npcs.get(c.speaker.id)
    return day_of(c.world, sheet) if sheet is not None else c.speaker.life.day


def _stop_at(stops: tuple[Stop, ...], minute: int) -> Stop:
    return next((stop for stop in reversed(stops) if stop.minute <= minute), stops[-1])


def _stop_after(stops: tuple[Stop, ...], minute: int) -> Stop:
    return next((stop for stop in stops if stop.minute > minute), stops[0])


def feel(c: TalkContext, _: AskedLine) -> Answer:
    """How are you."""
    then = () if c.turn.dice.chance(0.6) else (Sequel("ask_back_feel"),)
    return Answer("how_are_you", then=then, because=f"own state: mood {c.speaker.mood:.0f}")


def why_mood(c: TalkContext, _: AskedLine) -> Answer:
    """What is wrong, why are you so happy."""
    me = c.speaker
    causes = causes_of(me.memories, c.turn.by, c.turn)
    label = me.mood_label
    if causes and abs(me.standing) >= 8:
        return Answer("account", facts=_for_and_against(me.standing, causes), because="memories of the player")
    if label in ("dark", "sour"):
        return informed("mood_bad", f"own state: mood {me.mood:.0f}", {"aims": _worry(c)})
    if label in ("good", "elated"):
        return informed("mood_good", f"own state: mood {me.mood:.0f}", {"likes": listed(me.likes[:1])})
    return informed("mood_plain", f"own state: mood {me.mood:.0f}", {"doing": me.doing})


def _for_and_against(standing: float, causes: Iterable[str]) -> dict[str, str]:
    first = next(iter(causes), "").rpartition(" (")[0]
    return {"for": first, "against": ""} if standing > 0 else {"for": "", "against": first}


def _worry(c: TalkContext) -> str:
    return own_words(c.speaker.aims[0]) if c.speaker.aims else ""


def other(c: TalkContext, asked: AskedLine) -> Answer:
    """How old are you, are you scared, do you believe in God …: what no sheet says, unless a text of the life does."""
    words = set(words_of(asked.text))
    line, why = _personal(c, words)
    own = own_text(c, asked.text, QUESTION_FROM if line == "own_business" else STATEMENT_FROM, public=False)
    if own is not None:
        return said_as(own)
    told = c.speaker.life.past
    if line == "own_business" and told and not c.is_said(told) and len(words) > _PERSONAL_WORDS:
        return informed("tell_past", "life: past", {"text": told})
    return informed(line, why)


def _personal(c: TalkContext, words: set[str]) -> tuple[str, str]:
    """The lines for a personal question, by what it asks for, and what they go by."""
    courage = c.speaker.courage - (20 if c.speaker.style == "nervous" else 0)
    by_courage = f"sheet: courage {c.speaker.courage}"
    if not words.isdisjoint(_FEARS):
        return "not_scared" if courage >= _BRAVE else "scared", by_courage
    if not words.isdisjoint(_FIGHTS):
        return "can_fight" if courage >= _BRAVE else "no_fighter", by_courage
    if not words.isdisjoint(_KILLS):
        return "not_telling", "sheet: says nothing of it"
    return "own_age" if not words.isdisjoint(_AGES) else "own_business", "sheet: says nothing of it"


_FEARS, _FIGHTS, _KILLS, _AGES = map(listed_words, ("fears", "fights", "kills", "ages"))
_BRAVE: Final = 58


def _asked_name(c: TalkContext) -> bool:
    return any("who" in one.said.lower() or "your name" in one.said.lower() for one in c.speaker.exchanges[-3:])
