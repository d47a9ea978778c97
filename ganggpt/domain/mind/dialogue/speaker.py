"""Who answers: everything a response may depend on in the speaker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from ganggpt.domain.lore import Life
from ganggpt.domain.mind.memory_record import Memories
from ganggpt.domain.mind.transcript import Exchange
from ganggpt.domain.scene import TalkScene

NO_LIFE: Final = Life(id="")


class JobTold(Struct, frozen=True, gc=False):
    """A job the speaker offered this player. ``places``: names of districts; ``minutes`` and ``difficulty`` 0 where
    they are not known; ``payer``: the name of who pays."""

    title: str
    task: str
    reward: int
    places: tuple[str, ...] = ()
    minutes: int = 0
    difficulty: int = 0
    payer: str = ""


class Speaker(Struct, frozen=True, gc=False, kw_only=True):
    """What a response depends on in the speaker.

    ``cited``: memories brought up lately; ``phrases``: sentences said lately (``brief.phrase_of``); ``standing``
    −100..100 with ``listener``, a name or "", after ``talks`` talks; ``traits`` 0..100. ``id``: the NPC, or "" for
    people no world file knows. ``place``: the district it is in, ``home``: the one it lives in, by id. ``exchanges``:
    the talk so far. ``job``: the last one it offered. ``mood`` −100..100. ``wars``: factions its own is at war with.
    ``language``: the one it answers in. ``offers_work``: whether it has jobs to give; ``doing``: what it is at, to
    follow "I am".
    """

    memories: Memories
    cited: tuple[int, ...] = ()
    phrases: tuple[int, ...] = ()
    standing: float = 0.0
    faction: str | None = None
    offers_work: bool = False
    traits: Mapping[str, int] = {}
    id: str = ""
    name: str = ""
    role: str = ""
    home: str = ""
    place: str = ""
    spot: str = ""
    doing: str = ""
    backstory: str = ""
    likes: tuple[str, ...] = ()
    aims: tuple[str, ...] = ()
    life: Life = NO_LIFE
    listener: str = ""
    talks: int = 0
    exchanges: tuple[Exchange, ...] = ()
    scene: TalkScene | None = None
    minute: int = 0
    job: JobTold | None = None
    mood: float = 0.0
    mood_label: str = "calm"
    wars: tuple[str, ...] = ()
    owner: bool = False
    language: str = "en"
    style: str = ""

    @property
    def courage(self) -> int:
        """0..100."""
        return self.traits.get("courage", self.traits.get("bravery", 50))
