"""News with their source, the hour, the weather, advice, help, a joke; and what is asked of the last answer."""

from __future__ import annotations

from typing import Final

from ganggpt.domain.daily_life import people_in
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import folded, words_of
from ganggpt.domain.lore import Ware
from ganggpt.domain.mind.dialogue import about_people, about_places
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.own_texts import QUESTION_FROM, is_of_last, own_text, said_as, tells
from ganggpt.domain.mind.dialogue.trade import doctor_now, dollars, name_of, ware_of
from ganggpt.domain.mind.dialogue.understanding import AskedLine, topics_before
from ganggpt.domain.mind.memory_record import Memory, is_expired, may_tell
from ganggpt.domain.mind.spoken_answer import Answer, Sequel, informed
from ganggpt.domain.scene import part_of_day

_NEWS_SCANNED_MAX: Final = 128
_NEWS_KINDS: Final = ("seen", "rumour", "deed")


def news(c: TalkContext, asked: AskedLine) -> Answer:
    """What is new: the newest thing seen or heard of that was not told yet, else who is around, else politics."""
    memory = newest(c)
    if memory is not None:
        return Answer("gossip", memory, because="memories: news")
    if _asks_of_something(c, asked):
        if is_of_last(c, asked.text):
            return no_more(asked.text)
        return Answer("dont_know", missing=asked.text, because="nothing is known of it")
    seen = _seen_near(c)
    if seen is not None and not any(str(seen.facts["doing"]) in one.said for one in c.speaker.exchanges):
        return seen
    return about_people.politics(c, asked)


def _asks_of_something(c: TalkContext, asked: AskedLine) -> bool:
    """Whether a question is for what happened to something certain, and not for the news of the town."""
    words = {folded(word) for word in words_of(asked.text)}
    if not {"happened", "became"} & words:
        return False
    return not words.isdisjoint(_CERTAIN) or is_of_last(c, asked.text) or bool(asked.named)


def newest(c: TalkContext) -> Memory | None:
    """The newest thing that was seen or heard of and not brought up lately."""
    recent = [
        one
        for one in c.speaker.memories[: -_NEWS_SCANNED_MAX - 1 : -1]
        if one.kind in _NEWS_KINDS and may_tell(one, c.turn.by) and not is_expired(one, c.turn.now_s)
    ]
    return next((one for one in recent if one.no not in c.speaker.cited), recent[0] if recent else None)


def _seen_near(c: TalkContext) -> Answer | None:
    """Somebody who is around now and awake."""
    if c.here is None:
        return None
    around = people_in(c.world, c.here.id, c.turn.now_s, c.speaker.minute)
    others = [one for one in around if one.npc != c.speaker.id and one.posture != "sleep"]
    if not others:
        return None
    one = c.turn.dice.pick(others)
    facts = {"who": c.world.npcs[one.npc].name, "spot": one.spot, "doing": one.doing, "where": c.here.name}
    return informed("news_person", "whereabouts: who is around", facts)


def source(c: TalkContext, asked: AskedLine) -> Answer:
    """Who told you that."""
    cited = c.speaker.cited[-1] if c.speaker.cited else None
    memory = next((one for one in c.speaker.memories if one.no == cited), None)
    if memory is None:
        is_asked = not _TELLING.isdisjoint(words_of(asked.text))
        common = informed("source_common", "the talk so far: no memory was brought up")
        return common if is_asked else no_more(asked.text)
    if memory.trace is not None and memory.trace.chain:
        kind, _, name = memory.trace.chain[-1].partition(":")
        teller = c.world.npcs.get(name) if kind == "npc" else None
        if teller is not None:
            return informed("source_told", "memory: its trace", {"who": teller.name})
        if memory.trace.chain[-1] == c.turn.by:
            return informed("source_you", "memory: its trace")
        return informed("source_somebody", "memory: its trace")
    if memory.source == "told":
        return informed("source_you" if memory.about == c.turn.by else "source_somebody", "memory: told")
    return informed("source_seen" if memory.source == "witnessed" else "source_thought", f"memory: {memory.source}")


