"""How a line that asks nothing is taken: what is said back, warned of, asked, refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from ganggpt.domain.language.facts import ME, facts_of
from ganggpt.domain.language.person import said_back
from ganggpt.domain.language.questions import Topic
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import folded, words_of
from ganggpt.domain.mind.background import TIE_FROM
from ganggpt.domain.mind.dialogue import about_town, trade
from ganggpt.domain.mind.dialogue.about_town import CLERGY
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.pointing import is_addressed
from ganggpt.domain.mind.dialogue.speaker import JobTold
from ganggpt.domain.mind.dialogue.understanding import AskedLine
from ganggpt.domain.mind.spoken_answer import Answer, Sequel

_GLAD, _NEW_HERE, _REPORT, _CRIMES, _SOMEBODY = map(
    listed_words, ("joined", "new_here", "report", "crimes", "somebody")
)
_SURE: Final = 0.5
_TOLD_LINES: Final[Mapping[str, str]] = {
    "name": "told_name",
    "home": "told_home",
    "job": "told_job",
    "gang": "told_gang",
    "debt": "told_debt",
}
"""How a plain fact about the player is taken."""
_SUFFERS: Final = frozenset(("was", "were", "got", "been"))
_TRUSTS_FROM: Final = 15.0
_OBEYS_FROM: Final = 35.0
_THREAT_FROM: Final = 0.6
_ACCUSES_FROM: Final = 0.6


def confess(c: TalkContext, asked: AskedLine) -> Answer:
    """A confession: it may be used one day, unless the speaker is a friend."""
    words = {folded(word) for word in words_of(asked.text)}
    if c.is_police and not words.isdisjoint(_CRIMES) and not words.isdisjoint(_SUFFERS):
        return reported(c)
    if c.is_police:
        return Answer("confided", line="confided_police", because="sheet: the police")
    is_kept = c.speaker.standing >= _TRUSTS_FROM or not CLERGY.isdisjoint(words_of(c.speaker.role))
    line = "confided_friend" if is_kept else "confided_noted"
    return Answer("confided", line=line, because=f"standing {c.speaker.standing:.0f}")


def threat_other(c: TalkContext, asked: AskedLine) -> Answer | None:
    """A threat to somebody else: whose friend that is decides. Rumours about somebody are no threats."""
    if asked.confidence < _THREAT_FROM:
        return None
    person = c.person(asked) if any(one.what in ("npc", "role") for one in asked.named) else None
    faction = c.faction(asked) if person is None else c.world.factions.get(person.faction or "")
    name = person.name if person is not None else faction.name if faction is not None else ""
    own = c.world.factions.get(c.speaker.faction or "")
    is_named = any(one.what in ("npc", "faction", "role") for one in asked.named)
    if not name or not is_named:
        return Answer("answer", line="threat_somebody", because="nobody known is named")
    facts = {"who": name}
    tie = person is not None and person.id in c.speaker.life.ties
    if (own is not None and faction is not None and faction.id == own.id) or tie:
        return Answer("defiant", line="threat_friend", facts=facts, because="sheets: one of the speaker's own")
    if own is not None and faction is not None and own.relations.get(faction.id, 0) <= -TIE_FROM:
        return Answer("answer", line="threat_foe", facts=facts, because="factions: relation")
    return Answer("answer", line="threat_known", facts=facts, because="sheets: no tie")


def order(c: TalkContext, _: AskedLine) -> Answer:
    """An order: refused, a friend is asked why."""
    if c.speaker.standing >= _OBEYS_FROM:
        return Answer("refuse_action", line="ordered_friend", because=f"standing {c.speaker.standing:.0f}")
    return Answer("refuse_action", line="ordered", because=f"standing {c.speaker.standing:.0f}")


def in_need(c: TalkContext, text: str) -> Answer | None:
    """What comes before everything else: somebody speaks of ending their life, or is wounded; a joke is taken back.
    None where nothing of it is so."""
    words = [folded(word) for word in words_of(text)]
    if not _DESPAIR.isdisjoint(words) and not _MYSELF.isdisjoint(words) and not _FIRST.isdisjoint(words):
        return Answer("console", line="please_live", because="heard as despair")
    is_own = not _FIRST.isdisjoint(words) and not _BEEN.isdisjoint(words) and _OTHERS.isdisjoint(words)
    if is_own and not _HURT.isdisjoint(words) and "?" not in text:
        return about_town.hurt(c)
    is_kidding = not _KIDDING.isdisjoint(words) and (len(words) <= _FEW or not _FIRST.isdisjoint(words))
    if is_kidding and "?" not in text:
        return Answer("answer", line="kidding", because="a joke is taken back") if c.speaker.exchanges else None
    return None


_DESPAIR, _MYSELF, _HURT, _KIDDING, _OTHERS = map(
    listed_words, ("despair", "myself", "hurt", "kidding", "somebody_else")
)
_FIRST: Final = frozenset(("i", "i'm", "im", "me", "i've", "ive", "my"))
_FEW: Final = 3
_BEEN: Final = frozenset(("been", "i'm", "im", "am", "got", "bleeding", "need"))


def boast(c: TalkContext, asked: AskedLine) -> Answer:
    """Somebody boasts."""
    return Answer("answer", line="boasted", then=_asked_on(c, asked), because="heard as a boast")


def complain(c: TalkContext, asked: AskedLine) -> Answer:
    """Somebody is down: grief is met, a need is answered with what helps."""
    words = {folded(word) for word in words_of(asked.text)}
    if not words.isdisjoint(_GRIEF):
        return Answer("console", because="heard as grief")
    if not words.isdisjoint(_REPORT):
        return reported(c)
    helped = _in_want(c, asked)
    if helped is not None:
        return helped
    back = said_back(asked.text)
    if back is not None:
        return Answer("console", line="complained_back", facts={"back": back}, because="heard as a complaint")
    return Answer("console", line="complained", because="heard as a complaint")


_GRIEF: Final = listed_words("grief")
_VEHICLE, _BROKEN_DOWN = map(listed_words, ("vehicle", "broken_down"))
_MENDS: Final = frozenset(("mechanic", "tuner"))
"""Trades that repair what drives."""
_NEEDS: Final = (
    (listed_words("hungry"), "food"),
    (listed_words("thirsty"), "drink"),
    (listed_words("broke"), "work"),
)
"""Words of a need, and what helps."""
_FEEDS: Final = frozenset(("cook", "diner", "matriarch", "nun", "barkeep", "bartender"))
"""Trades that feed people."""


def _in_want(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What helps who is hungry, thirsty or broke, or whose car is; None where nothing of it is said, or nothing
    helps."""
    words = {folded(word) for word in words_of(asked.text)}
    need = next((goods for listed, goods in _NEEDS if not words.isdisjoint(listed)), None)
    return _broken_down(c, asked) or (_helped(c, asked, need) if need is not None else None)


