"""A response before it has words."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from ganggpt.domain.mind.brief import Act, Politics
from ganggpt.domain.mind.memory_record import Memory


class Sequel(Struct, frozen=True, gc=False):
    """One more thing that is said: the name of its lines and what fills them."""

    line: str
    facts: dict[str, str] = {}


class Answer(Struct, frozen=True, gc=False):
    """A response before it has words: the act, the memory to bring up, and further facts. ``missing``: what was asked
    for and not found among the memories. ``line``: the lines it is put into, where those of the act would not do;
    ``then``: what follows; ``because``: what it was taken from, in a few words, for whoever asks why."""

    act: Act
    memory: Memory | None = None
    politics: Politics | None = None
    facts: dict[str, str] = {}
    missing: str = ""
    line: str = ""
    then: tuple[Sequel, ...] = ()
    because: str = ""

    @property
    def reason(self) -> str:
        """The lines it is put into and what it was taken from, as the journal keeps it."""
        return f"{self.line or self.act}: {self.because}" if self.because else self.line or self.act


LIST_MARK: Final = "\x1f"
"""Stands between the words of a fact that is a list."""
PRICE_MARK: Final = "\x1e"
"""Stands between what is sold and its price."""


def informed(line: str, because: str, facts: dict[str, str] | None = None, *then: Sequel) -> Answer:
    """An answer to a question, from what is true."""
    return Answer("inform", line=line, facts=facts or {}, then=then, because=because)