_TELLING: Final = listed_words("says") | {"heard", "hear", "know", "knows", "source", "sure"}


def time(c: TalkContext, _: AskedLine) -> Answer:
    """What time is it."""
    minute = c.speaker.minute
    facts = {"clock": f"{minute // 60:02}:{minute % 60:02}", "part": part_of_day(minute)}
    return informed("tell_time", "the game's clock", facts)


def weather(c: TalkContext, _: AskedLine) -> Answer:
    """What is the weather like."""
    scene = c.speaker.scene
    if scene is None or scene.weather is None:
        return informed("weather_unseen", "scene: says nothing of it")
    return informed("tell_weather", "scene: weather", {"weather": scene.weather})


def advice(c: TalkContext, _: AskedLine) -> Answer:
    """What should I do: of what weighs on the player, where they spoke of it, else in this place."""
    before = topics_before(c.speaker.exchanges[-_GRAVE_LINES:], c.world)
    if any(one.topic in _GRAVE for one in before):
        return informed("advice_self", "the talk so far: something grave")
    here = c.here
    knows = c.fresh(tuple(c.speaker.life.knows.values()))
    if knows is not None:
        return informed("advice", "life: knows", {"text": knows})
    if here is not None and (place := c.world.places.get(here.id)) is not None:
        text = c.fresh(place.dangers)
        if text is not None:
            return informed("advice", "place: dangers", {"text": text})
    return informed("advice_plain", "nothing left to tell")


_GRAVE: Final = frozenset(("confess", "complain"))
_GRAVE_LINES: Final = 4
CLERGY: Final = frozenset(("chaplain", "nun", "priest", "preacher"))
"""Trades that pray for others and keep what is confessed to them."""


def help_(c: TalkContext, asked: AskedLine) -> Answer:
    """Can you help me."""
    words = asked.text.lower()
    if any(word in words for word in _LOAN):
        return Answer("refuse_action", facts={"reason": "money"}, line="no_money", because="rules: words move no money")
    if not _HURT.isdisjoint(words_of(asked.text)):
        return hurt(c)
    own = ware_of(c, asked, is_talk=False) or _service(c, asked)
    if own is not None:
        facts = {"ware": name_of(c, own), "price": dollars(own.price)}
        return Answer("trade", line="have_ware", facts=facts, because="life: wares")
    if any(word in words for word in _HIDE):
        line = "help_hide" if c.speaker.standing >= _HIDES_FROM else "help_hide_no"
        return informed(line, f"standing {c.speaker.standing:.0f}")
    return informed("help_offer" if c.speaker.standing > -20 else "help_no", f"standing {c.speaker.standing:.0f}")


_LOAN: Final = ("money", "lend", "dollar", "cash", "$", "geld", "dinero", "argent", "dinheiro", "деньг", "денег")
_HIDE: Final = ("hide", "cops", "police", "chasing", "after me", "versteck", "escond", "cach", "спря")
_HIDES_FROM: Final = 10.0
"""Standing from which somebody is hidden."""
_HURT, _DRIVE, _CERTAIN = map(listed_words, ("hurt", "drive", "certain"))


def _service(c: TalkContext, asked: AskedLine) -> Ware | None:
    """A ride, for who asks to be driven."""
    if _DRIVE.isdisjoint(words_of(asked.text)):
        return None
    return next((one for one in c.speaker.life.wares if "ride" in words_of(one.name)), None)


def hurt(c: TalkContext) -> Answer:
    """Somebody is hurt: a doctor treats them, others send them to the next one."""
    if "doctor" in c.speaker.role:
        return informed("help_doctor", "sheet: role")
    facts = doctor_now(c)
    if facts is None:
        return informed("help_offer", "nobody is known who treats wounds")
    return informed("help_hurt", "whereabouts: the next doctor", facts, Sequel("doctor_at", facts))


def joke(_: TalkContext, __: AskedLine) -> Answer:
    """Tell me a joke."""
    return Answer("inform", line="joke", because="own lines")


