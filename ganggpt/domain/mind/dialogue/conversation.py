"""The talk in which a line is answered, as the answers see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.daily_life import Whereabouts, whereabouts
from ganggpt.domain.language.spoken_of import Named, What
from ganggpt.domain.mind.background import bosses
from ganggpt.domain.mind.brief import phrase_of, sentences_of
from ganggpt.domain.mind.dialogue import references
from ganggpt.domain.mind.dialogue.pointing import is_addressed, is_of_here, is_pointing
from ganggpt.domain.mind.dialogue.speaker import Speaker
from ganggpt.domain.mind.dialogue.understanding import AskedLine
from ganggpt.domain.turn import Turn
from ganggpt.domain.world import District, FactionSheet, NpcSheet, World


class TalkContext(Struct, frozen=True, gc=False):
    """Who speaks, in which turn, and the line that is answered."""

    speaker: Speaker
    turn: Turn
    text: str

    @property
    def world(self) -> World:
        """The world it takes place in."""
        return self.turn.world

    def subject(self, asked: AskedLine, *wanted: What) -> str | None:
        """The id of what a sentence is about (``references.subject``)."""
        # Who is addressed by name is not spoken of: "What do you dream of, Gia?"
        named = tuple(one for one in asked.named if one.id != self.speaker.id or not is_addressed(asked.text))
        told = replace(asked, named=named)
        return references.subject(told, self.speaker.exchanges, self.world, *wanted, but=self.speaker.id)

    def person(self, asked: AskedLine) -> NpcSheet | None:
        """The person a sentence is about; by trade where no name is said: the nearest one."""
        id_ = self.subject(asked, "npc")
        if id_ is None:
            return self._of_trade(next((one.id for one in asked.named if one.what == "role"), None))
        return self.world.npcs.get(id_)

    def _of_trade(self, role: str | None) -> NpcSheet | None:
        if role is None:
            return None
        leader = bosses(self.world).get(self.speaker.faction or "")
        if role.endswith(("boss", "leader", "chief")) and leader is not None:
            return next(one for one in self.world.npcs.values() if one.name == leader)
        if self.speaker.role.endswith(role) and self.speaker.id in self.world.npcs:
            return self.world.npcs[self.speaker.id]
        near = (self.speaker.home, *self._neighbours())
        of_trade = [one for one in self.world.npcs.values() if one.role.endswith(role) and one.id != self.speaker.id]
        ties, side = self.speaker.life.ties, self.speaker.faction
        of_trade.sort(
            key=lambda one: (
                one.id not in ties and (side is None or one.faction != side),
                near.index(one.home) if one.home in near else len(near),
                one.id,
            )
        )
        return of_trade[0] if of_trade else None

    def _neighbours(self) -> tuple[str, ...]:
        home = self.world.districts.get(self.speaker.home)
        return home.neighbours if home is not None else ()

    def place(self, asked: AskedLine) -> District | None:
        """The district a sentence is about: named or pointed at, else where the named person is now."""
        own = next((one.id for one in asked.named if one.what == "district"), None)
        if own is None and self.here is not None and is_of_here(asked.text):
            return self.here
        role = next((one.id for one in asked.named if one.what == "role"), None)
        id_ = own or (self.subject(asked, "district") if role is None else None)
        if id_ is not None:
            return self.world.districts.get(id_)
        of_trade = self._of_trade(role)
        named = of_trade.id if of_trade is not None else next((o.id for o in asked.named if o.what == "npc"), None)
        where = None if named is None else self.where(named)
        return None if where is None else self.world.districts.get(where.district)

    @property
    def here(self) -> District | None:
        """Where the talk takes place."""
        return self.world.districts.get(self.speaker.place) or self.world.districts.get(self.speaker.home)

    def faction(self, asked: AskedLine) -> FactionSheet | None:
        """The faction a sentence is about."""
        if not any(one.what == "faction" for one in asked.named) and is_pointing(asked.text, "npc"):
            person = self.person(asked)
            side = self.world.factions.get(person.faction or "") if person is not None else None
            if side is not None:
                return side
        id_ = self.subject(asked, "faction")
        return None if id_ is None else self.world.factions.get(id_)

    def called(self, one: Named) -> str:
        """The name of something of the world; "" for a trade."""
        sections: Mapping[What, Mapping[str, Any]] = {
            "npc": self.world.npcs,
            "district": self.world.districts,
            "faction": self.world.factions,
        }
        if one.what == "ware":
            return one.id if self.speaker.language == "en" else ""
        sheet = sections.get(one.what, {}).get(one.id)
        return "" if sheet is None else str(sheet.name)

    def where(self, npc: str) -> Whereabouts | None:
        """Where somebody is now."""
        return whereabouts(self.world, npc, self.turn.now_s, self.speaker.minute)

    @property
    def is_police(self) -> bool:
        """Whether the speaker is one of the police."""
        own = self.world.factions.get(self.speaker.faction or "")
        return own is not None and own.kind == "police"

    def holder(self, district: str) -> FactionSheet | None:
        """The faction whose ground a district is."""
        return next((one for one in self.world.factions.values() if district in one.territories), None)

    def is_said(self, text: str) -> bool:
        """Whether a text was said lately, by any of its longer sentences."""
        numbers = [number for sentence in sentences_of(text) if (number := phrase_of(sentence))]
        return any(number in self.speaker.phrases for number in numbers)

    def fresh(self, texts: Sequence[str]) -> str | None:
        """One of some texts that was not said lately; None where all were. Which one the turn's dice decide."""
        left = [text for text in texts if not self.is_said(text)]
        return self.turn.dice.pick(left) if left else None
