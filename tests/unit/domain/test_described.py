"""Replies, pushes and reads are as they are described, and whoever may not send a command is refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec.structs import replace

from ganggpt.domain.companion.commands import (
    Dismiss,
    GainExperience,
    Order,
    Recruit,
    Suffer,
)
from ganggpt.domain.companion.commands import Talk as TalkToCompanion
from ganggpt.domain.described import Senders
from ganggpt.domain.faction.life import Revise as ReviseFaction
from ganggpt.domain.faction.moves import ListMoves, MakeMove
from ganggpt.domain.faction.rules import ClaimTerritory, Found
from ganggpt.domain.kinds import KINDS
from ganggpt.domain.messages import Abandon, HearOfMissionFunds, Offer, ShiftRelation, ShiftStanding
from ganggpt.domain.mind.commands import Hush, Recollect
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mission.rules import Accept
from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.npc.commands import (
    AskForWork,
    Give,
    Observe,
    OutlineWork,
    ProposeMission,
    Spawn,
    Talk,
    Threaten,
)
from ganggpt.domain.npc.commands import Revise as ReviseNpc
from ganggpt.domain.player.rules import Join, Quit, Report
from ganggpt.domain.push_bodies import PUSHES
from ganggpt.domain.retirement import Retire
from ganggpt.domain.sheets import FactionTraits, NpcTraits
from ganggpt.domain.turn import Command, Decision
from ganggpt.errors import GangGPTError, Refused
from ganggpt.protocol.examples import EXAMPLES
from tests.support.described import unlike
from tests.support.shipped_town import answered_by_a_model, as_read, shipped_town, with_a_model
from tests.support.town import Town

BOB, EVE = "player:license:1a2b", "player:char1:3c4d"
HERE, THERE = "server:one", "server:two"
MARA, REX, BALLAS = "npc:mara", "companion:rex", "faction:ballas"
NATURE: NpcTraits = {"friendliness": 50, "temper": 50, "greed": 50, "courage": 50}
TRAITS: FactionTraits = {"aggression": 50, "greed": 50, "loyalty": 50, "cunning": 50}
PUBLIC = [(kind, c) for kind in KINDS.values() for c in kind.commands.values() if not c.internal]


class Watched:
    """A town whose replies, pushes and reads are compared with what is said about them."""

    def __init__(self) -> None:
        self.town = shipped_town()
        self.replied: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[tuple[str, str, str]] = Counter()
        self.wrong: list[Any] = []

    def do(self, to: str, command: Command, by: str) -> Decision | None:
        kind = to.partition(":")[0]
        try:
            decision = self.town.do(to, command, by)
        except Refused as refused:
            self.refused[kind, command.tag, refused.reason] += 1
            if refused.reason not in command.refuses and not command.internal:
                self.wrong.append((command, refused.reason))
            return None
        except GangGPTError:
            return None
        if command.internal:
            return decision
        self.replied[kind, command.tag] += 1
        self.wrong += [(kind, command.tag, bad) for bad in unlike(type(command).reply, decision.reply)]
        return decision

    def check(self) -> Counter[str]:
        """Compare the pushes so far and every read; returns how often each push came."""
        for push in self.town.pushes:
            self.wrong += [(push.type, bad) for bad in unlike(PUSHES[push.type].body, push.body)]
            assert PUSHES[push.type].to_all == (push.server == "*")
        for actor, played in self.town.actors.items():
            if played.state is not None:
                self.wrong += [(actor, bad) for bad in unlike(played.kind.shows, self.town.view(actor))]
        assert self.wrong == []
        return Counter(push.type for push in self.town.pushes)


def a_proposal(**more: Any) -> ProposeMission:
    shown = next(example.arguments for example in EXAMPLES if example.do == "ProposeMission")
    read = as_read(MARA, "ProposeMission", {**shown, "player": BOB, **more})
    assert isinstance(read, ProposeMission)
    return read


def begun() -> Watched:
    seen = Watched()
    seen.do(BOB, Join("Bob", "one"), HERE)
    seen.do(REX, Recruit(BOB, "Rex", "bodyguard", {"courage": 90, "loyalty": 10, "greed": 90}), BOB)
    return seen


def an_offer(seen: Watched, giver: str = MARA, player: str = BOB) -> str:
    decision = seen.do(giver, AskForWork("Bob"), player)
    assert decision is not None
    return str(decision.reply["mission"])


def deeds_for(town: Town, mission: str) -> tuple[Deed, ...]:
    return tuple(Deed(o["verb"], o["target"], o["district"], o["count"]) for o in town.view(mission)["objectives"])


def missions(seen: Watched) -> None:
    done, gone, left = an_offer(seen), an_offer(seen, "npc:tobias"), an_offer(seen, "npc:jonelle")
    seen.do(done, Accept(), BOB)
    for deed in deeds_for(seen.town, done):
        seen.do(BOB, Report((1.0, 2.0, 3.0), deed.district, (deed,)), HERE)
    seen.do(gone, Accept(), BOB)
    seen.do(gone, Abandon(), BOB)
    seen.do("mission:three", Offer("cold-envelope", MARA, BOB), MARA)
    seen.do("mission:three", Accept(), BOB)
    for deed in deeds_for(seen.town, "mission:three"):
        seen.do(BOB, Report(None, deed.district, (deed,)), HERE)
    seen.town.wait(700)
    assert seen.town.view(left)["status"] == "expired"
    for number in range(10):
        seen.do(f"mission:m{number}", Offer("late-rent", MARA, BOB), MARA)
        seen.do(f"mission:m{number}", Accept(), BOB)
    seen.do(MARA, OutlineWork(BOB, 2), HERE)
    seen.do(MARA, a_proposal(), HERE)
    seen.do(MARA, a_proposal(origin="model"), HERE)
    seen.do("npc:tobias", a_proposal(title="x" * 90, reward=1), HERE)
    seen.do(BOB, ShiftStanding("ballas", 20, "a favour"), BALLAS)


def paid_less(seen: Watched) -> None:
    """A mission whose payer has less than it promised."""
    mission = "mission:poor"
    seen.do(mission, Offer("late-rent", MARA, EVE, payer="ballas"), MARA)
    reward = seen.town.view(mission)["reward"]
    seen.town.actors[BALLAS].state = replace(seen.town[BALLAS], treasury=int(reward * 0.7) * 10)
    seen.do(EVE, Join("Eve", "two"), THERE)
    seen.do(mission, Accept(), EVE)


def talks(seen: Watched) -> None:
    for actor, talk in ((MARA, Talk), (REX, TalkToCompanion)):
        with_a_model(seen.town, actor)
        for _ in range(3):
            seen.do(MARA, Give("an old watch", 5_000, "Bob"), BOB)
        asked = seen.do(actor, talk("Come with me, I know a place where we can talk", "Bob"), BOB)
        assert asked is not None
        answered_by_a_model(seen.town, actor, asked, ("follow", ""), ("offer_mission", ""))
        seen.do(actor, talk("And what do you think of the Ansel Nine these days?", "Bob"), BOB)
        seen.do(actor, Hush(), BOB)
        seen.do(actor, Hush(), HERE)
        kept = Memory(1, "note", "Bob once sank a boat", 60, BOB, "witnessed", seen.town.now_s)
        seen.do(actor, Recollect("the boat", BOB, seen.town.now_s, ((kept, 1.0),)), actor)
    asked = seen.do(MARA, Talk("Would you give me the silver watch?", "Bob"), BOB)
    assert asked is not None
    seen.do(MARA, Give("a silver ring", 90, "Eve"), EVE)
    answered_by_a_model(seen.town, MARA, asked, ("give", "a silver ring"))


def a_companion_lost(seen: Watched) -> None:
    for _ in range(40):
        seen.do(REX, Suffer(100, "left to die"), HERE)
        seen.town.wait(20_000)
    assert seen.town.view(REX)["fate"]["gone"]
    seen.do("companion:max", Recruit(BOB, "Max", "driver", {"loyalty": 90}), BOB)
    for _ in range(40):
        seen.do("companion:max", Suffer(100, "left to die"), HERE)
        seen.town.wait(20_000)
    seen.do("companion:sam", Recruit(BOB, "Sam", "thief", {}), BOB)
    seen.do("companion:sam", GainExperience(900, "a heist"), HERE)
    seen.do("companion:sam", Order("pick_lock", "the door"), BOB)
    seen.do("companion:sam", Dismiss(), BOB)
    seen.do("companion:sam", Recruit(EVE, "Sam", "thief", {}), EVE)


def politics(seen: Watched) -> None:
    for faction in ("ballas", "ansel-nine"):
        actor = f"faction:{faction}"
        outlook = seen.do(actor, ListMoves(), HERE)
        assert outlook is not None
        best = outlook.reply["moves"][0]
        seen.do(actor, MakeMove(best["move"], best["other"], best["district"], "Enough."), HERE)
    seen.do(BALLAS, ShiftRelation("ansel-nine", -30, "a fight"), HERE)
    seen.town.wait(6 * 3600)
    for faction in seen.town.world.factions:
        for name in ("war", "expand"):
            outlook = seen.do(f"faction:{faction}", ListMoves(), HERE)
            assert outlook is not None
            for move in outlook.reply["moves"]:
                if move["move"] == name:
                    seen.do(f"faction:{faction}", MakeMove(name, move["other"], move["district"]), HERE)
    for district in seen.town.world.districts:
        seen.do(BALLAS, ClaimTerritory(district), HERE)
    home = next(iter(seen.town.world.districts))
    seen.do("faction:new", Found("New", "gang", "we are new", home, TRAITS), HERE)


def test_replies_pushes_and_reads_are_as_they_are_described() -> None:
    seen = begun()
    missions(seen)
    paid_less(seen)
    talks(seen)
    a_companion_lost(seen)
    politics(seen)
    seen.do(BOB, Quit(), HERE)
    seen.do(MARA, Observe("a car drives by", 30), HERE)
    seen.do("npc:new", Spawn("New", "guard", "ballast-row", None, NATURE, "street"), HERE)
    seen.do(MARA, Threaten("Run."), BOB)
    comings_and_goings(seen)
    pushed = seen.check()
    never = set(PUSHES) - set(pushed)
    assert never == set()
    unsent = {(kind.name, c.tag) for kind, c in PUBLIC} - set(seen.replied)
    assert unsent == set()


def comings_and_goings(seen: Watched) -> None:
    """People and factions that change, leave and come back."""
    for actor, revised, back in (
        ("npc:new", ReviseNpc(role="porter"), Spawn("New", "guard", "ballast-row", None, NATURE, "street")),
        ("faction:new", ReviseFaction(motto="we were"), Found("New", "gang", "back", "ballast-row", TRAITS)),
    ):
        seen.do(actor, revised, HERE)
        seen.do(actor, Retire("a holiday"), HERE)
        seen.check()
        seen.do(actor, back, HERE)


def refused_by_who_left(seen: Watched) -> None:
    for by_a_player in (ReviseNpc(role="x"), Retire()):
        seen.do(MARA, by_a_player, BOB)
    for by_a_player in (ReviseFaction(motto="x"), Retire()):
        seen.do(BALLAS, by_a_player, BOB)
    seen.do(MARA, Retire(), HERE)
    for by in (Talk("hi"), Give("ring"), Threaten(), AskForWork()):
        seen.do(MARA, by, BOB)
    for by in (Observe("a car", 10), OutlineWork(BOB), a_proposal()):
        seen.do(MARA, by, HERE)
    seen.do(BALLAS, Retire(), HERE)
    for wanted in (ListMoves(), MakeMove("rest"), ShiftRelation("corvino", 1, "x"), ClaimTerritory("ballast-row")):
        seen.do(BALLAS, wanted, HERE)


def refused_npcs(seen: Watched) -> None:
    row = "ballast-row"
    for by_a_player in (Spawn("X", "x", row, None, NATURE, "street"), OutlineWork(BOB), a_proposal()):
        seen.do("npc:x" if isinstance(by_a_player, Spawn) else MARA, by_a_player, BOB)
    for by_a_server in (Talk("hi"), Give("ring"), Threaten(), AskForWork()):
        seen.do(MARA, by_a_server, HERE)
    seen.do(MARA, a_proposal(asked_s=seen.town.now_s - 3600), HERE)
    seen.do("npc:idle", Spawn("Idle", "nobody", row, "ballas", NATURE, "street"), HERE)
    seen.do("npc:idle", HearOfMissionFunds(20), BALLAS)
    nothing = [{"verb": "deliver", "target": "no-such-thing", "district": row}]
    for or_template in (True, False):
        seen.do("npc:idle", a_proposal(objectives=nothing, or_template=or_template), HERE)


def refused_factions(seen: Watched) -> None:
    row, away = "ballast-row", "harrow-green"
    seen.do("faction:x", Found("X", "gang", "x", row, TRAITS), BOB)
    for by_a_player in (ShiftRelation("corvino", 1, "x"), ClaimTerritory(row), ListMoves(), MakeMove("rest")):
        seen.do(BALLAS, by_a_player, BOB)
    seen.do("faction:y", Found("Y", "gang", "y", row, TRAITS, (row,)), HERE)
    for unknown in (ShiftRelation("ballas", 1, "x"), ShiftRelation("nobody", 1, "x"), ClaimTerritory("nowhere")):
        seen.do(BALLAS, unknown, HERE)
    seen.do(BALLAS, ClaimTerritory(away), HERE)
    ballas, near = seen.town.actors[BALLAS], next(iter(seen.town.world.districts[row].neighbours))
    rich, ballas.state = ballas.state, replace(ballas.state, treasury=0)
    seen.do(BALLAS, ClaimTerritory(near), HERE)
    ballas.state = replace(rich, territories=dict.fromkeys(map(str, range(200)), 0.0))
    seen.do(BALLAS, ClaimTerritory(near), HERE)
    ballas.state = rich
    for move in (MakeMove("rest", for_turn=99), MakeMove("war", "nobody"), MakeMove("rest"), MakeMove("rest")):
        seen.do(BALLAS, move, HERE)


def refused_companions(seen: Watched) -> None:
    seen.do("companion:y", Recruit(BOB, "Y", "driver", {}), EVE)
    seen.do(REX, TalkToCompanion("hi"), HERE)
    seen.do(REX, Suffer(1, "x"), BOB)
    for not_theirs in (Order("wait"), GainExperience(1, "x"), Dismiss()):
        seen.do(REX, not_theirs, EVE)
    for _ in range(30):
        seen.do(REX, Suffer(100, "x"), HERE)
        seen.town.wait(20_000)
    for gone in (Order("wait"), GainExperience(1, "x"), Dismiss()):
        seen.do(REX, gone, BOB)
    seen.do(REX, Recruit(BOB, "Rex", "bodyguard", {}), BOB)


def refused_missions(seen: Watched) -> None:
    offer = an_offer(seen)
    for not_theirs in (Accept(), Abandon()):
        seen.do(offer, not_theirs, EVE)
    for again in (Accept(), Accept(), Abandon(), Abandon()):
        seen.do(offer, again, BOB)
    late = seen.town.actors[an_offer(seen, "npc:jonelle")]
    late.state = replace(late.state, due_s=seen.town.now_s - 1)
    seen.do(late.actor, Accept(), BOB)


def refused_players(seen: Watched) -> None:
    seen.do(BOB, Join("Bob", "one"), EVE)
    for command in (Quit(), Report()):
        seen.do(BOB, command, EVE)
        seen.do(BOB, command, THERE)
    seen.do(BOB, Report(district="nowhere"), HERE)
    seen.do(BOB, Quit(), HERE)
    for command in (Quit(), Report()):
        seen.do(BOB, command, HERE)


def test_every_reason_can_be_met() -> None:
    """A reason that nothing provokes would be listed for nothing."""
    seen = begun()
    for provoke in (
        refused_npcs,
        refused_factions,
        refused_missions,
        refused_companions,
        refused_players,
        refused_by_who_left,
    ):
        provoke(seen)
    assert seen.wrong == []
    met = set(seen.refused) | {("player", "Join", "name_taken")}
    assert {(kind.name, c.tag, reason) for kind, c in PUBLIC for reason in c.refuses} - met == set()


_WHO = {"not_allowed", "not_a_player", "not_yours", "not_owner", "other_server"}
_MAY = {
    Senders.ANYBODY: {BOB, EVE, HERE, THERE},
    Senders.PLAYER: {BOB, EVE},
    Senders.SERVER: {HERE, THERE},
    Senders.THEMSELVES: {BOB, HERE, THERE},
    Senders.THEIR_SERVER: {BOB, HERE},
    Senders.FOR_THEMSELVES: {BOB, HERE, THERE},
    Senders.OWNER: {BOB},
    Senders.OWNER_OR_SERVER: {BOB, HERE, THERE},
    Senders.ITS_PLAYER: {BOB},
}
"""By who may send a command that is Bob's: of these four, who is not turned away for who they are."""


def test_whoever_may_not_send_a_command_is_turned_away_and_nobody_else() -> None:
    for sender in (BOB, EVE, HERE, THERE):
        seen = begun()
        ids = {"player": BOB, "npc": MARA, "companion": REX, "faction": BALLAS, "mission": an_offer(seen)}
        for kind, command in PUBLIC:
            example = next(e for e in EXAMPLES if e.do == command.tag and e.to.startswith(f"{kind.name}:"))
            arguments = {k: BOB if k in ("player", "owner", "about") else v for k, v in example.arguments.items()}
            to = f"{kind.name}:fresh" if command.creates and not command.again else ids[kind.name]
            before = set(seen.refused)
            if command is Quit:
                seen.do(BOB, Join("Bob", "one"), HERE)
            seen.do(to, as_read(to, command.tag, arguments), sender)
            turned_away = any(reason in _WHO for _, _, reason in set(seen.refused) - before)
            assert turned_away == (sender not in _MAY[command.senders]), (sender, command)
