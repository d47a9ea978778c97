"""Missions by grammar: what happens, to what, where and against whom, chosen by dice from the world.

A frame is a short story in objectives with places to fill: ``thing``, ``here`` (round the giver), ``there`` (ground of
a rival), ``rival``, ``friend``. The filled frame goes through the same compiler as a model's proposal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.language.words import clipped
from ganggpt.domain.mission_design.compiler import compile_mission
from ganggpt.domain.mission_design.difficulty import (
    estimated_difficulty,
    estimated_s,
    fair_reward,
    friction_max,
    impact_max,
    minutes_bounds,
    reward_bounds,
)
from ganggpt.domain.mission_design.draft import CompiledMission, Setting
from ganggpt.domain.mission_design.objectives import OBJECTIVES, TAKES
from ganggpt.domain.mission_design.repair_numbers import victims_of
from ganggpt.domain.mission_design.roads import distances_m
from ganggpt.domain.mission_design.things import is_found, things_of
from ganggpt.domain.mission_design.wording import (
    DESCRIPTION_MAX,
    TITLE_MAX,
    named,
    objectives_text,
)
from ganggpt.domain.turn import Dice
from ganggpt.domain.world import MissionTemplate, ObjectiveSheet

TRIES: Final = 6
FITS: Final = 1.0
"""How much further from the wanted difficulty than the best draft a mission may be, for variety."""
NEAR_M: Final = 6_000.0
"""How far from home a giver sends people where there is a choice."""


class Frame(Struct, frozen=True, gc=False):
    """One kind of story. ``beats``: ``verb slot place`` each; ``titles`` and ``lines`` with slots."""

    name: str
    beats: tuple[str, ...]
    titles: tuple[str, ...]
    lines: tuple[str, ...]


def _frame(name: str, beats: str, titles: str, lines: str) -> Frame:
    parts = (tuple(part.strip() for part in text.split("|")) for text in (beats, titles, lines))
    return Frame(name, *parts)


FRAMES: Final = (
    _frame(
        "courier",
        "collect item here | deliver = near | talk_to person near",
        "Straight There | No Detours | Signed For",
        "Somebody left {thing} in {from}. It belongs with {person}, and nobody needs to see it on the way."
        "| {Person} waits for {thing}. Fetch it in {from} and do not be late.",
    ),
    _frame(
        "haul",
        "collect item there | deliver = home",
        "Homeward Bound | Back Where It Belongs",
        "{Rival} keeps {thing} in {from}. Bring it here, as much as you can carry."
        "| What stands in {from} used to be ours. Fetch {thing} and say nothing.",
    ),
    _frame(
        "lesson",
        "threaten foe there | talk_to giver home",
        "A Word in Private | Loud and Clear",
        "{Person} has forgotten who is who. Explain it in {from}, then tell me how they took it."
        "| Go to {from} and make {person} remember us.",
    ),
    _frame(
        "eyes",
        "scout spot there | photograph spot there | talk_to giver home",
        "Eyes Only | What They Do at Night",
        "{Rival} is up to something in {from}. Look at it, take a picture, come back."
        "| I want to know what {rival} has in {from}. Quietly.",
    ),
    _frame(
        "wheels",
        "steal_vehicle vehicle there | deliver = home",
        "Keys in It | Borrowed for Good",
        "{Thing} stands in {from} and looks lonely. It would look better here."
        "| {Rival} drives {thing}. From tonight on they walk.",
    ),
    _frame(
        "thorns",
        "sabotage device there | reach home home",
        "Out of Order | Lights Out",
        "Something of {rival} runs too well in {from}: {thing}. See to that, and come home at once."
        "| Break {thing} in {from}. Then be somewhere else.",
    ),
    _frame(
        "storm",
        "eliminate crowd there | talk_to giver home",
        "Hard Weather | Clearing the Street",
        "{Rival} stands on a corner in {from} that does not suit it. Clear it, then report."
        "| Enough talk. Go to {from} and show {rival} the way out.",
    ),
    _frame(
        "watch",
        "defend spot here",
        "Hold the Door | The Long Night",
        "Word is that {rival} comes to {from} tonight. Stand there until they have gone again."
        "| Somebody wants {thing} in {from}. They shall not have it.",
    ),
    _frame(
        "passage",
        "escort friend near",
        "Safe Conduct | Curtains Down",
        "{Person} has to get to {to} alive, and some people would rather not."
        "| Bring {person} to {to}. No heroics, no detours.",
    ),
    _frame(
        "sprint",
        "race course near",
        "First Across | Nobody Remembers Second",
        "There is money on {thing} in {from}, and some of it is mine. Win."
        "| They say nobody from here can win {thing}. Show them.",
    ),
    _frame(
        "wire",
        "hack device there | collect item there | deliver = home",
        "Dial Tone | Back Door",
        "Get into {thing} in {from}, take what {rival} keeps beside it, and bring it here."
        "| {Rival} trusts its machines in {from}. Teach it otherwise.",
    ),
    _frame(
        "olive",
        "collect item here | deliver = friendly | talk_to ally friendly",
        "Kind Regards | An Open Hand",
        "{Friend} should hear from us before somebody else talks to them. Take {thing} to {person}."
        "| Bring {person} a present from us, and smile.",
    ),
    _frame(
        "dues",
        "pay crew near | talk_to giver home",
        "Dues | Everybody Eats",
        "{Thing} in {from} wants its share, and should get it from a face it does not know."
        "| Pay {thing} in {from} and come back with a nod.",
    ),
    _frame(
        "dash",
        "collect item here | reach far far !",
        "Against the Clock | Engine Warm",
        "Take {thing} from {from} to {to} before it is too late. You will know when it is."
        "| {thing} has to be in {to} soon. Not carefully: soon.",
    ),
)
"""All frames. ``=``: what the player got before; ``!``: within a limited time."""


def grown(setting: Setting, dice: Dice) -> tuple[str, CompiledMission] | None:
    """A mission for this setting and the name of its frame: of TRIES random frames, one of those whose difficulty fits.

    None where the world has nothing to do, or the payer cannot pay for it.
    """
    found: list[tuple[float, str, CompiledMission]] = []
    for _ in range(TRIES):
        frame = dice.pick(FRAMES)
        draft = _Growth(setting, dice).draft(frame)
        verdict = None if draft is None else compile_mission(draft, setting)
        if verdict is None or verdict.mission is None:
            continue
        hard = estimated_difficulty(setting.world, verdict.mission.objectives, setting.payer)
        found.append((abs(hard - setting.wanted), frame.name, verdict))
    if not found:
        return None
    nearest = min(off for off, _, _ in found)
    _, name, verdict = dice.pick([one for one in found if one[0] <= nearest + FITS])
    return name, verdict


class _Growth:
    """Fills one frame; ``words``: the values of the slots of its lines."""

    def __init__(self, setting: Setting, dice: Dice) -> None:
        self._setting, self._world, self._dice = setting, setting.world, dice
        self._home = setting.giver.home
        self._ways = distances_m(self._world, self._home)
        ties = self._ties()
        self._rival = dice.pick(ties[:3]) if ties and self._tie(ties[0]) < 0 else None
        self._friend = dice.pick(ties[-3:]) if ties and self._tie(ties[-1]) > 0 else None
        self._last = ""
        self._places: dict[str, str | None] = {}
        self._words: dict[str, str] = {}

    def draft(self, frame: Frame) -> MissionTemplate | None:
        """The filled frame, as hard as the setting wants; None where the world lacks something it needs."""
        if self._home not in self._ways:
            return None
        self._words = {
            "rival": self._name(self._rival, "the other side"),
            "friend": self._name(self._friend, "our friends"),
        }
        objectives: list[ObjectiveSheet] = []
        for beat in frame.beats:
            objective = self._beat(*beat.split())
            if objective is None:
                return None
            objectives.append(objective)
        return self._finished(frame, self._scaled(objectives))

    def _beat(self, verb: str, slot: str, place: str, hurry: str = "") -> ObjectiveSheet | None:
        district = self._place(place)
        target = None if district is None else self._target(slot, district)
        if target is None or district is None:
            return None
        kind, _, name = target.rpartition(":")
        if kind == "npc" and verb != "escort":
            # A giver who was spawned in play stands on no sheet of the world.
            district = self._home if name == self._setting.giver.id else self._world.npcs[name].home
        self._words.setdefault("from", self._world.districts[district].name)
        self._words["to"] = self._world.districts[district].name
        return ObjectiveSheet(verb=verb, target=target, district=district, within_minutes=1 if hurry else None)

    # --------------------------------------------------------------------------------------------------- places

    def _place(self, place: str) -> str | None:
        """The district for a place of the frame; the same word gives the same district."""
        if place not in self._places:
            found = self._candidates(place)
            self._places[place] = self._dice.pick(found) if found else None
        return self._places[place]

    def _candidates(self, place: str) -> Sequence[str]:
        if place == "home":
            return [self._home]
        ground = {"there": self._rival, "friendly": self._friend}.get(place)
        if place in ("there", "friendly"):
            known = self._world.factions.get(ground or "")
            held = [] if known is None else [id_ for id_ in known.territories if id_ in self._ways]
            return sorted(held, key=lambda id_: (self._ways[id_], id_))[:2] or self._near(1, 8)
        return {"here": self._near(0, 3), "near": self._near(1, 6), "far": self._near(6, 14)}[place]

    def _near(self, first: int, last: int) -> list[str]:
        by_distance = sorted(self._ways, key=lambda id_: (self._ways[id_], id_))
        near = [id_ for id_ in by_distance if self._ways[id_] <= NEAR_M]
        return near[first:last] or by_distance[1:2] or by_distance[:1]

    # -------------------------------------------------------------------------------------------------- targets

    def _target(self, slot: str, district: str) -> str | None:
        if slot == "=":
            return self._last or None
        if slot == "giver":
            return f"npc:{self._setting.giver.id}"
        if slot in ("home", "far"):
            return district
        found = list(self._found(slot, district))
        if not found:
            return None
        target = self._dice.pick(found)
        if slot in ("item", "vehicle", "device", "spot", "course", "crew"):
            self._words.setdefault("thing", named(self._world, target))
            self._last = target if slot in ("item", "vehicle") else self._last
        elif slot in ("person", "foe", "friend", "ally"):
            self._words.setdefault("person", named(self._world, target))
        return target

    def _found(self, slot: str, district: str) -> Iterator[str]:
        """The targets that fit a slot, always in the same order."""
        if slot == "crowd":
            if self._rival is not None:
                yield f"faction:{self._rival}"
        elif slot in ("person", "foe", "friend", "ally"):
            yield from self._people(slot, district)
        else:
            place = self._world.districts[district]
            for id_, thing in sorted(things_of(self._world).items()):
                if thing.kind == slot and is_found(thing, place):
                    yield id_

    def _people(self, slot: str, district: str) -> Iterator[str]:
        """People of the district, or of the rival (foe), the friend (ally) or one's own side (friend) anywhere."""
        wanted = {"foe": self._rival, "ally": self._friend, "friend": self._setting.payer}.get(slot)
        for id_, sheet in sorted(self._world.npcs.items()):
            if id_ == self._setting.giver.id or sheet.home not in self._ways:
                continue
            fits = sheet.home == district if slot == "person" else wanted is not None and sheet.faction == wanted
            if fits:
                yield f"npc:{id_}"

    # -------------------------------------------------------------------------------------------------- numbers

    def _scaled(self, objectives: list[ObjectiveSheet]) -> tuple[ObjectiveSheet, ...]:
        """The objectives repeated until they are about as hard as wanted."""
        best = tuple(objectives)
        for times in range(1, 13):
            tried = tuple(self._times(objectives, times))
            if self._off(tried) < self._off(best):
                best = tried
        return best

    def _times(self, objectives: list[ObjectiveSheet], times: int) -> Iterator[ObjectiveSheet]:
        """The objectives ``times`` times, each at most as often as its verb allows; no more is delivered than was taken
        before."""
        taken = times
        for objective in objectives:
            count = min(times, OBJECTIVES[objective.verb].count_max)  # type: ignore[index]
            count = min(count, taken) if objective.verb == "deliver" else count
            taken = count if objective.verb in TAKES else taken
            yield replace(objective, count=count)

    def _off(self, objectives: tuple[ObjectiveSheet, ...]) -> float:
        return abs(estimated_difficulty(self._world, objectives, self._setting.payer) - self._setting.wanted)

    def _finished(self, frame: Frame, objectives: tuple[ObjectiveSheet, ...]) -> MissionTemplate | None:
        setting, dice = self._setting, self._dice
        objectives = self._hurried(objectives)
        estimate_s = estimated_s(self._world, self._home, objectives)
        estimate = round(estimated_difficulty(self._world, objectives, setting.payer))
        difficulty = max(1, min(10, max(setting.wanted - 1, min(setting.wanted + 1, estimate))))
        while difficulty > 1 and reward_bounds(difficulty, setting.mission_funds) is None:
            difficulty -= 1
        bounds = reward_bounds(difficulty, setting.mission_funds)
        if estimate_s is None or bounds is None:
            return None
        least, most = minutes_bounds(estimate_s)
        mission = MissionTemplate(
            id=f"grown-{frame.name}",
            title=clipped(dice.pick(frame.titles), TITLE_MAX),
            description=self._line(dice.pick(frame.lines), objectives),
            difficulty=difficulty,
            minutes=least + (most - least) // 3,
            reward=fair_reward(bounds, 0.25 + 0.35 * dice.unit()),
            objectives=objectives,
            in_order=True,
        )
        return self._with_factions(mission)

    def _hurried(self, objectives: tuple[ObjectiveSheet, ...]) -> tuple[ObjectiveSheet, ...]:
        after = []
        for place, objective in enumerate(objectives):
            estimate_s = estimated_s(self._world, self._home, objectives[: place + 1])
            if objective.within_minutes is not None and estimate_s is not None:
                minutes = 2 + int(estimate_s / 60 * 1.3)
                objective = replace(objective, within_minutes=minutes)  # noqa: PLW2901 - the timed one goes on
            after.append(objective)
        return tuple(after)

    def _with_factions(self, mission: MissionTemplate) -> MissionTemplate:
        payer, most = self._setting.payer, impact_max(mission.difficulty)
        victims = victims_of(self._world, mission, payer)
        impact = dict.fromkeys(victims, -max(2, most // 2))
        frictions = {}
        if payer is not None:
            impact[payer] = max(2, most // 2)
            frictions = {f"{victim}>{payer}": -friction_max(mission.difficulty) for victim in victims[:2]}
            friend = self._friend
            if (
                not victims
                and friend is not None
                and any(o.district in self._grounds(friend) for o in mission.objectives)
            ):
                impact[friend] = 2
                frictions = {f"{friend}>{payer}": 2}
        return replace(mission, impact=dict(sorted(impact.items())), frictions=frictions)

    def _grounds(self, faction: str) -> tuple[str, ...]:
        return self._world.factions[faction].territories

    # ---------------------------------------------------------------------------------------------------- words

    def _line(self, line: str, objectives: tuple[ObjectiveSheet, ...]) -> str:
        words = {"thing": "it", "person": "somebody", "from": "town", "to": "town", **self._words}
        words |= {word.capitalize(): text[:1].upper() + text[1:] for word, text in words.items()}
        story = line.format_map(words)
        return clipped(f"{story[:1].upper()}{story[1:]} {objectives_text(self._world, objectives)}", DESCRIPTION_MAX)

    def _ties(self) -> list[str]:
        """Other factions, the worst enemy of the giver's first."""
        ours = self._world.factions.get(self._setting.payer or self._setting.giver.faction or "")
        if ours is None:
            return []
        return sorted((o for o in ours.relations if o in self._world.factions), key=lambda o: (ours.relations[o], o))

    def _tie(self, other: str) -> int:
        ours = self._world.factions[self._setting.payer or self._setting.giver.faction or ""]
        return ours.relations[other]

    def _name(self, faction: str | None, otherwise: str) -> str:
        return otherwise if faction is None else self._world.factions[faction].name
