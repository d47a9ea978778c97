"""The mission: offered, taken, done by deeds, and paid for once.

The effects of a completed mission leave as messages with the event that completes it: reward and standing to the
player, impact to the factions, a memory to the NPC that gave it. A faction reserves a reward that it pays from the
moment the mission is taken; then it pays the player itself, once, or releases the money.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from msgspec.structs import replace

from ganggpt.domain.described import Senders
from ganggpt.domain.erasure import ForgetPlayer, cease, forget
from ganggpt.domain.ids import ActorId
from ganggpt.domain.language.words import clipped
from ganggpt.domain.messages import (
    Abandon,
    ApplyMissionImpact,
    EndMission,
    FundMission,
    LosePerson,
    MissionOutcome,
    NeedPerson,
    Notify,
    Offer,
    PayReward,
    Progress,
    ReleaseReward,
    ShiftStanding,
    TakeFunding,
    TakeMission,
)
from ganggpt.domain.mind.brief import WHO
from ganggpt.domain.mind.commands import Remember
from ganggpt.domain.mission.replies import AcceptReply, MissionView
from ganggpt.domain.mission.state import (
    OPEN,
    TAKEN,
    Mission,
    MissionAccepted,
    MissionCompleted,
    MissionEvent,
    MissionExpired,
    MissionFailed,
    MissionFunded,
    MissionOffered,
    MissionProgressed,
    deadline_s,
    evolve,
    objectives,
    reward_of,
    view,
)
from ganggpt.domain.mission_design.progress import counted, is_done, wants_of
from ganggpt.domain.numbers import clamped
from ganggpt.domain.turn import Command, Decision, Forget, Kind, Message, Remind, Turn
from ganggpt.domain.world import REWARD_BOUNDS
from ganggpt.errors import AlreadyExists, Refused, UnknownActor, UnknownCommand

__all__ = ["KIND", "Abandon", "Accept", "Expire", "Mission", "Offer", "Progress", "decide", "evolve", "view"]

OFFER_S: Final = 600.0
"""How long an offer stands."""
IMPACT_MAX: Final = 20
_DUE: Final = "due"
"""Name of the one reminder a mission has."""


@dataclass(frozen=True, slots=True)
class Accept(Command, tag="Accept"):
    """The player takes the mission on; its time runs from now."""

    senders: ClassVar[Senders] = Senders.ITS_PLAYER
    reply: ClassVar[Any] = AcceptReply
    refuses: ClassVar[tuple[str, ...]] = ("not_yours", "not_offered", "too_late")


@dataclass(frozen=True, slots=True)
class Expire(Command, tag="Expire"):
    """The time of the offer or of the mission is over."""

    internal: ClassVar[bool] = True


def decide(state: Mission | None, command: Command, turn: Turn) -> Decision:
    """The decision on a command to a mission. Raises UnknownActor, UnknownCommand, AlreadyExists, Refused."""
    if isinstance(command, Offer):
        if state is not None:
            raise AlreadyExists(turn.actor)
        return _offer(command, turn)
    rule = _RULES.get(type(command))
    if rule is None:
        raise UnknownCommand("mission", command.tag)
    if state is None:
        raise UnknownActor(turn.actor)
    return rule(state, command, turn)


def _offer(command: Offer, turn: Turn) -> Decision:
    template = command.sheet or turn.world.missions.get(command.template)
    if template is None:
        raise Refused("unknown_template", f"this world has no mission {command.template!r}")
    due_s = turn.now_s + OFFER_S
    payer = command.payer if command.payer in turn.world.factions else None
    offered = MissionOffered(
        template, command.giver, command.player, turn.now_s, due_s, command.origin, payer, tuple(command.why)
    )
    body = {
        "mission": turn.actor,
        "title": template.title,
        "description": template.description,
        "reward": template.reward,
        "minutes": template.minutes,
        "difficulty": template.difficulty,
        "giver": command.giver,
        "due_s": due_s,
    }
    return Decision(
        (offered,),
        {"offered": turn.actor, "due_s": due_s},
        messages=(Message(ActorId(command.player), Notify("mission.offered", body)),),
        reminders=(Remind(_DUE, due_s, Expire()),),
    )


def _accept(state: Mission, _: Accept, turn: Turn) -> Decision:
    _by_its_player(state, turn)
    if state.status != "offered":
        raise Refused("not_offered", f"the mission is {state.status.replace('_', ' ')}")
    if turn.now_s >= state.due_s:
        raise Refused("too_late", "the offer no longer stands")
    template = state.template
    due_s = turn.now_s + template.minutes * 60.0
    accepted = MissionAccepted(turn.now_s, due_s)
    take = TakeMission(turn.actor, template.title, wants_of(template))
    return Decision(
        (accepted,),
        {"status": "accepted", "due_s": due_s, "objectives": objectives(state), "reward": template.reward},
        messages=(
            Message(ActorId(state.player), take),
            *_asking_for_money(state, due_s, turn),
            *(Message(ActorId(person), NeedPerson(due_s)) for person in _people_of(state)),
        ),
        reminders=(_reminder(evolve(state, accepted)),),
    )


def _asking_for_money(state: Mission, due_s: float, turn: Turn) -> Iterable[Message]:
    """Ask the payer to reserve the reward. The least it may offer is half of it, or the least reward of the
    difficulty."""
    if state.payer is not None:
        reward = state.template.reward
        least = min(reward, max(reward // 2, REWARD_BOUNDS[state.template.difficulty][0]))
        fund = FundMission(turn.actor, state.player, state.giver, reward, least, due_s)
        yield Message(ActorId(f"faction:{state.payer}"), fund)


def _people_of(state: Mission) -> Iterable[str]:
    """The NPCs without whom the mission cannot be done any more."""
    left = (o.target for o, done in zip(state.template.objectives, state.done, strict=True) if done < o.count)
    return sorted({target for target in left if target.startswith("npc:")})


def _lose_person(state: Mission, _: LosePerson, turn: Turn) -> Decision:
    """Somebody left the world. An offer of theirs no longer stands; a mission that was taken is called off where it
    cannot be done without them, which does not count against the player."""
    is_needed = turn.by in _people_of(state)
    if state.status == "offered" and (is_needed or turn.by == state.giver):
        return _ended(state, MissionFailed("withdrawn", turn.now_s), turn)
    if state.status in TAKEN and is_needed:
        return _ended(state, MissionFailed("person_gone", turn.now_s), turn)
    return Decision(reply={"status": state.status})


def _take_funding(state: Mission, command: TakeFunding, turn: Turn) -> Decision:
    """The payer's answer. After the end of the mission it changes nothing, because the payer has been told of the
    end."""
    if state.status not in TAKEN:
        return Decision(reply={"status": state.status})
    if command.dollars == 0:
        return _ended(state, MissionFailed("unfunded", turn.now_s), turn)
    funded = MissionFunded(command.dollars, turn.now_s)
    messages: tuple[Message, ...] = ()
    if command.dollars != state.template.reward:
        body = {"mission": turn.actor, "title": state.template.title, "reward": command.dollars}
        messages = (Message(ActorId(state.player), Notify("mission.reward", body)),)
    return Decision((funded,), {"status": state.status, "reward": command.dollars}, messages)


def _reminder(state: Mission) -> Remind:
    return Remind(_DUE, deadline_s(state), Expire())


def _abandon(state: Mission, _: Abandon, turn: Turn) -> Decision:
    _by_its_player(state, turn)
    if state.status not in OPEN:
        raise Refused("over", f"the mission is {state.status} already")
    reason = "declined" if state.status == "offered" else "abandoned"
    return _ended(state, MissionFailed(reason, turn.now_s), turn)


def _progress(state: Mission, command: Progress, turn: Turn) -> Decision:
    _by_its_player(state, turn)
    if state.status not in TAKEN or turn.now_s >= deadline_s(state):
        return Decision(reply={"status": state.status, "counted": 0})
    done = counted(state.template, state.done, command.deeds)
    if done == state.done:
        return Decision(reply={"status": state.status, "counted": 0})
    progressed = MissionProgressed(done, turn.now_s)
    after = evolve(state, progressed)
    reply = {"status": after.status, "counted": sum(done) - sum(state.done), "objectives": objectives(after)}
    if is_done(after.template, after.done):
        completed = MissionCompleted(turn.now_s)
        messages = (*_rewards(after, turn), *_last_words(after, "completed", "", turn))
        return Decision((progressed, completed), {**reply, "status": "completed"}, messages, reminders=(Forget(_DUE),))
    body = {"mission": turn.actor, "title": state.template.title, "objectives": objectives(after)}
    told = (Message(ActorId(state.player), Notify("mission.progress", body)),)
    later = deadline_s(after) != deadline_s(state)
    return Decision((progressed,), reply, told, reminders=(_reminder(after),) if later else ())


def _expire(state: Mission, _: Expire, turn: Turn) -> Decision:
    if state.status not in OPEN:
        return Decision(reply={"status": state.status})
    if turn.now_s < deadline_s(state):
        # A reminder from before the mission was accepted, or a clock that is a little behind.
        return Decision(reply={"status": state.status}, reminders=(_reminder(state),))
    reason = "not_taken" if state.status == "offered" else "out_of_time" if turn.now_s >= state.due_s else "too_slow"
    return _ended(state, MissionExpired(reason, turn.now_s), turn)


def _rewards(state: Mission, turn: Turn) -> Iterable[Message]:
    """Reward and standings for the player, impact for every faction that the mission concerns."""
    template, player = state.template, ActorId(state.player)
    if state.payer is None:
        yield Message(player, EndMission(turn.actor, "completed", template.reward, template.difficulty))
    else:
        pay = PayReward(turn.actor, state.player, reward_of(state), template.difficulty)
        yield Message(ActorId(f"faction:{state.payer}"), pay)
    frictions: dict[str, dict[str, int]] = {faction: {} for faction in template.impact}
    for pair, delta in template.frictions.items():
        faction, _, other = pair.partition(">")
        frictions.setdefault(faction, {})[other] = _bounded(delta)
    for faction in sorted(frictions):
        standing = _bounded(template.impact.get(faction, 0))
        impact = ApplyMissionImpact(turn.actor, state.player, standing, frictions[faction])
        yield Message(ActorId(f"faction:{faction}"), impact)
        if standing:
            yield Message(player, ShiftStanding(faction, standing, clipped(f'the job "{template.title}"', 200)))


def _ended(state: Mission, event: MissionFailed | MissionExpired, turn: Turn) -> Decision:
    outcome: MissionOutcome = "failed" if isinstance(event, MissionFailed) else "expired"
    told: list[Message] = []
    if state.status in TAKEN:
        difficulty = 0 if event.reason in _NOBODYS_FAULT else state.template.difficulty
        told.append(Message(ActorId(state.player), EndMission(turn.actor, outcome, difficulty=difficulty)))
        if state.payer is not None:
            told.append(Message(ActorId(f"faction:{state.payer}"), ReleaseReward(turn.actor, event.reason)))
    messages = (*told, *_last_words(state, outcome, event.reason, turn))
    return Decision((event,), {"status": outcome, "reason": event.reason}, messages, reminders=(Forget(_DUE),))


_NOBODYS_FAULT: Final = frozenset(("unfunded", "person_gone"))
"""Reasons of an end that say nothing about the player's skill."""
_REMEMBERED: Final[Mapping[str, tuple[str, int]]] = {
    "": ('{who} did the job I gave them, "{title}"', 60),
    "declined": ('{who} did not want the job "{title}"', 12),
    "abandoned": ('{who} gave up on the job "{title}"', 45),
    "out_of_time": ('{who} never finished the job "{title}"', 40),
    "too_slow": ('{who} was too slow for the job "{title}"', 35),
    "person_gone": ('{who} could not finish the job "{title}", because somebody left town', 25),
    "unfunded": ('there was no money to pay {who} for the job "{title}"', 30),
}
"""By reason of the end: what the giver remembers, and its weight. An offer that was not accepted is not remembered."""