def again(c: TalkContext, _: AskedLine) -> Answer:
    """What did you say."""
    if not c.speaker.exchanges:
        return informed("nothing_said", "the talk so far: nothing")
    return informed("say_again", "the talk so far", {"text": c.speaker.exchanges[-1].said})


def more(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What of it, and then: what else the speaker has to say of it, else that nothing more is told."""
    if not c.speaker.exchanges:
        return None
    own = own_text(c, asked.text, QUESTION_FROM, public=False) if tells(asked.text) else None
    return no_more(asked.text) if own is None else said_as(own)


def no_more(text: str) -> Answer:
    """That nothing more is told of what was just said, by what is asked: who it was, where, how much."""
    words = {folded(word) for word in words_of(text)}
    line = next((f"more_{kind}" for kind, listed in _ASKED.items() if not words.isdisjoint(listed)), "more_is_it")
    return Answer("wonder", line=line, missing=text, because="nothing more is known of it")


_ASKED: Final = {
    kind: listed_words(f"ask_{kind}") for kind in ("much", "when", "where", "why", "who", "end", "how", "what")
}
"""The words that tell what a question for more asks for; the first that fits counts."""


def why(c: TalkContext, asked: AskedLine) -> Answer:
    """Why: the ground of the last answer, as far as there is one."""
    before = topics_before(c.speaker.exchanges[-2:], c.world)
    last = next((one for one in before if one.topic not in ("why", "really", "again")), None)
    if last is None:
        return informed("why_nothing", "the talk so far: nothing to give a reason for")
    own = own_text(c, asked.text, QUESTION_FROM, public=False)
    if own is not None:
        return said_as(own)
    found: Answer | None = None
    if last.topic in ("owner", "danger", "place_about", "sights"):
        found = about_places.danger(c, last)
    elif last.topic in ("opinion_person", "relation", "who"):
        found = about_people.relation(c, last) if last.topic != "relation" else about_people.opinion(c, last)
    elif last.topic in ("faction", "opinion_faction", "faction_war", "politics", "self_crew"):
        found = about_people.faction_war(c, last)
    if found is not None:
        return found
    line = next((line for topics, line in _GROUNDS if last.topic.startswith(topics)), "why_plain")
    return informed(line, f"the talk so far: {last.topic}")


_GROUNDS: Final = (
    (("self_secret", "me_", "confess"), "why_secret"),
    (("wares", "price", "haggle", "buy", "work"), "why_price"),
    (("order", "help", "threat", "flirt", "insult"), "why_refused"),
    (("self_", "opinion"), "why_self"),
)
"""By what was spoken of last, the lines that give a reason for it."""


def really(c: TalkContext, _: AskedLine) -> Answer:
    """Are you sure."""
    return informed("really_yes" if c.speaker.exchanges else "why_nothing", "the talk so far")


_KNOW_ALL: Final = (
    "fixer",
    "radio host",
    "reporter",
    "taxi driver",
    "lookout",
    "cook and broker",
    "pawnbroker",
    "diner owner",
)
"""Trades of people who know what others do not."""


def who_knows(c: TalkContext) -> dict[str, str] | None:
    """Somebody to ask instead, and where they are now: of the speaker's ties first, then of the district's people."""
    ties = [id_ for id_ in c.speaker.life.ties if id_ in c.world.npcs]
    known = [one.id for one in c.world.npcs.values() if one.role in _KNOW_ALL and one.id != c.speaker.id]
    people = [id_ for id_ in known if id_ in ties] or known
    if not people:
        return None
    near = c.world.districts.get(c.speaker.home)
    beside = (c.speaker.home, *(near.neighbours if near is not None else ()))
    best = min(people, key=lambda id_: (id_ not in ties, c.world.npcs[id_].home not in beside, id_))
    where = c.where(best)
    district = c.world.districts.get(where.district) if where is not None else None
    return {
        "who": c.world.npcs[best].name,
        "where": district.name if district is not None else "",
        "spot": where.spot if where is not None else "",
    }
