"""What a line says has changed: a home, a job, a car, a love, a date, a price, a code – and which earlier fact it ends.

A change is heard by its words ("moved out", "gekündigt") and ends what was told of that kind about the same person.
Both sides have to be there, because most lines with "left", "took" or "now" change nothing that was told.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from ganggpt.domain.language.stop_words import topics_of
from ganggpt.domain.language.thesaurus import is_inflected, meanings_of
from ganggpt.domain.language.words import folded, numbers, word_set, words_of


def _plain(text: str) -> str:
    return folded(text.lower().replace("\u2019", "'"))


class _Change(NamedTuple):
    """A kind of change: the words that say it, what an earlier fact of that kind is about, and whether people tell so
    many of that kind that both have to name the same thing."""

    said: re.Pattern[str]
    about: frozenset[str]
    has_name: bool


def _change(about: str, said: str) -> _Change:
    kinds = frozenset(about.split())
    return _Change(re.compile(rf"\b(?:{said})\b"), kinds, has_name=kinds.isdisjoint(_ONE_OF))


_ONE_OF: Final = frozenset({"home", "job", "lover", "gang", "code"})
"""What a person has one of at a time."""
_LONG: Final = 14
"""A line with more words tells a story, and not what somebody is or has."""
_CHANGES: Final = (
    _change(
        "home",
        r"moved (?:out|in|to|again|away|house)|moving out|evicted|new (?:place|flat|apartment)|we moved|i moved|"
        r"umgezogen|ausgezogen|eingezogen|neue (?:bude|wohnung)|me mude|nos mudamos|se mudo|me echaron del piso|"
        r"me mudei|mudou|mudamos|casa nova|demenage|emmenage|nouvel appart\w*|переехал\w*|съехал\w*|новая квартира",
    ),
    _change(
        "job jobs",
        r"quit|fired|sacked|laid off|let (?:me|him|her) go|new job|hired|retired|resigned|got promoted|"
        r"gekundigt|gefeuert|entlassen|rausgeschmissen|rausgeflogen|neue[rn]? (?:job|stelle)|renunci[eo]|despidieron|"
        r"echaron|nuevo (?:trabajo|curro)|deje el|me demiti\w*|demitiram|demitido|larguei|novo emprego|"
        r"demissionne|viree?|"
        r"nouveau boulot|tout plaque|plaque tout|уволил\w*|выгнали|новая работа|устроил\w* в",
    ),
    _change(
        "car motorcycle truck boat bicycle",
        r"sold|traded|totaled|wrecked|crashed|swapped|picked up an?|verkauft|getauscht|geschrottet|"
        r"zu schrott|vendi\w*|"
        r"cambie|choque|estrelle|bati|troquei|vendu|echange|bousille|plante|продал\w*|разбил\w*|"
        r"поменял\w*|пересел\w*",
    ),
    _change(
        "lover wife husband fiance marry",
        r"split(?: up)?|broke up|broken up|dumped|divorced|left (?:me|him|her)|called off|schluss gemacht|getrennt|"
        r"geschieden|verlassen|cortamos|terminamos|rompimos|divorci\w+|terminei|terminou|largou|largo|rompu|quittee?|"
        r"larguee?|separes?|расстал\w*|бросил\w*|развел\w*",
    ),
    _change(
        "weekday month clock when",
        r"pushed (?:it|things|that|the \w+) ?(?:back|up)?|postponed|rescheduled|delayed|moved (?:it|up|to)|got moved|"
        r"verschoben|vorverlegt|verlegt|erst um|doch erst|se movio|movieron|la pasaron|lo pasaron|"
        r"aplaz\w+|adelant\w+|"
        r"adiaram|adiado|adiantou|repousse\w*|decale\w*|reporte\w*|перенес\w*|сдвинул\w*",
    ),
    _change(
        "inside hide key bag safe place warehouse",
        r"moved (?:it|the \w+|them)|hid it|it's now|taped|umgeraumt|umgelegt|jetzt liegt|liegt jetzt|"
        r"hangt (?:er|sie|es) jetzt|"
        r"lo (?:cambie|movi|pase)|la (?:cambie|movi|pase)|ahora esta|mudei de lugar|agora (?:ta|esta|fica)|deplacee?|"
        r"j'ai remis|maintenant (?:il|elle) est|переложил\w*|перепрятал\w*|теперь (?:он|она|оно|лежит)",
    ),
    _change(
        "price rent salary money bank",
        r"raised|went up|went down|dropped to|lowered|talked (?:him|her|them) down|gestiegen|erhoht|"
        r"gesunken|runtergehandelt|"
        r"subio|subieron|bajo|bajaron|subiu|subiram|caiu|baixou|augmente\w*|baisse\w*|grimpe|подня\w+|подорожал\w*|"
        r"снизил\w*|скинул\w*",
    ),
    _change(
        "code phone",
        r"changed (?:it|the|my)|new (?:number|code|password|phone)|lost (?:that|my) phone|geandert|"
        r"neue nummer|neuer code|"
        r"cambie|cambiaron|nuevo numero|nueva clave|troquei|mudei|numero novo|senha nova|change\w* de|nouveau code|"
        r"сменил\w*|поменял\w*|новыи номер|новыи код",
    ),
    _change(
        "gang",
        r"joined|took me in|done with|left the|switched|beigetreten|gewechselt|bin raus|jetzt bei|me uni|"
        r"entre a|deje la|"
        r"entrei (?:na|no|pra)|sai d[ao]|rejoint|quitte|вступил\w*|ушел|ушла|теперь с",
    ),
)
_KIN: Final = word_set(
    """
    mother father brother sister child son daughter grandmother grandfather uncle aunt cousin nephew roommate
    neighbor boss friend partner enemy parents wife husband
    """
)
_SUBJECT_WITHIN: Final = 3
"""Among so many words at the beginning of a line is whom it speaks of."""
_THIRD: Final = word_set(
    """
    he she he's she's him her er sie ihn ihm ella lo la ele ela il
    elle он она его ее
    """
)


@lru_cache(maxsize=1024)
def _changes_in(text: str) -> tuple[_Change, ...]:
    low = _plain(text)
    return tuple(change for change in _CHANGES if change.said.search(low))


def ends(later: str, earlier: str) -> bool:
    """Whether what one person said later says that what they said earlier has changed."""
    changes = _changes_in(later)
    if not changes or len(words_of(earlier)) > _LONG:
        return False
    told, news = meanings_of(earlier), meanings_of(later)
    kin, others = told & _KIN, news & _KIN
    if others and not kin & others:
        return False
    if not others and _speaks_of_others(earlier, kin) != _speaks_of_others(later, others):
        return False
    return any(_is_ended(change, told, later, earlier) for change in changes)


def _speaks_of_others(text: str, kin: frozenset[str]) -> bool:
    return bool(kin) or not _THIRD.isdisjoint(words_of(folded(text.lower()))[:_SUBJECT_WITHIN])


def _is_ended(change: _Change, told: frozenset[str], later: str, earlier: str) -> bool:
    if told.isdisjoint(change.about) or ("price" in change.about and not (numbers(later) and numbers(earlier))):
        return False
    return not change.has_name or not topics_of(later).isdisjoint(topics_of(earlier))


_CORRECTED: Final = re.compile(
    r"\b(no,? wait|i meant|scratch that|told you wrong|changed my mind|i lied|nee,? warte|"
    r"ich meinte|doch nicht|"
    r"hab mich vertan|stimmt nicht|me equivoque|perdon,? no|no,? perdon|cambie de idea|foi mal,? e|"
    r"me enganei|mudei de ideia|"
    r"je me suis trompee?|non,? pardon|j'ai change d'avis|перепутал\w*|ошибся|ошиблась|передумал\w*)\b"
)
_UPDATED: Final = re.compile(
    r"\b(actually|turns out|no longer|not .{1,20} any ?more|instead|eigentlich|nicht mehr|stattdessen|en realidad|"
    r"ya no|en vez|"
    r"na verdade|nao .{1,20} mais|mais nao|en fait|n[e'].{1,20} plus|больше не|уже не|на самом деле|вообще-то)\b"
)


_NOW: Final = word_set(
    """
    now instead nowadays switched changed left jetzt inzwischen stattdessen mittlerweile ahora mejor ya agora
    maintenant desormais plutot present теперь сеичас ушел ушла вырос выросла упал упала
    """
)
"""Words that say that something is otherwise now."""
_SHORT: Final = 8
"""A line of so few words states one thing."""
_SAME: Final = 0.34
"""Share of what a short line names that a later one has to name, in order to state the same thing anew."""


def restates(later: str, earlier: str) -> bool:
    """Whether a line says how something is now that a short earlier line stated: both name the same."""
    words = words_of(folded(later.lower()))
    things = topics_of(earlier)
    if not things or _NOW.isdisjoint(words) or len(words_of(earlier)) > _SHORT:
        return False
    news = topics_of(later)
    named = sum(thing in news or any(is_inflected(thing, one) for one in news) for thing in things)
    return named >= _SAME * len(things)


def corrects(text: str) -> bool:
    """Whether a line says outright that what was said before is wrong."""
    return _CORRECTED.search(_plain(text)) is not None


def updates(text: str) -> bool:
    """Whether a line says that something is otherwise than it was."""
    return corrects(text) or _UPDATED.search(_plain(text)) is not None
