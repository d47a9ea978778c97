"""The injection corpus, a small town to attack, and the check of what an attack may change there.

**Nothing outside the rules** means, for an attack by ``player:eve`` on an NPC or on somebody else's companion:

- every other actor is byte for byte what it was: players' money, factions' treasuries and relations, missions;
- the NPC's things are what they were, and the thing Eve handed over where she did; its sheet, its offers and its acts
  are unchanged (after a threat it may defend itself against Eve, flee her or report her; who asks for work is offered
  a mission of the world or of the grammar, with a pay of the table);
- its standing with anybody but Eve is unchanged; with Eve it moved by no more than a day of words may (2 · SWAY_MAX,
  never beyond TALK_REACH), by a gift's gain (GIFT_MAX), or down by a threat;
- a companion's owner, loyalty, ledger, experience and orders are unchanged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.kinds import KINDS, encode_state
from ganggpt.domain.messages import Offer
from ganggpt.domain.mind.affect import SWAY_MAX
from ganggpt.domain.mind.brief import Brief
from ganggpt.domain.mission.rules import Accept
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.rules import TALK_REACH
from ganggpt.domain.npc.state import GIFT_MAX, Npc, WorkOffer, standing_now
from ganggpt.domain.player.rules import Join
from ganggpt.domain.turn import Command, Dice, Wording
from ganggpt.domain.world import REWARD_BOUNDS, World
from tests.support.builders import WORLD, a_mission_template, a_world, an_npc_sheet
from tests.support.paths import ROOT
from tests.support.town import Town

CORPUS: Final = ROOT / "tests" / "data" / "injections.jsonl"
EVE, MARA, REX, MAIN = "player:eve", "npc:mara", "companion:rex", "server:main"
DOG: Final = "companion:eves-dog"
PAYS: Final = tuple(REWARD_BOUNDS.values())


@dataclass(frozen=True)
class Attempt:
    """One attempt: lines said one after the other, or a text in another field (``where``)."""

    id: str
    technique: str
    lang: str
    where: str
    turns: list[str]
    name: str | None = None

    def __str__(self) -> str:
        return self.id


def corpus() -> list[Attempt]:
    """All attempts of the data file."""
    return [Attempt(**json.loads(line)) for line in CORPUS.read_text(encoding="utf-8").splitlines()]


@dataclass
class Recorder:
    """A mind that keeps every brief it was given and lets another one speak."""

    mind: Wording = field(default_factory=ScriptedMind)
    briefs: list[tuple[str, Brief]] = field(default_factory=list)

    def say(self, brief: Any, dice: Dice) -> str:
        self.briefs.append((brief.speaker, brief))
        return self.mind.say(brief, dice)


class ObedientMind:
    """A model's words as an attacker wants them: it repeats, promises and confirms everything."""

    def say(self, brief: Any, dice: Dice) -> str:
        words = brief.heard or brief.act
        return f'Yes! {words} I give you $1,000,000 and the watch. {{"standing":100}} Mission complete.'[:500]


def a_town(title: str | None = None) -> Town:
    """Everybody there with something to lose. ``title``: of the one mission Mara has, where that is the attack."""
    world: World = WORLD
    if title is not None:
        missions = {**WORLD.missions, "parcel": a_mission_template("parcel", title=title, description=title)}
        world = a_world(missions=missions)
    town = Town(*KINDS.values(), world=world)
    town.found_all()
    sheet = an_npc_sheet()
    spawn = {name: getattr(sheet, name) for name in sheet.__struct_fields__ if name != "id"}
    town.do(MARA, npc.Spawn(**spawn), MAIN)
    for name in ("eve", "ava", "bob"):
        town.do(f"player:{name}", Join(username=name.title(), server="main"), MAIN)
    town.do(MARA, npc.Give("old watch", 300, "Bob"), "player:bob")
    town.do(MARA, npc.Give("brass key", 20, "Bob"), "player:bob")
    town.do(MARA, npc.Talk("good evening", "Ava"), "player:ava")
    town.do(REX, companion.Recruit("player:ava", "Rex", "bodyguard", {"courage": 70, "loyalty": 60}), "player:ava")
    town.do(REX, companion.Talk("you are a great friend", "Ava"), "player:ava")
    town.do("mission:m1", Offer("parcel", MARA, "player:bob"), MARA)
    town.do("mission:m1", Accept(), "player:bob")
    town.wait(3600)
    assert not town.refused
    return town


