"""Who somebody is, where they are now, what is thought of them, what they are to the speaker; and the same of crews."""

from __future__ import annotations

from typing import Final

from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import with_article, words_of
from ganggpt.domain.mind.background import TIE_FROM, bosses
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.trade import listed
from ganggpt.domain.mind.dialogue.understanding import AskedLine
from ganggpt.domain.mind.spoken_answer import Answer, Sequel, informed
from ganggpt.domain.world import FactionSheet, NpcSheet

_TOLD: Final = 3
_OWN_SIDE: Final = listed_words("own_side")
_COLOURS: Final = listed_words("colours")


def who(c: TalkContext, asked: AskedLine) -> Answer | None:
    """Who is that."""
    sheet = c.person(asked)
    if sheet is None:
        return None
    if sheet.id == c.speaker.id:
        return informed("that_is_me", "sheet: name", {"role_a": with_article(sheet.role)})
    side = c.world.factions.get(sheet.faction or "")
    home = c.world.districts.get(sheet.home)
    facts = {
        "who": sheet.name,
        "role_a": with_article(sheet.role),
        "role": sheet.role,
        "home": home.name if home is not None else sheet.home,
        "side": side.name if side is not None else "",
    }
    line = "tell_who" if side is not None else "tell_who_alone"
    opinion = c.speaker.life.opinions.get(f"npc:{sheet.id}", "")
    if opinion and not c.is_said(opinion) and any(sheet.role in one.said for one in c.speaker.exchanges):
        # Who they are was said; what the speaker thinks of them was not.
        return Answer(
            "opine", line="tell_opinion", facts={**facts, "text": opinion}, because=f"life: opinions of {sheet.id}"
        )
    then = (Sequel("and_more", {"text": opinion}),) if opinion and not c.is_said(opinion) else ()
    return informed(line, "sheets; life: opinions", facts, *then)


