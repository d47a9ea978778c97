"""Finds what somebody has to say to a line among the texts of their life, and what everybody knows, by rare words.

A text fits by the words it has in common with the line, each weighed by how few texts of the world have it (inverse
document frequency, Spärck Jones 1972).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from ganggpt.domain.language.spoken_of import What
from ganggpt.domain.language.stop_words import topics_of
from ganggpt.domain.language.thesaurus import groups_of
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import stem as stem_of
from ganggpt.domain.lore import Life
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.pointing import is_pointing
from ganggpt.domain.mind.spoken_answer import Answer, informed
from ganggpt.domain.world import World, kept_by_world

QUESTION_FROM: Final = 4.4
"""Weight of common words from which a text answers a question: one word that one text in eighty has."""
PUBLIC_FROM: Final = 8.0
"""The same for what everybody knows: two such words."""
STATEMENT_FROM: Final = 8.5
"""The same for a statement, which is only taken up where the text is plainly about it."""
_LETTERS_MIN: Final = 4
_BEFORE: Final = 0.6
_SHORT: Final = 3
_COVERS_FROM: Final = 0.35
"""Share of the weight of a question's words that a text must have to answer it."""
_QUESTION_WORDS: Final = frozenset(
    stem_of(word)
    for kind in ("who", "where", "when", "why", "what", "how", "much")
    for word in listed_words(f"ask_{kind}")
)
_POINTED: Final[tuple[What, ...]] = ("npc", "district", "faction")


class OwnText(Struct, frozen=True, gc=False):
    """A text with the stems of its telling words. ``source``: where it stands; ``standing``: from which it is told;
    ``about``: the name of the place or faction it is about, which it may not say itself."""

    text: str
    source: str
    stems: frozenset[str]
    standing: int = -100
    about: str = ""


class _Texts:
    """The texts of a world: by person, and what everybody knows."""

    def __init__(self, world: World) -> None:
        self.own = {id_: tuple(_of_life(world, life)) for id_, life in world.lives.items()}
        self.public = tuple(_public(world))
        self.by_stem: dict[str, list[OwnText]] = {}
        for one in self.public:
            for stem in one.stems:
                self.by_stem.setdefault(stem, []).append(one)
        every = [*self.public, *(one for texts in self.own.values() for one in texts)]
        counts = Counter(stem for one in every for stem in one.stems)
        self.unknown = math.log(len(every) or 1)
        self.weights: Mapping[str, float] = {stem: math.log(len(every) / count) for stem, count in counts.items()}


@kept_by_world(4)
def _texts(world: World) -> _Texts:
    return _Texts(world)


def _of_life(world: World, life: Life) -> Iterator[OwnText]:
    parts = [("past", life.past, ""), ("wish", life.wish, ""), ("family", life.family, "")]
    parts += [("stories", text, "") for text in life.stories]
    for one, text in life.opinions.items():
        kind, _, id_ = one.rpartition(":")
        # What is thought of a person is told to who asks for them by name.
        if kind != "npc":
            parts.append((f"opinions: {one}", text, _name_of(world, id_) if kind else ""))
    parts += [(f"knows: {district}", text, _name_of(world, district)) for district, text in life.knows.items()]
    for source, text, about in parts:
        if text:
            yield OwnText(text, f"life: {source}", _stems(text), about=about)
    for secret in life.secrets:
        yield OwnText(secret.text, "life: secrets", _stems(secret.text), secret.standing)


def _public(world: World) -> Iterator[OwnText]:
    for place in world.places.values():
        for text in (place.about, *place.dangers, place.hours):
            if text:
                yield OwnText(text, f"place {place.id}", _stems(text), about=_name_of(world, place.id))
    for creed in world.creeds.values():
        for text in (creed.creed, *creed.rules, *creed.quarrels.values(), creed.joining):
            if text:
                yield OwnText(text, f"creed {creed.id}", _stems(text), about=_name_of(world, creed.id))


def _name_of(world: World, id_: str) -> str:
    """The name of a district or a faction."""
    sheet = world.districts.get(id_) or world.factions.get(id_)
    return "" if sheet is None else sheet.name


