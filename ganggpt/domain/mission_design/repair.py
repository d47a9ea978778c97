"""Repairs a proposed mission field by field. A mission that needs no repair is legal.

A repair only ever replaces something by what the world knows: ids of the sheet, things of the catalogue, numbers within
the tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace
from rapidfuzz import fuzz, process

from ganggpt.domain.mission_design.difficulty import MINUTES_MAX, estimated_s
from ganggpt.domain.mission_design.draft import (
    OBJECTIVES_MAX,
    Problem,
    ProblemCode,
    Setting,
)
from ganggpt.domain.mission_design.objectives import OBJECTIVES, TAKES, ObjectiveType
from ganggpt.domain.mission_design.repair_numbers import mended_numbers
from ganggpt.domain.mission_design.roads import distances_m
from ganggpt.domain.mission_design.things import is_found, things_of
from ganggpt.domain.mission_design.wording import (
    DESCRIPTION_MAX,
    TITLE_MAX,
    cleaned,
    objectives_text,
    promises,
)
from ganggpt.domain.world import MissionTemplate, ObjectiveSheet

ALIKE: Final = 84.0
"""How similar (0..100, edit distance) a misspelt id or name must be to the one it is taken for."""


def mended(draft: MissionTemplate, setting: Setting) -> tuple[MissionTemplate | None, tuple[Problem, ...]]:
    """The repaired draft, or None where something cannot be repaired; and the problems."""
    repair = _Repair(setting)
    objectives = tuple(repair.objectives(draft.objectives))
    if objectives:
        draft = replace(draft, objectives=repair.deadlines(objectives))
        draft = mended_numbers(draft, setting, repair.note)
        draft = repair.texts(draft)
    if any(problem.fixed is None for problem in repair.problems):
        return None, tuple(repair.problems)
    return replace(draft, in_order=True), tuple(repair.problems)


class _Repair:
    """Repairs one draft. ``here``: where the player is after the objectives so far; ``held``: what they hold then."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.world = setting, setting.world
        self.problems: list[Problem] = []
        self.here = setting.giver.home
        self.held: dict[str, int] = {}
        self.things = things_of(setting.world)
        if self.here not in self.world.districts:
            self.here = next(iter(sorted(self.world.districts)), "")

    def note(self, code: ProblemCode, where: str, said: str, fixed: str | None = None) -> None:
        """Add a problem."""
        self.problems.append(Problem(code, where, said, fixed))

    def objectives(self, drafts: tuple[ObjectiveSheet, ...]) -> Iterator[ObjectiveSheet]:
        """The objectives in their order, each repaired, left out, or preceded by one that it needs."""
        room = OBJECTIVES_MAX
        for place, draft in enumerate(drafts):
            where = f"objectives.{place}"
            for objective in self._objective(draft, where):
                if room == 0:
                    self.note("too_many", where, f"more than {OBJECTIVES_MAX} objectives", "left out")
                    return
                room -= 1
                self._done(objective)
                yield objective
        if room == OBJECTIVES_MAX:
            self.note("no_objectives", "objectives", "nothing is left to do")

    def _done(self, objective: ObjectiveSheet) -> None:
        self.here = objective.district or self.here
        if objective.verb in TAKES:
            self.held[objective.target] = self.held.get(objective.target, 0) + objective.count
        elif objective.verb == "deliver":
            self.held[objective.target] -= objective.count

    def _objective(self, draft: ObjectiveSheet, where: str) -> Iterator[ObjectiveSheet]:
        type_ = OBJECTIVES.get(draft.verb)  # type: ignore[call-overload]
        if type_ is None:
            self.note("unknown_verb", f"{where}.verb", f"no objective is called {_short(draft.verb)}", "left out")
            return
        target = self._target(draft, type_, where)
        if target is None:
            return
        district = self._district(draft, target, where)
        if district is None:
            return
        count = max(1, min(type_.count_max, draft.count))
        if count != draft.count:
            self.note("count", f"{where}.count", f"{draft.verb} asks for 1 to {type_.count_max}", f"now {count}")
        yield from self._held(replace(draft, target=target, district=district, count=count), where)

    def _held(self, objective: ObjectiveSheet, where: str) -> Iterator[ObjectiveSheet]:
        """Yield the objective; before a delivery, yield one that fetches the thing if nothing does."""
        if objective.verb != "deliver":
            yield objective
            return
        held = self.held.get(objective.target, 0)
        if held <= 0:
            verb: Any = "collect" if self.things[objective.target].kind == "item" else "steal_vehicle"
            found = self._nearest_found(objective.target)
            if found is None:
                self.note("not_held", where, f"nobody could have {objective.target}", "left out")
                return
            held = min(objective.count, OBJECTIVES[verb].count_max)
            self.note(
                "not_held", where, f"nothing says where {objective.target} comes from", f"{verb} in {found} first"
            )
            yield ObjectiveSheet(verb=verb, target=objective.target, count=held, district=found)
        if objective.count > held:
            self.note("not_held", f"{where}.count", f"only {held} can be delivered", f"now {held}")
        yield replace(objective, count=min(objective.count, held))

    # ------------------------------------------------------------------------------------------------------- targets

    def _target(self, draft: ObjectiveSheet, type_: ObjectiveType, where: str) -> str | None:
        known = self._known(draft.target, type_)
        where = f"{where}.target"
        if known is not None:
            trouble = self._not_against(known) if type_.hostile else None
            if trouble is None and (known != f"npc:{self.setting.giver.id}" or draft.verb in ("talk_to", "pay")):
                if known != draft.target:
                    self.note(_missing(type_), where, f"there is no {_short(draft.target)}", f"taken as {known}")
                return known
            said = trouble or "nobody does that to the one who gives the job"
            code: ProblemCode = "own_people" if trouble else "wrong_target"
        else:
            code = "wrong_target" if self._exists(draft.target) else _missing(type_)
            kinds = ", ".join(type_.targets)
            said = f"{_short(draft.target)} is nothing one can {draft.verb.replace('_', ' ')} ({kinds})"
        instead = self._instead(type_, draft)
        self.note(code, where, said, "left out" if instead is None else f"now {instead}")
        return instead

    def _known(self, target: str, type_: ObjectiveType) -> str | None:
        """The target as the world writes it, if it is of a kind that the verb takes."""
        kind, _, name = target.rpartition(":")
        for wanted in type_.targets:
            if wanted in ("npc", "faction"):
                found = self._sheet(wanted, kind, name)
            elif kind:
                found = None
            elif wanted == "district":
                found = _match(name, self._names(self.world.districts))
            else:
                found = _match(name, {id_: t.name for id_, t in self.things.items() if t.kind == wanted})
            if found is not None:
                return found
        return None

    def _sheet(self, wanted: str, kind: str, name: str) -> str | None:
        if kind not in ("", wanted):
            return None
        sheets: Any = self.world.npcs if wanted == "npc" else self.world.factions
        found = _match(name, self._names(sheets))
        return None if found is None else f"{wanted}:{found}"

    def _names(self, sheets: Any) -> dict[str, str]:
        return {id_: sheet.name for id_, sheet in sheets.items()}

    def _exists(self, target: str) -> bool:
        kind, _, name = target.rpartition(":")
        known: Any = {"npc": self.world.npcs, "faction": self.world.factions}.get(kind, self.things)
        return name in known or (not kind and name in self.world.districts)

    def _not_against(self, target: str) -> str | None:
        """Why the payer would not want that done to this target, if so."""
        payer, (kind, _, name) = self.setting.payer, target.partition(":")
        if payer is None:
            return None
        own = name == payer if kind == "faction" else kind == "npc" and self.world.npcs[name].faction == payer
        return f"{target} belongs to {payer}, who pays for it" if own else None

    def _instead(self, type_: ObjectiveType, draft: ObjectiveSheet) -> str | None:
        """A target that fits: one in the draft's district if there is any, else the nearest; always the same one."""
        for kind in type_.targets:
            fitting = [t for t in self._all(kind) if not (type_.hostile and self._not_against(t))]
            ranked = []
            for target in fitting:
                places = self._places(draft.verb, target)
                ranked.append((draft.district not in places, self._metres_to(places), target))
            best = min(ranked, default=(True, math.inf, ""))
            if best[1] < math.inf:
                return best[2]
        return None

    def _all(self, kind: str) -> list[str]:
        if kind == "npc":
            return [f"npc:{id_}" for id_ in self.world.npcs if id_ != self.setting.giver.id]
        if kind == "faction":
            return [f"faction:{id_}" for id_ in self.world.factions]
        if kind == "district":
            return [id_ for id_ in self.world.districts if id_ != self.here]
        return [id_ for id_, thing in self.things.items() if thing.kind == kind]

    def _metres_to(self, places: list[str]) -> float:
        ways = distances_m(self.world, self.here)
        return min((ways.get(place, math.inf) for place in places), default=math.inf)

    # ------------------------------------------------------------------------------------------------------- places

    def _places(self, verb: str, target: str) -> list[str]:
        """Districts in which a verb can be done to a target; empty where the world has none."""
        kind, _, name = target.rpartition(":")
        districts = self.world.districts
        if verb == "reach":
            return [target]
        if kind == "npc":
            home = self.world.npcs[name].home
            if verb != "escort" or home not in distances_m(self.world, self.here):
                return [home] if home in districts else []
        if verb == "escort":
            return [id_ for id_ in districts if id_ != self.here] or list(districts)
        if kind == "faction":
            sheet = self.world.factions[name]
            return [id_ for id_ in (*sheet.territories, sheet.home) if id_ in districts]
        if verb == "deliver":
            return list(districts)
        return [id_ for id_, district in districts.items() if is_found(self.things[target], district)]

    def _district(self, draft: ObjectiveSheet, target: str, where: str) -> str | None:
        where = f"{where}.district"
        ways, places = distances_m(self.world, self.here), self._places(draft.verb, target)
        fitting = sorted((ways[place], place) for place in set(places) & set(ways))
        if not fitting:
            self.note("unreachable", where, f"no way leads to {target} from {self.here}", "left out")
            return None
        given = draft.district
        if given in places and given in ways:
            return given
        nearest = fitting[0][1]
        if given is None:
            if len(fitting) > 1 or draft.verb not in ("talk_to", "pay", "threaten", "photograph", "defend", "reach"):
                self.note("unknown_place", where, f"{draft.verb} needs a place", f"now {nearest}")
            return nearest
        known = _match(given, self._names(self.world.districts))
        if known in places and known in ways:
            self.note("unknown_place", where, f"there is no district {_short(given)}", f"taken as {known}")
            return known
        code: ProblemCode = "unknown_place" if known is None else "not_there" if known in ways else "unreachable"
        self.note(code, where, f"{target} is not to be found in {_short(given)}", f"now {nearest}")
        return nearest

    def _nearest_found(self, thing: str) -> str | None:
        ways = distances_m(self.world, self.here)
        found = [(ways[i], i) for i, d in self.world.districts.items() if i in ways and is_found(self.things[thing], d)]
        return min(found)[1] if found else None

    # ------------------------------------------------------------------------------------------------ times and texts

    def deadlines(self, objectives: tuple[ObjectiveSheet, ...]) -> tuple[ObjectiveSheet, ...]:
        """The objectives with time limits that can be kept."""
        after = []
        for place, objective in enumerate(objectives):
            if objective.within_minutes is not None and objective.within_minutes > MINUTES_MAX:
                where = f"objectives.{place}.within_minutes"
                self.note("within", where, f"no mission takes over {MINUTES_MAX} minutes", "left out")
                objective = replace(objective, within_minutes=None)  # noqa: PLW2901 - the repaired one goes on
            if objective.within_minutes is not None:
                estimate_s = estimated_s(self.world, self.setting.giver.home, objectives[: place + 1])
                least = 1 if estimate_s is None else math.ceil(estimate_s / 60 * 1.2)
                if objective.within_minutes < least:
                    where = f"objectives.{place}.within_minutes"
                    self.note("within", where, f"it takes {least} minutes at least", f"now {least}")
                    objective = replace(objective, within_minutes=least)  # noqa: PLW2901 - the repaired one goes on
            after.append(objective)
        return tuple(after)

    def texts(self, draft: MissionTemplate) -> MissionTemplate:
        """The draft with a title and a description that are printable and promise nothing; else they are made of the
        objectives."""
        plain = objectives_text(self.world, draft.objectives)
        title = self._text("title", draft.title, cleaned(plain, 60), TITLE_MAX)
        return replace(
            draft, title=title, description=self._text("description", draft.description, plain, DESCRIPTION_MAX)
        )

    def _text(self, where: str, text: str, instead: str, length_max: int) -> str:
        clean = cleaned(text, length_max)
        if not any(letter.isalnum() for letter in clean):
            self.note("no_text", where, "has no words", "told from the objectives")
            return instead
        if promises(clean):
            self.note("promise", where, "speaks of money or leads outside", "told from the objectives")
            return instead
        if clean != text:
            self.note("no_text", where, "has what no screen shows, or is too long", "cleaned")
        return clean


def _match(text: str, known: dict[str, str]) -> str | None:
    """The id that a text means: the id itself, a name, or something nearly like one of them."""
    if text in known:
        return text
    slug = _slug(text)
    if slug in known:
        return slug
    by_name = {_slug(name): id_ for id_, name in known.items()}
    if slug in by_name:
        return by_name[slug]
    if len(slug) < 3:
        return None
    near = process.extractOne(slug, sorted({*known, *by_name}), scorer=fuzz.ratio, score_cutoff=ALIKE)
    return None if near is None else by_name.get(near[0], near[0])


def _slug(text: str) -> str:
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text[:100].lower()).split())


def _short(text: str) -> str:
    return repr(cleaned(text, 40))


def _missing(type_: ObjectiveType) -> ProblemCode:
    return "unknown_actor" if type_.targets[0] in ("npc", "faction", "crew") else "unknown_thing"


def is_legal(mission: MissionTemplate, setting: Setting) -> bool:
    """Whether a mission needs no repair."""
    after, problems = mended(mission, setting)
    return after == mission and not problems