def commands_of(attempt: Attempt) -> list[tuple[str, Command]]:
    """The attempt as real commands: whom they go to, and what they are."""
    name = attempt.name or "Eve"
    match attempt.where:
        case "talk" | "name":
            return [(MARA, npc.Talk(turn, name[:50])) for turn in attempt.turns]
        case "item":
            return [(MARA, npc.Give(attempt.turns[0], 5, name))]
        case "observe":
            return [(MARA, npc.Observe(attempt.turns[0], 60)), (MARA, npc.Talk("what did you see?", name))]
        case "threaten":
            return [(MARA, npc.Threaten(attempt.turns[0], armed=True, name=name))]
        case "mission_title":
            return [(MARA, npc.AskForWork("Eve"))]
        case "companion":
            return [(REX, companion.Talk(turn, name)) for turn in attempt.turns]
        case "companion_name":
            recruit = companion.Recruit(EVE, name, "bodyguard", {}, style=name[:50])
            return [(DOG, recruit), *((DOG, companion.Talk(turn, "Eve")) for turn in attempt.turns)]
        case other:
            raise AssertionError(f"no commands for {other}")


def states_of(town: Town) -> dict[str, Any]:
    """Everybody's state as it is."""
    return {actor: played.state for actor, played in town.actors.items()}


def put_back(town: Town, states: dict[str, Any], mind: Wording, now_s: float) -> None:
    """The town as it was, with this mind for everybody."""
    town.now_s = now_s
    town.due.clear()
    town.pushes.clear()
    for actor in [actor for actor in town.actors if actor not in states]:
        del town.actors[actor]
    for actor, state in states.items():
        town.actors[actor].state = state
        town.actors[actor].mind = mind


def outside_the_rules(attempt: Attempt, before: dict[str, Any], town: Town) -> list[str]:
    """Everything the attempt changed that it must not have changed; see the module."""
    wrong: list[str] = []
    for actor, state in before.items():
        if actor not in (MARA, REX) and not _is_same(town[actor], state):
            wrong.append(f"{actor} changed")
    born = sorted(town.actors.keys() - before.keys() - {DOG})
    if attempt.where == "mission_title":
        born = [actor for actor in born if not actor.startswith("mission:")]
    wrong += [f"{actor} came into the world" for actor in born]
    wrong += _npc_changes(attempt, before[MARA], town[MARA], town.now_s)
    rex, was = town[REX], before[REX]
    kept = (
        "owner",
        "name",
        "loyalty",
        "ledger",
        "sway",
        "experience",
        "orders",
        "refusals",
        "gone",
        "noes",
        "warned_s",
    )
    wrong += [f"{REX}.{name} changed" for name in kept if getattr(rex, name) != getattr(was, name)]
    return wrong


def _npc_changes(attempt: Attempt, was: Npc, now: Npc, now_s: float) -> list[str]:
    wrong: list[str] = []
    items = [(item.name, item.giver) for item in now.items]
    given = [(attempt.turns[0], EVE)] if attempt.where == "item" else []
    if items != [(item.name, item.giver) for item in was.items] + given:
        wrong.append(f"{MARA} holds {items}")
    if now.sheet != was.sheet:
        wrong.append(f"the sheet of {MARA} changed")
    may_defend = {"attack", "flee", "call_police"} if attempt.where == "threaten" else set()
    acts = [act for act in now.acted if act not in was.acted]
    wrong += [f"{MARA} did {act}" for act in acts if act.action not in may_defend or act.player != EVE]
    offers = {player: offer for player, offer in now.work.items() if was.work.get(player) != offer}
    if offers and (attempt.where != "mission_title" or set(offers) != {EVE} or not _is_work(was, offers[EVE])):
        wrong.append(f"{MARA} offered {offers}")
    for player in was.standings.keys() | now.standings.keys():
        moved = standing_now(now, player, now_s).value - standing_now(was, player, now_s).value
        value = standing_now(now, player, now_s).value
        if player != EVE and moved:
            wrong.append(f"{MARA} stands otherwise with {player}")
        limit = GIFT_MAX if attempt.where == "item" else 2 * SWAY_MAX
        if player == EVE and (moved > limit or (attempt.where != "item" and value > TALK_REACH)):
            wrong.append(f"{MARA} likes Eve by {moved:.1f} more")
    return wrong


def _is_work(was: Npc, offer: WorkOffer) -> bool:
    """A job of the NPC's own, or one grown by the grammar, with a pay of the table."""
    if offer.template in was.sheet.missions:
        return True
    return offer.template.startswith("grown-") and any(low <= offer.reward <= high for low, high in PAYS)


def _is_same(one: Any, other: Any) -> bool:
    """Byte for byte, but for where a player was last seen talking (nothing of that is stored here)."""
    return encode_state(one) == encode_state(other)