@lru_cache(maxsize=4096)
def _stems(text: str) -> frozenset[str]:
    """The stems of the telling words of a text, and the concepts they stand for: mum and mother have one in common."""
    stems = [stem for stem in topics_of(text) if len(stem) >= _LETTERS_MIN and stem not in _QUESTION_WORDS]
    groups = (group for stem in topics_of(text) for group in groups_of(stem)[:1])
    return frozenset((*stems, *(f"~{group.name}" for group in groups)))


def answered_better(c: TalkContext, line: str, told: Mapping[str, str]) -> OwnText | None:
    """An own text that fits a line so well that it comes before an answer by the topic alone, which ``told`` these
    facts: it has more of the line's rare words in common. None where there is none."""
    own = own_text(c, line, STATEMENT_FROM, public=False)
    if own is None:
        return None
    texts, asked = _texts(c.world), _stems(line)
    already = _stems(" ".join(told.values()))
    more = sum(texts.weights.get(stem, 0.0) for stem in own.stems & asked - already)
    return own if more >= QUESTION_FROM else None


def own_text(c: TalkContext, line: str, least: float, *, public: bool = True) -> OwnText | None:
    """The text that fits a line best and was not said lately: an own one, else one that everybody knows; None where
    none has words of ``least`` weight in common with it. A short line that points back ("who killed him?") also counts
    for what was said last, a little. What is told from a standing on is left out below it."""
    texts = _texts(c.world)
    asked = _stems(line)
    before: frozenset[str] = frozenset()
    is_known = all(stem in texts.weights for stem in asked)
    if c.speaker.exchanges and is_known and len(asked) <= _SHORT and any(is_pointing(line, what) for what in _POINTED):
        last = c.speaker.exchanges[-1]
        before = _stems(f"{last.heard} {last.said}") - asked
    if not asked and not before:
        return None
    # A word that no text has is what is asked for, and nobody speaks of it.
    whole = sum(texts.weights.get(stem, texts.unknown) for stem in asked if not stem.startswith("~"))
    own = texts.own.get(c.speaker.id) or tuple(_of_life(c.world, c.speaker.life))
    near = [one for stem in asked for one in texts.by_stem.get(stem, ())] if public else []
    for some, from_ in ((own, least), (dict.fromkeys(near), max(least, PUBLIC_FROM))):
        found = [
            (weight, one)
            for one in some
            if one.standing <= c.speaker.standing
            and (weight := _weight(texts, one, asked, before)) >= max(from_, _COVERS_FROM * whole)
        ]
        found.sort(key=lambda pair: -pair[0])
        fresh = next((one for _, one in found if not c.is_said(one.text)), None)
        if fresh is not None:
            return fresh
    return None


def said_as(own: OwnText) -> Answer:
    """A text as an answer; what it is about is named where it does not say so itself."""
    is_unnamed = bool(own.about) and own.about not in own.text
    return informed("named_opinion" if is_unnamed else "tell_view", own.source, {"who": own.about, "text": own.text})


def _weight(texts: _Texts, one: OwnText, asked: frozenset[str], before: frozenset[str]) -> float:
    own = sum(_rarity(texts, stem) for stem in one.stems & asked)
    return own + _BEFORE * sum(_rarity(texts, stem) for stem in one.stems & before)


def _rarity(texts: _Texts, stem: str) -> float:
    """The weight of a word; of a concept half of it, as its word counts as well."""
    return texts.weights.get(stem, 0.0) * (0.5 if stem.startswith("~") else 1.0)


def tells(line: str) -> bool:
    """Whether a line has a telling word of its own."""
    return bool(_stems(line))


def is_of_last(c: TalkContext, line: str) -> bool:
    """Whether a line has a telling word in common with what the speaker said last: it asks on."""
    if not c.speaker.exchanges:
        return False
    return not (_stems(line) & _stems(c.speaker.exchanges[-1].said)).isdisjoint(_texts(c.world).weights)


def hinted(c: TalkContext, line: str) -> str | None:
    """The hint of a secret that a line touches and the speaker does not tell yet."""
    texts = _texts(c.world)
    asked = _stems(line)
    for secret in c.speaker.life.secrets:
        if secret.standing > c.speaker.standing:
            weight = sum(texts.weights.get(stem, 0.0) for stem in _stems(secret.text) & asked)
            if weight >= QUESTION_FROM:
                return secret.hint
    return None
