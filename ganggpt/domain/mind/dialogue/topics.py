"""Which answer belongs to which topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from ganggpt.domain.language.questions import Topic
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import words_of
from ganggpt.domain.lore import OPINION_WORDS
from ganggpt.domain.mind.dialogue import about_people, about_places, about_player, about_self, about_town, trade
from ganggpt.domain.mind.dialogue.about_work import about_job, is_of_job
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.reactions import REACTIONS, is_just_offered
from ganggpt.domain.mind.dialogue.trade import is_of_money
from ganggpt.domain.mind.dialogue.understanding import AskedLine
from ganggpt.domain.mind.spoken_answer import Answer

Query = Callable[[TalkContext, AskedLine], Answer | None]
_WORDS_OF: Final[Mapping[str, frozenset[str]]] = {
    "police": listed_words("opinion police"),
    "money": listed_words("opinion money"),
    "politics": listed_words("opinion politics"),
    "love": listed_words("opinion love"),
    "cars": listed_words("opinion cars"),
    "food": listed_words("opinion food"),
    "guns": listed_words("opinion guns"),
    "drugs": listed_words("opinion drugs"),
    "town": listed_words("opinion town"),
    "crew": listed_words("opinion crew"),
}


def _opinion_police(c: TalkContext, _: AskedLine) -> Answer:
    return about_people.opinion_word(c, "police")


def _opinion_town(c: TalkContext, asked: AskedLine) -> Answer | None:
    named = next((one.id for one in asked.named if one.what == "district" and one.is_sure), None)
    if named is not None:
        opinion = c.speaker.life.opinions.get(f"district:{named}", "")
        if opinion and not c.is_said(opinion):
            return Answer("opine", line="tell_view", facts={"text": opinion}, because=f"life: opinions of {named}")
        return about_places.about(c, asked)
    return about_people.opinion_word(c, "town")


def _opinion_other(c: TalkContext, asked: AskedLine) -> Answer:
    words = set(words_of(asked.text))
    about = next((word for word in OPINION_WORDS if not words.isdisjoint(_WORDS_OF[word])), "")
    return about_people.opinion_word(c, about or "anything")


def _price(c: TalkContext, asked: AskedLine) -> Answer | None:
    told = trade.price(c, asked) if is_of_money(c, asked) else None
    return told or _job(c, _as(asked, "work_pay"))


def _haggle(c: TalkContext, asked: AskedLine) -> Answer | None:
    return trade.haggle(c, asked) if is_of_money(c, asked) else None


def _buy(c: TalkContext, asked: AskedLine) -> Answer | None:
    return trade.buy(c, asked) if is_of_money(c, asked) else None


def _job(c: TalkContext, asked: AskedLine) -> Answer | None:
    return about_job(c, asked) if is_of_job(c, asked) else None


def _agree(c: TalkContext, asked: AskedLine) -> Answer | None:
    """Somebody agrees: to a price that was named, else to what was said."""
    last = c.speaker.exchanges[-1].said if c.speaker.exchanges else ""
    if c.speaker.life.wares and "$" in last and not is_just_offered(c):
        return trade.buy(c, asked)
    return REACTIONS["agree"](c, asked)


def _as(asked: AskedLine, topic: Topic) -> AskedLine:
    return replace(asked, topic=topic)


QUERIES: Final[Mapping[Topic, Query]] = {
    **REACTIONS,
    "agree": _agree,
    "self_name": about_self.name,
    "self_role": about_self.role,
    "self_past": about_self.past,
    "self_story": about_self.story,
    "self_home": about_self.home,
    "self_likes": about_self.likes,
    "self_family": about_self.family,
    "self_friends": about_self.friends,
    "self_crew": about_self.crew,
    "self_boss": about_self.boss,
    "self_aims": about_self.aims,
    "self_secret": about_self.secret,
    "self_day": about_self.day,
    "self_feel": about_self.feel,
    "self_why_mood": about_self.why_mood,
    "self_other": about_self.other,
    "here": about_places.here,
    "place_where": about_places.where,
    "way": about_places.way,
    "distance": about_places.distance,
    "danger": about_places.danger,
    "owner": about_places.owner,
    "place_about": about_places.about,
    "sights": about_places.sights,
    "hours": about_places.hours,
    "shop": trade.shop,
    "who": about_people.who,
    "person_where": about_people.where_now,
    "opinion_person": about_people.opinion,
    "relation": about_people.relation,
    "faction": about_people.faction,
    "faction_boss": about_people.faction_boss,
    "faction_rules": about_people.faction_rules,
    "faction_war": about_people.faction_war,
    "faction_join": about_people.faction_join,
    "opinion_faction": about_people.opinion_of_faction,
    "opinion_police": _opinion_police,
    "opinion_town": _opinion_town,
    "opinion_other": _opinion_other,
    "wares": trade.wares,
    "price": _price,
    "haggle": _haggle,
    "buy": _buy,
    **dict.fromkeys(("work_what", "work_where", "work_pay", "work_hard", "work_who", "work_when", "work_again"), _job),
    "me_known": about_player.known,
    "me_did": about_player.did,
    "me_owe": about_player.owe,
    "me_promised": about_player.promised,
    "me_trust": about_player.trust,
    "talked_about": about_player.talked_about,
    "again": about_town.again,
    "more": about_town.more,
    "why": about_town.why,
    "really": about_town.really,
    "news": about_town.news,
    "source": about_town.source,
    "time": about_town.time,
    "weather": about_town.weather,
    "advice": about_town.advice,
    "help": about_town.help_,
    "politics": about_people.politics,
    "joke": about_town.joke,
}
"""What answers a topic from what is true; None where the facts are missing. The topics that are not here are
courtesies, menaces, work that is asked for, and what the player said themselves, which the memories know."""