def where_now(c: TalkContext, asked: AskedLine) -> Answer | None:
    """Where is he now."""
    sheet = c.person(asked)
    if sheet is None:
        return None
    if sheet.id == c.speaker.id:
        return informed("that_is_me_here", "sheet: name", {})
    where = c.where(sheet.id)
    if where is None:
        return None
    district = c.world.districts.get(where.district)
    place = district.name if district is not None else where.district
    facts = {"who": sheet.name, "where": place, "spot": where.spot, "doing": where.doing, "until": _clock(where.until)}
    if where.posture == "sleep":
        line = "tell_person_asleep"
    elif c.here is not None and where.district == c.here.id:
        line = "tell_person_here"
    else:
        line = "tell_person_where"
    return informed(line, f"whereabouts: the day of {sheet.id}", facts)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def opinion(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What do you think of them."""
    sheet = c.person(asked)
    if sheet is None:
        return opinion_of_faction(c, asked) if any(one.what == "faction" for one in asked.named) else None
    if sheet.id == c.speaker.id:
        return informed("think_of_me", "sheet: name", {})
    facts = {"who": sheet.name, "role_a": with_article(sheet.role)}
    text = c.speaker.life.opinions.get(f"npc:{sheet.id}", "")
    if text and not c.is_said(text):
        return Answer(
            "opine", line="tell_opinion", facts={**facts, "text": text}, because=f"life: opinions of {sheet.id}"
        )
    tie = c.speaker.life.ties.get(sheet.id)
    if tie is not None and not c.is_said(f"{sheet.name} is {tie}."):
        return Answer("opine", line="tell_tie", facts={**facts, "tie": tie}, because=f"life: ties to {sheet.id}")
    if text:
        return Answer("opine", line="opinion_told", facts=facts, because=f"life: opinions of {sheet.id}, told already")
    value = _regard(c, sheet)
    line = "opinion_good" if value >= TIE_FROM else "opinion_bad" if value <= -TIE_FROM else "opinion_none"
    side = c.world.factions.get(sheet.faction or "")
    facts["side"] = side.name if side is not None else "nobody"
    return Answer("opine", line=line, facts=facts, because=f"sheets: relation to the faction of {sheet.id}")


def _regard(c: TalkContext, sheet: NpcSheet) -> int:
    """What the speaker's side thinks of somebody's."""
    own = c.world.factions.get(c.speaker.faction or "")
    if own is None or sheet.faction is None:
        return 0
    return 60 if sheet.faction == own.id else own.relations.get(sheet.faction, 0)


def relation(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What is he to you, how do you know him."""
    sheet = c.person(asked)
    if sheet is None:
        return None
    if sheet.id == c.speaker.id:
        return informed("that_is_me", "sheet: name", {"role_a": with_article(sheet.role)})
    facts = {"who": sheet.name, "role_a": with_article(sheet.role), "tie": c.speaker.life.ties.get(sheet.id, "")}
    own = c.world.factions.get(c.speaker.faction or "")
    side = c.world.factions.get(sheet.faction or "")
    facts |= {"own": own.name if own is not None else "", "side": side.name if side is not None else ""}
    text = c.speaker.life.opinions.get(f"npc:{sheet.id}", "")
    then = (Sequel("and_more", {"text": text}),) if text and not c.is_said(text) else ()
    if facts["tie"]:
        return informed("tell_tie", "life: ties, opinions", facts, *then)
    if own is not None and sheet.faction == own.id:
        return informed("tie_same_side", "sheets: the same faction", facts, *then)
    if own is not None and side is not None and own.relations.get(side.id, 0) <= -TIE_FROM:
        return informed("tie_foe", "sheets: relation of the factions", facts, *then)
    return informed("tie_seen", "sheets: no tie", facts, *then)


def faction(c: TalkContext, asked: AskedLine) -> Answer | None:
    """Who are they."""
    sheet = c.faction(asked) or _of_person(c, asked)
    words = set(words_of(asked.text))
    if not any(one.what == "faction" for one in asked.named) and not words.isdisjoint(_OWN_SIDE) and "your" in words:
        sheet = c.world.factions.get(c.speaker.faction or "", sheet)
    if sheet is None:
        return None
    creed = c.world.creeds.get(sheet.id)
    home = c.world.districts.get(sheet.home)
    facts = {
        "faction": sheet.name,
        "home": home.name if home is not None else "",
        "kind": sheet.kind,
        "motto": sheet.motto,
    }
    if creed is None or not creed.creed:
        return informed("faction_plain", "sheet of the faction", facts, *_stand(c, sheet))
    facts |= {"business": creed.business, "creed": creed.creed}
    then = (Sequel("and_more", {"text": creed.creed}),) if not c.is_said(creed.creed) else ()
    return informed(
        "faction_us" if sheet.id == c.speaker.faction else "tell_faction", "creed: business, creed", facts, *then
    )


def _stand(c: TalkContext, sheet: FactionSheet) -> tuple[Sequel, ...]:
    """How the speaker's own side stands to another one, where that is worth a word."""
    own = c.world.factions.get(c.speaker.faction or "")
    relation = own.relations.get(sheet.id, 0) if own is not None else 0
    if own is None or abs(relation) < TIE_FROM:
        return ()
    return (Sequel("side_foe" if relation < 0 else "side_friend", {"own": own.name, "faction": sheet.name}),)


def _of_person(c: TalkContext, asked: AskedLine) -> FactionSheet | None:
    """The side of whoever is named: "his crew"."""
    id_ = next((one.id for one in asked.named if one.what == "npc"), None)
    sheet = c.world.npcs.get(id_) if id_ is not None else None
    return c.world.factions.get(sheet.faction or "") if sheet is not None else None


def faction_boss(c: TalkContext, asked: AskedLine) -> Answer | None:
    """Who leads them."""
    sheet = c.faction(asked) or _of_person(c, asked) or c.world.factions.get(c.speaker.faction or "")
    if sheet is None:
        return None
    boss = bosses(c.world).get(sheet.id)
    facts = {"faction": sheet.name, "boss": boss or "", "own": sheet.name}
    if boss is None:
        return informed("boss_unknown", "sheets: nobody leads the faction", facts)
    return informed("am_boss" if boss == c.speaker.name else "tell_faction_boss", "sheets: roles of the faction", facts)


def faction_rules(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What do they stand for, how does one know them."""
    sheet = c.faction(asked) or c.world.factions.get(c.speaker.faction or "")
    creed = c.world.creeds.get(sheet.id) if sheet is not None else None
    if sheet is None or creed is None:
        return None
    words = set(words_of(asked.text))
    if creed.colours and not words.isdisjoint(_COLOURS):
        return informed("tell_colours", "creed: colours", {"faction": sheet.name, "colours": creed.colours})
    rules = [rule for rule in creed.rules if not c.is_said(rule)][:2]
    if not rules:
        return informed("tell_colours", "creed: colours", {"faction": sheet.name, "colours": creed.colours})
    line = "tell_rules_us" if sheet.id == c.speaker.faction else "tell_rules"
    return informed(line, "creed: rules", {"faction": sheet.name, "text": " ".join(rules)})


def faction_war(c: TalkContext, asked: AskedLine) -> Answer | None:
    """Whom are they at odds with, and why."""
    named = [c.world.factions[one.id] for one in asked.named if one.what == "faction" and one.id in c.world.factions]
    own = c.world.factions.get(c.speaker.faction or "")
    asks_us = not named and _is_of_us(asked) and own is not None
    sheet = named[0] if named else own if asks_us else c.faction(asked) or own
    if sheet is None:
        return politics(c, asked)
    other = named[1] if len(named) > 1 else None
    if other is None and named and sheet.id != c.speaker.faction and _is_of_us(asked):
        other, sheet = sheet, c.world.factions.get(c.speaker.faction or "", sheet)
    return _between(c, sheet, other) if other is not None and other.id != sheet.id else _stands(c, sheet)


def _is_of_us(asked: AskedLine) -> bool:
    return bool(
        {"you", "your", "ihr", "euch", "vosotros", "ustedes", "vous", "voces", "вы"} & set(words_of(asked.text))
    )


def _between(c: TalkContext, sheet: FactionSheet, other: FactionSheet) -> Answer:
    facts = {"faction": sheet.name, "foes": other.name}
    for one, second in ((sheet, other), (other, sheet)):
        creed = c.world.creeds.get(one.id)
        if creed is not None and second.id in creed.quarrels and not c.is_said(creed.quarrels[second.id]):
            return informed("tell_quarrel", "creed: quarrels", {"text": creed.quarrels[second.id]})
    value = sheet.relations.get(other.id, 0)
    line = "they_are_friends" if value >= TIE_FROM else "they_are_foes" if value <= -TIE_FROM else "they_are_nothing"
    return informed(line, f"factions: relation {value}", facts)


def _stands(c: TalkContext, sheet: FactionSheet) -> Answer:
    by_value = sorted(sheet.relations, key=lambda other: sheet.relations[other])
    names = c.world.factions
    foes = [names[one].name for one in by_value if sheet.relations[one] <= -TIE_FROM and one in names][:_TOLD]
    friends = [names[one].name for one in reversed(by_value) if sheet.relations[one] >= TIE_FROM and one in names][
        :_TOLD
    ]
    facts = {"faction": sheet.name, "foes": listed(foes), "friends": listed(friends)}
    creed = c.world.creeds.get(sheet.id)
    why = (
        next((text for other, text in creed.quarrels.items() if other in by_value[:3]), "") if creed is not None else ""
    )
    then = (Sequel("and_more", {"text": why}),) if why and not c.is_said(why) else ()
    if not foes:
        return informed("tell_peace", "factions: relations", facts)
    line = "tell_sides" if friends else "tell_foes_of"
    return informed(line, "factions: relations; creed: quarrels", facts, *then)


def faction_join(c: TalkContext, asked: AskedLine) -> Answer | None:
    """How does one get in."""
    sheet = c.faction(asked) or c.world.factions.get(c.speaker.faction or "")
    creed = c.world.creeds.get(sheet.id) if sheet is not None else None
    if sheet is None:
        return informed("join_nobody", "sheet: no faction", {})
    if creed is None or not creed.joining:
        return informed("join_unknown", "creed: says nothing of it", {"faction": sheet.name})
    return informed("tell_joining", f"creed: joining {sheet.id}", {"text": creed.joining, "faction": sheet.name})


def opinion_of_faction(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What do you think of that crew."""
    sheet = c.faction(asked)
    if sheet is None:
        return None
    if sheet.kind == "police":
        return opinion_word(c, "police", sheet)
    text = c.speaker.life.opinions.get(f"faction:{sheet.id}", "")
    if not text and sheet.id == c.speaker.faction:
        text = c.speaker.life.opinions.get("crew", "")
    facts = {"who": sheet.name, "faction": sheet.name, "side": sheet.name}
    if text and not c.is_said(text):
        return Answer(
            "opine", line="tell_opinion", facts={**facts, "text": text}, because=f"life: opinions of {sheet.id}"
        )
    own = c.world.factions.get(c.speaker.faction or "")
    value = 60 if own is sheet else own.relations.get(sheet.id, 0) if own is not None else 0
    line = "opinion_good" if value >= TIE_FROM else "opinion_bad" if value <= -TIE_FROM else "opinion_none"
    return Answer("opine", line=line, facts=facts, because=f"factions: relation to {sheet.id}")


def opinion_word(c: TalkContext, word: str, sheet: FactionSheet | None = None) -> Answer:
    """What the speaker thinks of the police, the town, money …"""
    text = c.speaker.life.opinions.get(word, "")
    if not text and sheet is not None:
        text = c.speaker.life.opinions.get(f"faction:{sheet.id}", "")
    # Texts of lives are English; what is thought of police and town can be said in any language.
    if text and not c.is_said(text) and (c.speaker.language == "en" or word not in ("police", "town")):
        return Answer("opine", line="tell_view", facts={"text": text}, because="life: opinions")
    if word == "police":
        own = c.world.factions.get(c.speaker.faction or "")
        police = sheet or next((one for one in c.world.factions.values() if one.kind == "police"), None)
        value = own.relations.get(police.id, 0) if own is not None and police is not None else 0
        if own is not None and police is not None and own.id == police.id:
            return Answer("opine", line="police_own", because="sheet: faction")
        line = "police_bad" if value <= -TIE_FROM else "police_plain"
        return Answer("opine", line=line, because=f"factions: relation {value}")
    line = "town_good" if c.speaker.mood >= 0 else "town_bad"
    return Answer(
        "opine", line=line if word == "town" else "opinion_plain", because=f"own state: mood {c.speaker.mood:.0f}"
    )


def politics(c: TalkContext, __: AskedLine) -> Answer:
    """How do the crews stand, who rules the town."""
    ranked = sorted(c.world.factions.values(), key=lambda one: -one.influence)
    if not ranked:
        return informed("no_politics_known", "world: no factions")
    worst = min(
        ((one.relations.get(other.id, 0), one, other) for one in ranked for other in ranked if one is not other),
        key=lambda found: found[0],
        default=None,
    )
    facts = {"faction": ranked[0].name, "second": ranked[1].name if len(ranked) > 1 else ""}
    own = c.world.factions.get(c.speaker.faction or "")
    wars = [c.world.factions[one].name for one in c.speaker.wars if one in c.world.factions]
    if own is not None and wars:
        return informed("politics_war", "heard of the faction: wars", {**facts, "own": own.name, "foes": listed(wars)})
    if own is not None and c.turn.dice.chance(0.5):
        answer = _stands(c, own)
        if answer.line != "tell_peace":
            return answer
    if worst is None or worst[0] > -TIE_FROM:
        return informed("politics_calm", "factions: influence", facts)
    _, one, other = worst
    return informed("politics_town", "factions: influence, relations", {**facts, "one": one.name, "other": other.name})