def _helped(c: TalkContext, asked: AskedLine, need: str) -> Answer | None:
    """Something to eat or to drink, of the speaker's own or near; work for who has no money."""
    if need == "work":
        return Answer("inform", line="broke_work" if c.speaker.offers_work else "broke", because="sheet: missions")
    wanted = replace(asked, text=need, named=())
    mine = trade.ware_of(c, wanted, is_talk=False)
    if not _FEEDS.isdisjoint(words_of(c.speaker.role)):
        if mine is None and not c.speaker.life.wares:
            return Answer("inform", line="hungry_fed", because="sheet: role")
        mine = mine or c.speaker.life.wares[0]
    if mine is not None:
        facts = {"ware": trade.name_of(c, mine), "price": trade.dollars(mine.price)}
        return Answer("trade", line="hungry_ware", facts=facts, because="life: wares")
    return trade.shop(c, wanted)


def _broken_down(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What helps where something that drives does not any more: the speaker's own repairs, else who does them."""
    words = {folded(word) for word in words_of(asked.text)}
    if words.isdisjoint(_VEHICLE) or words.isdisjoint(_BROKEN_DOWN):
        return None
    if _MENDS.isdisjoint(words_of(c.speaker.role)):
        return trade.shop(c, replace(asked, text="repairs", named=()))
    mine = trade.ware_of(c, asked, is_talk=False) or next(iter(c.speaker.life.wares), None)
    if mine is None:
        return None
    facts = {"ware": trade.name_of(c, mine), "price": trade.dollars(mine.price)}
    return Answer("trade", line="mend_ware", facts=facts, because="life: wares")


def plan(c: TalkContext, asked: AskedLine) -> Answer:
    """Somebody says what they are going to do: a warning where a place is named that has its dangers."""
    id_ = next((one.id for one in asked.named if one.what == "district" and one.is_sure), "")
    place = c.world.places.get(id_)
    if place is not None and id_ in c.world.districts:
        text = c.fresh(place.dangers)
        if text is not None:
            facts = {"place": c.world.districts[id_].name, "text": text}
            return Answer("answer", line="planned_place", facts=facts, because="place: dangers")
    about = _about_named(c, asked)
    if about is not None:
        return about
    back = said_back(asked.text)
    if back is not None:
        return Answer("answer", line="planned_back", facts={"back": back}, because="heard as a plan")
    return Answer("answer", line="planned", because="heard as a plan")


def agree(c: TalkContext, _: AskedLine) -> Answer:
    """Somebody agrees: to a job that was just offered, else to what was said."""
    job = c.speaker.job
    if job is not None and is_just_offered(c):
        facts = {"title": job.title, "places": trade.listed(job.places), "minutes": str(job.minutes)}
        return Answer("answer", line="agreed_job", facts=facts, because="the offer")
    asked_something = bool(c.speaker.exchanges) and c.speaker.exchanges[-1].said.rstrip().endswith("?")
    return Answer("answer", line="agreed_offer" if asked_something else "agreed", because="heard as agreement")


def is_just_offered(c: TalkContext) -> bool:
    """Whether the last thing said was the job the player was offered."""
    job = c.speaker.job
    return job is not None and bool(c.speaker.exchanges) and _is_of_job(c.speaker.exchanges[-1].said, job)


def _is_of_job(said: str, job: JobTold) -> bool:
    return f'"{job.title}"' in said or job.task[:60] in said or trade.dollars(job.reward) in said


def refuse(_: TalkContext, __: AskedLine) -> Answer:
    """Somebody declines."""
    return Answer("answer", line="declined", because="heard as a no")


def flirt(_: TalkContext, __: AskedLine) -> Answer:
    """Somebody flirts."""
    return Answer("flattered", line="flirted", because="heard as flirting")


def nonsense(_: TalkContext, __: AskedLine) -> Answer:
    """Babble."""
    return Answer("answer", line="nonsense", because="heard as nonsense")


def silence(_: TalkContext, __: AskedLine) -> Answer:
    """Somebody says nothing."""
    return Answer("answer", line="silent", because="nothing was said")


def tell(c: TalkContext, asked: AskedLine) -> Answer:
    """A plain statement: about somebody known it is answered with what is thought of them, else it is said back."""
    words = {folded(word) for word in words_of(asked.text)}
    felt = _in_want(c, asked) or _felt(c, asked, words) or _about_named(c, asked)
    if felt is not None:
        return felt
    fact = next((one.attribute for one in facts_of(asked.text) if ME in one.subject), "")
    if not words.isdisjoint(_NEW_HERE) and not words.isdisjoint(("i", "i'm", "just")):
        return Answer("answer", line="told_new", because="heard as somebody new in town")
    if fact in _TOLD_LINES:
        return Answer("answer", line=_TOLD_LINES[fact], then=_asked_on(c, asked), because=f"a fact: {fact}")
    back = said_back(asked.text)
    if back is not None and c.turn.dice.chance(0.5):
        return Answer("answer", line="told", facts={"back": back}, because="said back")
    return Answer("answer", line="told_plain", then=_asked_on(c, asked), because="a statement")


def _felt(c: TalkContext, asked: AskedLine, words: set[str]) -> Answer | None:
    """What is felt at good and at bad news, and a crime that is reported; None where nothing is."""
    is_sure = asked.act.confidence >= _SURE
    if not words.isdisjoint(_GLAD) or (asked.act.act == "good_news" and is_sure):
        return Answer("rejoice", because="heard as good news")
    if asked.act.act == "bad_news" and is_sure:
        return Answer("console", because="heard as bad news")
    is_crime = not words.isdisjoint(_SOMEBODY) and not words.isdisjoint(_CRIMES)
    if (asked.act.act == "report_crime" and is_sure) or is_crime or not words.isdisjoint(_REPORT):
        return reported(c)
    return None


def reported(c: TalkContext) -> Answer:
    """Somebody reports a crime: to the police, or to somebody who is not."""
    return Answer("answer", line="report_police" if c.is_police else "report", because="heard as a report")


def _about_named(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What comes to mind about the person, faction or place that a statement names."""
    for one in asked.named:
        if one.what == "npc" and one.id in c.world.npcs and one.id != c.speaker.id and one.is_sure:
            text = c.speaker.life.opinions.get(f"npc:{one.id}", "")
            facts = {"who": c.world.npcs[one.id].name, "text": text}
            if text and not c.is_said(text):
                return Answer("opine", line="named_opinion", facts=facts, because="life: opinions")
            return Answer("answer", line="named_person", facts=facts, because="sheets: the person named")
        if one.what == "faction" and one.id in c.world.factions and one.is_sure:
            text = c.speaker.life.opinions.get(f"faction:{one.id}", "")
            facts = {"who": c.world.factions[one.id].name, "text": text}
            if text and not c.is_said(text):
                return Answer("opine", line="named_opinion", facts=facts, because="life: opinions")
        if one.what == "district" and one.id in c.world.districts and one.is_sure:
            text = c.speaker.life.knows.get(one.id, "")
            place = c.world.places.get(one.id)
            text = text or (place.about if place is not None else "")
            if text and not c.is_said(text):
                facts = {"who": c.world.districts[one.id].name, "text": text}
                return Answer("answer", line="named_opinion", facts=facts, because="life: knows; place: about")
    return None


def _asked_on(c: TalkContext, _: AskedLine) -> tuple[Sequel, ...]:
    """A question back, now and then."""
    is_asking = bool(c.speaker.exchanges) and c.speaker.exchanges[-1].said.rstrip().endswith("?")
    return (Sequel("ask_on"),) if not is_asking and c.turn.dice.chance(0.5) else ()


def accuse(_: TalkContext, asked: AskedLine) -> Answer | None:
    """Somebody says that the speaker did something: it is neither owned to nor explained."""
    if asked.confidence < _ACCUSES_FROM or not is_addressed(asked.text):
        return None
    return Answer("answer", line="accused", because="heard as an accusation")


REACTIONS: Final[Mapping[Topic, Callable[[TalkContext, AskedLine], Answer | None]]] = {
    "accuse": accuse,
    "confess": confess,
    "threat_other": threat_other,
    "order": order,
    "boast": boast,
    "complain": complain,
    "plan": plan,
    "agree": agree,
    "refuse": refuse,
    "flirt": flirt,
    "nonsense": nonsense,
    "silence": silence,
    "tell": tell,
}