def _last_words(state: Mission, outcome: MissionOutcome, reason: str, turn: Turn) -> Iterable[Message]:
    """The notice for the player's screen and the memory for the giver."""
    template = state.template
    body: dict[str, Any] = {"mission": turn.actor, "title": template.title, "outcome": outcome, "giver": state.giver}
    body |= {"reward": reward_of(state)} if outcome == "completed" else {"reason": reason}
    yield Message(ActorId(state.player), Notify(f"mission.{outcome}", body))
    if reason in _REMEMBERED:
        text, weight = _REMEMBERED[reason]
        said = text.format(who=WHO, title=template.title)
        yield Message(ActorId(state.giver), Remember(said, "work", weight, state.player, "witnessed"))


def _forget_player(state: Mission, command: ForgetPlayer, turn: Turn) -> Decision:
    """A mission ceases with its player; what a faction reserved for an open one is released."""
    if command.player != state.player:
        return forget(state, command, turn)
    gone = cease(turn)
    if state.status not in TAKEN or state.payer is None:
        return replace(gone, reminders=(Forget(_DUE),))
    release = Message(ActorId(f"faction:{state.payer}"), ReleaseReward(turn.actor, "erased"))
    return replace(gone, messages=(release,), reminders=(Forget(_DUE),))


def _bounded(delta: int) -> int:
    return int(clamped(delta, -IMPACT_MAX, IMPACT_MAX))


def _by_its_player(state: Mission, turn: Turn) -> None:
    if turn.by != state.player:
        raise Refused("not_yours", f"this mission was offered to {state.player}")


_RULES: Final[Mapping[type[Command], Callable[[Mission, Any, Turn], Decision]]] = {
    ForgetPlayer: _forget_player,
    Accept: _accept,
    TakeFunding: _take_funding,
    LosePerson: _lose_person,
    Abandon: _abandon,
    Progress: _progress,
    Expire: _expire,
}
_COMMANDS: Final[tuple[type[Command], ...]] = (Offer, *_RULES)

KIND: Final = Kind(
    name="mission",
    state=Mission,
    events=MissionEvent,
    commands={command.tag: command for command in _COMMANDS},
    decide=decide,
    evolve=evolve,
    view=view,
    shows=MissionView,
)
