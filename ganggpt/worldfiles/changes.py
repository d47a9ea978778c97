"""What differs between a world in a database and the world files, and what living actors are told of it.

Three things are compared: the files as they were loaded last, the files now, and the sheets of living actors, which
game servers may have changed since. Only what changed in the files is told; what a game server changed stays, unless
the files are to overwrite it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct, to_builtins

from ganggpt.domain.faction import life as faction
from ganggpt.domain.faction.state import Faction
from ganggpt.domain.npc import commands as npc
from ganggpt.domain.npc.state import Npc
from ganggpt.domain.retirement import Retire
from ganggpt.domain.turn import Command
from ganggpt.domain.world import FactionSheet, NpcSheet, World

What = Literal["added", "changed", "removed", "differs"]
LEFT: Final = "the world files no longer name them"
SECTIONS: Final = ("districts", "factions", "npcs", "missions", "things", "lives", "places", "creeds")
_HEAD: Final = ("title", "seed", "day_minutes")
_AT_THE_START: Final = frozenset(("territories",))
"""What a faction's sheet says of its beginning alone: a living faction has claimed and lost ground since."""
_ACTORS: Final = {"npcs": "npc", "factions": "faction"}


class FieldChange(Struct, frozen=True):
    """One field of a record: what it was, and what the files say. ``note``: what else should be known of it."""

    field: str
    before: Any
    after: Any
    note: str = ""


class Change(Struct, frozen=True):
    """One record that is added, changed or removed, or whose living actor differs from what the files say."""

    what: What
    section: str
    id: str
    fields: tuple[FieldChange, ...] = ()


class WorldChanges(Struct, frozen=True):
    """All changes, and the commands that tell living actors of them. ``left``: differences that stay as they are."""

    changes: tuple[Change, ...]
    told: tuple[tuple[str, Command], ...]
    left: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether files, database and living actors agree in all that would be changed."""
        return not self.told and all(change.what == "differs" for change in self.changes)


def actors_of(*worlds: World) -> list[str]:
    """The actors of the people and factions of worlds."""
    named = (f"{kind}:{id_}" for world in worlds for part, kind in _ACTORS.items() for id_ in getattr(world, part))
    return sorted(set(named))


def plan_of(
    before: World, after: World, living: Mapping[str, Npc | Faction], *, overwrite: bool = False
) -> WorldChanges:
    """Compare. ``living``: states by actor of those that have come to life. ``overwrite``: the files also win over
    what game servers changed."""
    changes: list[Change] = []
    told: list[tuple[str, Command]] = []
    left = 0
    head = tuple(_fields(before, after, _HEAD))
    if head:
        changes.append(Change("changed", "world", after.name, head))
    for section in SECTIONS:
        changes += _changes_in(section, getattr(before, section), getattr(after, section))
    for section in ("factions", "npcs"):
        was, now = getattr(before, section), getattr(after, section)
        for id_ in (*now, *(id_ for id_ in was if id_ not in now)):
            actor = f"{_ACTORS[section]}:{id_}"
            state = living.get(actor)
            differs = _differing(was.get(id_), now.get(id_), state)
            if differs:
                changes.append(Change("differs", section, id_, differs))
                left += 0 if overwrite else 1
            command = _command(was.get(id_), now.get(id_), state, overwrite=overwrite)
            if command is not None:
                told.append((actor, command))
    return WorldChanges(tuple(changes), tuple(told), left)


def _changes_in(section: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    for id_, record in now.items():
        if id_ not in was:
            yield Change("added", section, id_)
        elif fields := tuple(_fields(was[id_], record, record.__struct_fields__)):
            yield Change("changed", section, id_, fields)
    for id_ in was:
        if id_ not in now:
            yield Change("removed", section, id_)


def _fields(was: Any, now: Any, names: Sequence[str]) -> Iterator[FieldChange]:
    for name in names:
        before, after = getattr(was, name), getattr(now, name)
        if before != after:
            note = "for new worlds; living factions keep their ground" if name in _AT_THE_START else ""
            yield FieldChange(name, to_builtins(before), to_builtins(after), note)


def _differing(
    was: NpcSheet | FactionSheet | None, now: NpcSheet | FactionSheet | None, state: Npc | Faction | None
) -> tuple[FieldChange, ...]:
    """Where a living actor differs from the files in what the files did not change."""
    if now is None or was is None or state is None:
        return ()
    found = []
    if state.absence is not None:
        found.append(FieldChange("retired", state.absence.reason or True, False))
    for name in _living_fields(now):
        lives, said = _plain(getattr(state.sheet, name)), _plain(getattr(now, name))
        if lives != said and getattr(was, name) == getattr(now, name):
            found.append(FieldChange(name, lives, said))
    return tuple(found)


def _command(
    was: NpcSheet | FactionSheet | None,
    now: NpcSheet | FactionSheet | None,
    state: Npc | Faction | None,
    *,
    overwrite: bool,
) -> Command | None:
    """What an actor is told; None where there is nothing to tell."""
    if now is None:
        # Also told to who has not come to life: a host that has not read the files yet may bring them to life.
        return Retire(LEFT) if state is None or state.absence is None else None
    if state is None:
        return _birth(now) if was is None else None
    if state.absence is not None and (was is None or overwrite):
        return _birth(now)
    every = was is None or overwrite
    names = [
        name
        for name in _living_fields(now)
        if (every or getattr(was, name) != getattr(now, name))
        and _plain(getattr(state.sheet, name)) != _plain(getattr(now, name))
    ]
    return _revision(state.sheet, now, names) if names else None


def _birth(sheet: NpcSheet | FactionSheet) -> Command:
    given = {name: getattr(sheet, name) for name in sheet.__struct_fields__ if name != "id"}
    return npc.Spawn(**given) if isinstance(sheet, NpcSheet) else faction.Found(**given)


def _revision(lives: NpcSheet | FactionSheet, now: NpcSheet | FactionSheet, names: Sequence[str]) -> Command:
    given = {name: getattr(now, name) for name in names}
    if isinstance(now, NpcSheet):
        if "faction" in given:
            given["faction"] = given["faction"] or ""
        return npc.Revise(**given)
    if "relations" in given:
        # A relation that the files no longer give rests at 0.
        given["relations"] = {**dict.fromkeys(lives.relations, 0), **now.relations}  # type: ignore[union-attr]
    return faction.Revise(**given)


def _living_fields(sheet: NpcSheet | FactionSheet) -> list[str]:
    return [name for name in sheet.__struct_fields__ if name != "id" and name not in _AT_THE_START]


def _plain(value: Any) -> Any:
    """A value to compare: a relation of 0 is the same as none."""
    plain = to_builtins(value)
    return {key: part for key, part in plain.items() if part != 0} if isinstance(plain, dict) else plain
