"""The language a line is answered in."""

from __future__ import annotations

from typing import Final

from ganggpt.domain.language.questions import LANGUAGES, language_shares, topics_of_line
from ganggpt.domain.language.spoken_of import names_of
from ganggpt.domain.language.words import words_of
from ganggpt.domain.mind.transcript import Transcript, is_over
from ganggpt.domain.world import World

SURE: Final = 0.6
"""Share from which a line tells its language."""
SHORT_SURE: Final = 0.9
"""The same for a line of a word or three, which could be of several."""
_SHORT_WORDS: Final = 3


def language_of(world: World, talk: Transcript | None, heard: str, now_s: float) -> str:
    """The language of a line: its own, else that of the talk so far; English where neither tells. Names of the world
    tell nothing."""
    before = () if talk is None or is_over(talk, now_s) else tuple(one.heard for one in talk.exchanges)
    for line in (heard, *reversed(before)):
        language = _told_by(world, line)
        if language is not None:
            return language
    return "en"


def _told_by(world: World, line: str) -> str | None:
    bare, done = "", 0
    for one in names_of(world).found(line):
        bare, done = bare + line[done : one.start], one.end
    bare += line[done:]
    words = words_of(bare)
    language, share = language_shares(bare)
    if not words or language not in LANGUAGES or topics_of_line(bare)[0].topic in ("nonsense", "silence"):
        return None
    return language if share >= (SHORT_SURE if len(words) <= _SHORT_WORDS else SURE) else None
