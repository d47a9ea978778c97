"""Several actors played together, for rules that span kinds: messages arrive in order, reminders when time passes."""

from __future__ import annotations

from collections import deque
from typing import Any

from ganggpt.domain.companion import rules as companion
from ganggpt.domain.faction import rules as faction
from ganggpt.domain.faction.rules import Found
from ganggpt.domain.ids import kind_of
from ganggpt.domain.kinds import (
    KINDS,
)
from ganggpt.domain.messages import Offer
from ganggpt.domain.mission import rules as mission
from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.commands import AskForWork, Spawn, Talk
from ganggpt.domain.player import rules as player
from ganggpt.domain.player.rules import Join, Report
from ganggpt.domain.turn import Decision, Kind, Message, Push, Remind
from ganggpt.domain.world import FactionSheet, World
from ganggpt.errors import GangGPTError, UnknownActor
from tests.support.builders import NOW_S, WORLD, Played, an_npc_sheet


class Town:
    """Actors of the given kinds by id. Messages to other kinds are kept in ``undelivered``; refusals in ``refused``."""

    def __init__(self, *kinds: Kind, world: World = WORLD) -> None:
        self.kinds = {kind.name: kind for kind in kinds}
        self.world = world
        self.now_s = NOW_S
        self.actors: dict[str, Played] = {}
        self.undelivered: list[Message] = []
        self.refused: list[tuple[Message, GangGPTError]] = []
        self.pushes: list[Push] = []
        self.due: dict[tuple[str, str], Remind] = {}

    def __getitem__(self, actor: str) -> Any:
        """The state of an actor."""
        return self.actors[actor].state

    def do(self, actor: str, command: Any, by: str) -> Decision:
        """One command, and every message that follows from it."""
        messages: deque[tuple[str, Message]] = deque()
        decision = self._turn(actor, command, by, messages)
        while messages:
            sender, message = messages.popleft()
            if kind_of(message.to) not in self.kinds:
                self.undelivered.append(message)
                continue
            try:
                self._turn(message.to, message.command, sender, messages)
            except GangGPTError as error:
                self.refused.append((message, error))
        return decision

    def wait(self, seconds: float) -> None:
        """Let time pass and fire what falls due, in its order."""
        until_s = self.now_s + seconds
        while self.due:
            key, reminder = min(self.due.items(), key=lambda item: (item[1].due_s, item[0]))
            if reminder.due_s > until_s:
                break
            del self.due[key]
            self.now_s = max(self.now_s, reminder.due_s)
            self.do(key[0], reminder.command, key[0])
        self.now_s = until_s

    def found_all(self) -> None:
        """Bring the world's factions to life."""
        for sheet in self.world.factions.values():
            self.do(f"faction:{sheet.id}", found(sheet), "server:main")

    def view(self, actor: str) -> dict[str, Any]:
        """What a read shows."""
        return self.actors[actor].kind.view(self[actor], self.now_s)

    def _turn(self, actor: str, command: Any, by: str, messages: deque[tuple[str, Message]]) -> Decision:
        played = self.actors.get(actor)
        if played is None:
            if not type(command).creates:
                raise UnknownActor(actor)
            played = self.actors[actor] = Played(self.kinds[kind_of(actor)], actor, world=self.world)
        played.now_s = self.now_s
        decision: Decision = played.do(command, by)
        messages.extend((actor, message) for message in decision.messages)
        self.pushes.extend(decision.pushes)
        for reminder in decision.reminders:
            if isinstance(reminder, Remind):
                self.due[actor, reminder.name] = reminder
            else:
                self.due.pop((actor, reminder.name), None)
        return decision


def found(sheet: FactionSheet) -> Found:
    """The command that brings a faction of the world to life."""
    return Found(**{name: getattr(sheet, name) for name in sheet.__struct_fields__ if name != "id"})


AVA, MARA, MAIN, HARBOUR = "player:ava", "npc:mara", "server:main", "faction:harbour"


def a_town(world: World = WORLD) -> Town:
    """All kinds but without politics, so that only missions move money."""
    town = Town(faction.KIND, mission.KIND, player.KIND, npc.KIND, world=world)
    town.found_all()
    town.due.clear()
    sheet = an_npc_sheet()
    town.do(MARA, Spawn(**{n: getattr(sheet, n) for n in sheet.__struct_fields__ if n != "id"}), MAIN)
    town.do(AVA, Join(username="Ava", server="main"), MAIN)
    return town


def offered(town: Town, ref: str = "mission:m1", payer: str | None = "harbour") -> str:
    town.do(ref, Offer("parcel", MARA, AVA, payer=payer), MARA)
    return ref


AVA, MARA, MAIN = "player:ava", "npc:mara", "server:main"


def a_played_town() -> Town:
    """Every kind, with a bit of everything behind them."""
    town = Town(*KINDS.values())
    town.found_all()
    sheet = an_npc_sheet()
    spawn = {name: getattr(sheet, name) for name in sheet.__struct_fields__ if name != "id"}
    town.do(MARA, Spawn(**spawn), MAIN)
    town.do(AVA, Join(username="Ava", server="main", email="ava@stone.org"), MAIN)
    town.do(MARA, Talk("I will pay you back, I swear on my brother's grave", "Ava"), AVA)
    town.do(MARA, AskForWork("Ava"), AVA)
    town.do("companion:rex", companion.Recruit(AVA, "Rex", "dog", {"courage": 80}), AVA)
    town.do("companion:rex", companion.Talk("Good boy, you saved my life today"), AVA)
    town.do("mission:m1", Offer("parcel", MARA, AVA), MARA)
    town.do("mission:m1", mission.Accept(), AVA)
    town.do(AVA, Report((1.0, 2.5, -3.0), "docks", (Deed("deliver", "parcel", "hills"),)), MAIN)
    town.do("mission:m2", Offer("parcel", MARA, AVA), MARA)
    town.do("mission:m2", mission.Abandon(), AVA)
    town.do("faction:harbour", faction.ClaimTerritory("market"), MAIN)
    town.wait(3 * 3600)
    assert not town.refused
    return town
