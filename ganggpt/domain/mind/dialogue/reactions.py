"""How a line that asks nothing is taken: what is said back, warned of, asked, refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ganggpt.domain.language.person import said_back
from ganggpt.domain.language.questions import Topic
from ganggpt.domain.language.words import valence
from ganggpt.domain.mind.background import TIE_FROM
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.understanding import AskedLine
from ganggpt.domain.mind.spoken_answer import Answer, Sequel

_TRUSTS_FROM: Final = 15.0
_OBEYS_FROM: Final = 35.0


def confess(c: TalkContext, _: AskedLine) -> Answer:
    """A confession: it may be used one day, unless the speaker is a friend."""
    own = c.world.factions.get(c.speaker.faction or "")
    if own is not None and own.kind == "police":
        return Answer("confided", line="confided_police", because="sheet: the police")
    line = "confided_friend" if c.speaker.standing >= _TRUSTS_FROM else "confided_noted"
    return Answer("confided", line=line, because=f"standing {c.speaker.standing:.0f}")


def threat_other(c: TalkContext, asked: AskedLine) -> Answer:
    """A threat to somebody else: whose friend that is decides."""
    person = c.person(asked) if any(one.what in ("npc", "role") for one in asked.named) else None
    faction = c.faction(asked) if person is None else c.world.factions.get(person.faction or "")
    name = person.name if person is not None else faction.name if faction is not None else ""
    own = c.world.factions.get(c.speaker.faction or "")
    if not name:
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


def boast(c: TalkContext, asked: AskedLine) -> Answer:
    """Somebody boasts."""
    return Answer("answer", line="boasted", then=_asked_on(c, asked), because="heard as a boast")


def complain(_: TalkContext, asked: AskedLine) -> Answer:
    """Somebody is down."""
    back = said_back(asked.text)
    if back is not None:
        return Answer("console", line="complained_back", facts={"back": back}, because="heard as a complaint")
    return Answer("console", line="complained", because="heard as a complaint")


def plan(c: TalkContext, asked: AskedLine) -> Answer:
    """Somebody says what they are going to do: a warning where a place is named that has its dangers."""
    id_ = next((one.id for one in asked.named if one.what == "district" and one.is_sure), None)
    place = c.world.places.get(id_) if id_ is not None else None
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
    """Somebody agrees."""
    asked_something = bool(c.speaker.exchanges) and c.speaker.exchanges[-1].said.rstrip().endswith("?")
    return Answer("answer", line="agreed_offer" if asked_something else "agreed", because="heard as agreement")


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
    about = _about_named(c, asked)
    if about is not None:
        return about
    back = said_back(asked.text)
    tone = valence(asked.text)
    if back is not None and c.turn.dice.chance(0.85):
        line = "told_sad" if tone < 0 else "told_glad" if tone > 0 else "told"
        return Answer("answer", line=line, facts={"back": back}, because="said back")
    if asked.act.act in ("bad_news", "report_crime"):
        return Answer("console", because="heard as bad news")
    if asked.act.act == "good_news":
        return Answer("rejoice", because="heard as good news")
    return Answer("answer", line="told_plain", then=_asked_on(c, asked), because="a statement")


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


REACTIONS: Final[Mapping[Topic, Callable[[TalkContext, AskedLine], Answer]]] = {
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
