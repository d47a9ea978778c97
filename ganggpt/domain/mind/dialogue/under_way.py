"""What takes several lines: a crime that is reported to the police, a wound on a doctor's table, grief.

The first line of the player begins it; what they say in the next lines belongs to it unless it is plainly about
something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from ganggpt.domain.language.questions import Topic
from ganggpt.domain.language.speech_acts import hear, looks_asking, tokens_of
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import folded, words_of
from ganggpt.domain.mind.affect import HOSTILE_AT
from ganggpt.domain.mind.dialogue import trade
from ganggpt.domain.mind.dialogue.about_town import CLERGY
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.pointing import is_addressed, is_pointing
from ganggpt.domain.mind.dialogue.understanding import AskedLine
from ganggpt.domain.mind.spoken_answer import Answer, informed
from ganggpt.domain.mind.transcript import Exchange

_FEW: Final = 3
"""Words that a line needs to tell anything."""
_HURT, _GRIEF, _REPORT, _FIRST = map(listed_words, ("hurt", "grief", "report", "i"))


def goes_on(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What an officer says to who reported a crime a moment ago and tells on, a doctor to who lies on the table, and
    anybody to who told of a death; a prayer that is asked for. None where nothing of it is under way."""
    words = {folded(word) for word in words_of(asked.text)}
    if not CLERGY.isdisjoint(words_of(c.speaker.role)) and not words.isdisjoint(_PRAY) and not words.isdisjoint(_ASKS):
        return informed("prays", "sheet: role")
    lately = c.speaker.exchanges[-_SERVICE_LINES:]
    kind = next((kind for kind, does, is_begun in _SERVICES if does(c) and any(map(is_begun, lately))), "")
    if not kind:
        return None
    why = "the talk so far: what the speaker is doing for the player"
    if kind == "treat" and asked.topic in ("me_owe", "price") and c.speaker.life.wares:
        return trade.price(c, replace(asked, text=c.speaker.life.wares[0].name.partition(",")[0]))
    # "About twenty minutes ago, by the docks" has no form of a question.
    if asked.is_question and (asked.topic not in _TOLD_IN_SERVICE or looks_asking(tokens_of(asked.text))):
        is_of_it = asked.topic in _OF_GRIEF if kind == "grief" else _is_of_service(kind, asked, words)
        return Answer("inform", line=f"{kind}_next", because=why) if is_of_it else None
    is_rage = kind == "grief" and not _KILLS.isdisjoint(words) and not words.isdisjoint(_FIRST)
    told = _TOLD_IN_GRIEF if kind == "grief" else _TOLD_IN_SERVICE
    # "I never said sorry" asks nobody's pardon.
    is_regret = kind == "grief" and "never" in words
    if (
        not (is_rage or is_regret or asked.topic in told or not asked.is_sure)
        or not _TURNS_AWAY.isdisjoint(words)
        or len(words) < _FEW
    ):
        return None
    line = "grief_rage" if is_rage else f"{kind}_more"
    return Answer("answer", line=line, because=why)


def _is_of_service(kind: str, asked: AskedLine, words: set[str]) -> bool:
    """Whether a question is about the report or the wound, and not about the world or who takes care of it."""
    if asked.named or is_pointing(asked.text, "npc"):
        return False
    if is_addressed(asked.text):
        return asked.topic == "help" or (kind == "report" and not words.isdisjoint(_ACTS_ON))
    return asked.topic in _OF_SERVICE or not asked.is_sure


def _is_report(exchange: Exchange) -> bool:
    words = {folded(word) for word in words_of(exchange.heard)}
    return not words.isdisjoint(_REPORT) or hear(exchange.heard).does("report_crime")


def _is_hurt(exchange: Exchange) -> bool:
    return not _HURT.isdisjoint(folded(word) for word in words_of(exchange.heard))


def _is_grief(exchange: Exchange) -> bool:
    words = {folded(word) for word in words_of(exchange.heard)}
    return not words.isdisjoint(_GRIEF) and not words.isdisjoint(_MINE) and "?" not in exchange.heard


_PRAY, _MINE = listed_words("pray"), listed_words("mine")
_ASKS: Final = listed_words("you") | listed_words("me")
_ACTS_ON: Final = frozenset(("send", "catch", "find", "arrest"))
"""What the police are asked to do."""
_TURNS_AWAY: Final = frozenset(("anyway", "but", "thanks"))
"""Words with which somebody leaves what they spoke of."""
_SERVICES: Final[Sequence[tuple[str, Callable[[TalkContext], bool], Callable[[Exchange], bool]]]] = (
    ("report", lambda c: c.is_police, _is_report),
    ("treat", lambda c: "doctor" in c.speaker.role, _is_hurt),
    ("grief", lambda c: c.speaker.standing > HOSTILE_AT, _is_grief),
)
"""What is under way over some lines: its name, who does it, and which line of the player began it."""
_SERVICE_LINES: Final = 6
"""Lines for which it goes on."""
_OF_SERVICE: Final[frozenset[Topic]] = frozenset(
    (
        *("news", "event", "more", "work_when", "work_what", "work_hard", "distance", "hours", "danger"),
        *("self_why_mood", "advice", "help", "work_pay", "work_again"),
    )
)
_OF_GRIEF: Final[frozenset[Topic]] = frozenset(("why", "more", "event", "advice"))
_TOLD_IN_GRIEF: Final[frozenset[Topic]] = frozenset(("tell", "complain", "event"))
_TOLD_IN_SERVICE: Final = _TOLD_IN_GRIEF | frozenset(
    ("boast", "plan", "refuse", "nonsense", "news", "distance", "time", "place_where", "here", "way")
)
"""What a statement is taken for that goes on with it."""
_KILLS: Final = listed_words("kills") | {"revenge"}
