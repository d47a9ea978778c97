"""Cuts a text that is still being written into sentences, each given out as soon as it is complete.

Written here because the libraries read looked at change the text (they drop asterisks) or have no bound on a sentence
that never ends. What goes in comes out, except for white space between sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

SENTENCE_MAX: Final = 320
"""Characters. A longer sentence is cut at its last space, so that nobody waits for a full stop that never comes."""
_END: Final = re.compile(r"""[.!?…]+['")\]}’”»*]*(?=\s)|[。！？｡]+[」』）》】”’]*|[؟।॥۔]+(?=\s|$)|\n\s*\n""")
_WORDS: Final = "mr|mrs|ms|dr|st|sr|jr|vs|no|sgt|lt|capt|col|gen|prof|approx|ave|blvd"
_ABBREVIATION: Final = re.compile(rf"(?:\b(?:{_WORDS})|\b\w|\b(?:[a-z]\.)+[a-z])\.$", re.IGNORECASE)
_ALONE: Final = re.compile(r"(?:^|\s)I\.$")
"""The only word of a single letter that ends sentences."""


class Sentences:
    """Splits a stream of text into sentences. Owns the text that is no complete sentence yet."""

    __slots__ = ("_text",)

    def __init__(self) -> None:
        self._text = ""

    def add(self, piece: str) -> Iterator[str]:
        """The sentences that a piece completes. A sentence is complete when something follows its end."""
        self._text += piece
        start = 0
        for end in _END.finditer(self._text):
            stop = end.end()
            if self._goes_on(start, stop):
                continue
            if sentence := self._text[start:stop].strip():
                yield sentence
            start = stop
        self._text = self._text[start:]
        while len(self._text) > SENTENCE_MAX:
            gap = self._text.rfind(" ", 1, SENTENCE_MAX)
            stop = gap if gap > 0 else SENTENCE_MAX
            if sentence := self._text[:stop].strip():
                yield sentence
            self._text = self._text[stop:].lstrip()

    def rest(self) -> Iterator[str]:
        """The last sentence, complete or not."""
        last, self._text = self._text.strip(), ""
        if last:
            yield last

    def _goes_on(self, start: int, stop: int) -> bool:
        """Whether the dot belongs to an abbreviation, or what follows looks like the middle of a sentence."""
        before = self._text[max(start, stop - 12) : stop]
        if _ABBREVIATION.search(before) and not _ALONE.search(before):
            return True
        after = self._text[stop:].lstrip()[:1]
        return after.islower() and not before.endswith(("!", "?"))


def complete_sentences_of(text: str) -> list[str]:
    """The sentences of a text that was cut somewhere: its last one counts only where it ends as a sentence does."""
    # Whatever follows an end shows that it is one.
    return [*Sentences().add(f"{text} ")]


def sentences_of(text: str) -> list[str]:
    """All sentences of a whole text."""
    cutter = Sentences()
    return [*cutter.add(text), *cutter.rest()]
