"""The language a line is answered in."""

from __future__ import annotations

from ganggpt.domain.language.questions import language_of_talk
from ganggpt.domain.mind.transcript import Transcript, is_over


def language_of(talk: Transcript | None, heard: str, now_s: float) -> str:
    """The language of a line: its own, else that of the talk so far; English where neither tells."""
    before = () if talk is None or is_over(talk, now_s) else tuple(one.heard for one in talk.exchanges)
    return language_of_talk((*before, heard)) if heard else (language_of_talk(before) if before else "en")
