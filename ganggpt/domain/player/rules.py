"""The player: profile and session, what game servers report, the missions they took, their standing with factions.

Cash comes only from rewards of missions that the player took.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from ganggpt.domain.described import Senders
from ganggpt.domain.erasure import ForgetPlayer, cease, forget
from ganggpt.domain.fields import (
    Email,
    Place,
    ServerName,
    Slug,
    Username,
)
from ganggpt.domain.ids import ActorId
from ganggpt.domain.messages import (
    Abandon,
    EndMission,
    HearOfRecord,
    Notify,
    Progress,
    ShiftStanding,
    ShowRecord,
    TakeMission,
)
from ganggpt.domain.mind.affect import standing_label, stepped
from ganggpt.domain.mission_design.deeds import Deed, Deeds16, wanted
from ganggpt.domain.player.replies import JoinReply, PlayerView, QuitReply, ReportReply
from ganggpt.domain.player.state import (
    ACTIVE_MAX,
    STANDINGS_MAX,
    Joined,
    Left,
    MissionEnded,
    MissionTaken,
    Player,
    PlayerEvent,
    Reported,
    StandingShifted,
    evolve,
    scene_now,
    standing_now,
    view,
)
from ganggpt.domain.player.witnesses import seen_by
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.turn import (
    Command,
    Decision,
    Kind,
    Message,
    Push,
    Turn,
)
from ganggpt.errors import Refused, UnknownActor, UnknownCommand

__all__ = [
    "KIND",
    "Deed",
    "EndMission",
    "Join",
    "Notify",
    "Player",
    "Quit",
    "Report",
    "ShiftStanding",
    "TakeMission",
    "decide",
    "evolve",
    "view",
]


@dataclass(frozen=True, slots=True)
class Join(Command, tag="Join"):
    """A player comes online on a game server; a session that is still open ends where it was last heard of."""

    username: Username
    server: ServerName
    email: Email | None = None
    creates: ClassVar[bool] = True
    again: ClassVar[bool] = True
    senders: ClassVar[Senders] = Senders.THEMSELVES
    reply: ClassVar[Any] = JoinReply
    refuses: ClassVar[tuple[str, ...]] = ("not_yours", "name_taken")


@dataclass(frozen=True, slots=True)
class Quit(Command, tag="Quit"):
    """The player leaves the game server."""

    senders: ClassVar[Senders] = Senders.THEIR_SERVER
    reply: ClassVar[Any] = QuitReply
    refuses: ClassVar[tuple[str, ...]] = ("not_yours", "offline", "other_server")


@dataclass(frozen=True, slots=True)
class Report(Command, tag="Report"):
    """Where a player is and what they did since the last report. ``scene``: what is around them, which goes with the
    deeds into the memory of whoever sees them. Durable only where it has deeds."""

    position: Place | None = None
    district: Slug | None = None
    deeds: Deeds16 = ()
    scene: TalkScene | None = None
    senders: ClassVar[Senders] = Senders.THEIR_SERVER
    reply: ClassVar[Any] = ReportReply
    refuses: ClassVar[tuple[str, ...]] = ("not_yours", "offline", "other_server", "unknown_district")

    def is_durable(self) -> bool:
        return bool(self.deeds)


def decide(state: Player | None, command: Command, turn: Turn) -> Decision:
    """The decision on a command to a player. Raises UnknownActor, UnknownCommand, Refused."""
    if isinstance(command, Join):
        return _join(state, command, turn)
    rule = _RULES.get(type(command))
    if rule is None:
        raise UnknownCommand("player", command.tag)
    if state is None:
        raise UnknownActor(turn.actor)
    return rule(state, command, turn)


def _join(state: Player | None, command: Join, turn: Turn) -> Decision:
    _own_or_server(turn)
    played_s = 0.0
    if state is not None and state.server is not None:
        played_s = max(0.0, state.seen_s - state.online_since_s)
    joined = Joined(command.username, command.email, command.server, played_s, turn.now_s)
    after = evolve(state, joined)
    reply = {
        "player": turn.actor,
        "new": state is None,
        "cash": after.cash,
        "missions": list(after.active),
        "playtime_s": round(after.playtime_s, 1),
    }
    return Decision((joined,), reply)


def _quit(state: Player, _: Quit, turn: Turn) -> Decision:
    _in_session(state, turn)
    left = Left(max(0.0, turn.now_s - state.online_since_s), turn.now_s)
    return Decision((left,), {"playtime_s": round(state.playtime_s + left.played_s, 1)})


def _report(state: Player, command: Report, turn: Turn) -> Decision:
    _in_session(state, turn)
    if command.district is not None and command.district not in turn.world.districts:
        raise Refused("unknown_district", f"this world has no district {command.district!r}")
    scene = command.scene
    if command.position is None and command.district is None and scene is None and not command.deeds:
        return Decision(reply={"counts_for": []})
    messages: list[Message] = []
    for mission, active in state.active.items() if command.deeds else ():
        done = wanted(command.deeds, active.wants)
        if done:
            messages.append(Message(ActorId(mission), Progress(done)))
    around = scene if scene is not None else scene_now(state, turn.now_s)
    messages += seen_by(command.deeds, command.district or state.district, turn, around)
    reported = Reported(command.position, command.district, command.deeds, turn.now_s, scene)
    counts_for = [message.to for message in messages if message.to.startswith("mission:")]
    return Decision((reported,), {"counts_for": counts_for}, tuple(messages))


def _take_mission(state: Player, command: TakeMission, turn: Turn) -> Decision:
    if command.mission in state.active:
        return Decision(reply={"taken": True})
    if len(state.active) >= ACTIVE_MAX:
        body = {"player": turn.actor, "mission": command.mission, "title": command.title, "limit": ACTIVE_MAX}
        return Decision(
            reply={"taken": False},
            messages=(Message(ActorId(command.mission), Abandon()),),
            pushes=_to_screen(state, "mission.too_many", body),
        )
    taken = MissionTaken(command.mission, command.title, command.wants, turn.now_s)
    return Decision((taken,), {"taken": True})


def _end_mission(state: Player, command: EndMission, turn: Turn) -> Decision:
    if command.mission not in state.active:
        return Decision(reply={"ended": False, "cash": state.cash})
    reward = command.reward if command.outcome == "completed" else 0
    ended = MissionEnded(command.mission, command.outcome, reward, turn.now_s, command.difficulty)
    return Decision((ended,), {"ended": True, "cash": state.cash + reward})


def _shift_standing(state: Player, command: ShiftStanding, turn: Turn) -> Decision:
    faction = command.faction
    if faction not in turn.world.factions:
        raise Refused("unknown_faction", f"this world has no faction {faction!r}")
    if faction not in state.standings and len(state.standings) >= STANDINGS_MAX:
        raise Refused("too_many", f"a player stands with at most {STANDINGS_MAX} factions")
    before = standing_now(state, faction, turn.now_s)
    applied = stepped(before, float(command.delta)) - before
    if applied == 0.0:
        return Decision(reply={"standing": round(before, 1)})
    after = before + applied
    pushes: tuple[Push, ...] = ()
    if standing_label(before) != standing_label(after):
        body = {"faction": faction, "from": round(before, 1), "to": round(after, 1), "label": standing_label(after)}
        pushes = _to_screen(state, "player.standing", {**body, "cause": command.cause, "player": turn.actor})
    shifted = StandingShifted(faction, applied, command.cause, turn.now_s)
    return Decision((shifted,), {"standing": round(after, 1)}, pushes=pushes)


def _show_record(state: Player, _: ShowRecord, turn: Turn) -> Decision:
    """Tell an NPC who has work how good the player is at jobs."""
    if not turn.by.startswith("npc:"):
        raise Refused("not_a_person", f"only people ask for a record, not {turn.by!r}")
    skill = round(state.skill)
    return Decision(reply={"skill": skill}, messages=(Message(ActorId(turn.by), HearOfRecord(turn.actor, skill)),))


def _notify(state: Player, command: Notify, turn: Turn) -> Decision:
    body = {"player": turn.actor, **command.body}
    return Decision(reply={"shown": state.server is not None}, pushes=_to_screen(state, command.type, body))


def _forget_player(state: Player, command: ForgetPlayer, turn: Turn) -> Decision:
    return cease(turn) if command.player == turn.actor else forget(state, command, turn)


def _to_screen(state: Player, type: str, body: Mapping[str, Any]) -> tuple[Push, ...]:  # noqa: A002
    return () if state.server is None else (Push(state.server, type, body),)


def _in_session(state: Player, turn: Turn) -> None:
    """Raises Refused where the player is offline, or the command comes from another game server."""
    _own_or_server(turn)
    if state.server is None:
        raise Refused("offline", f"{state.username} is not online; send Join first")
    if turn.by.startswith("server:") and turn.by != f"server:{state.server}":
        raise Refused("other_server", f"{state.username} is on game server {state.server}")


def _own_or_server(turn: Turn) -> None:
    if turn.by.startswith("player:") and turn.by != turn.actor:
        raise Refused("not_yours", f"{turn.by} does not speak for {turn.actor}")


_RULES: Final[Mapping[type[Command], Callable[[Player, Any, Turn], Decision]]] = {
    ForgetPlayer: _forget_player,
    Quit: _quit,
    Report: _report,
    TakeMission: _take_mission,
    EndMission: _end_mission,
    ShiftStanding: _shift_standing,
    ShowRecord: _show_record,
    Notify: _notify,
}
_COMMANDS: Final[tuple[type[Command], ...]] = (Join, *_RULES)

KIND: Final = Kind(
    name="player",
    state=Player,
    events=PlayerEvent,
    commands={command.tag: command for command in _COMMANDS},
    decide=decide,
    evolve=evolve,
    view=view,
    shows=PlayerView,
)
