"""Replays an utterance: the same state, the same line, the same dice, and the recorded answer of the model.

Everything of ours runs again: the rules of that turn, the prompt from today's files, the ladder over the recorded
exchanges, the guards on every sentence, the rules on every action. Whatever comes out differently is listed, so the
list says what has changed since.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ganggpt.actors.host.turn_runner import dice_of
from ganggpt.ai.gateway.recording import ModelExchange
from ganggpt.ai.gateway.replay_gateway import replaying_gateway
from ganggpt.ai.guards.output import Blocked
from ganggpt.ai.guards.utterance_guard import UtteranceGuard
from ganggpt.ai.minds.model import (
    MindSpec,
    ModelMind,
    guard_of,
    provenance_of,
    talk_prompt,
)
from ganggpt.ai.minds.prompt import MARK_CHARS
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.companion.state import (
    Companion,
    CompanionSpoke,
    OrderObeyed,
    OrderRefused,
)
from ganggpt.domain.ids import kind_of
from ganggpt.domain.kinds import kind_for
from ganggpt.domain.mind.commands import (
    Conclude,
    Hush,
    SayScripted,
    Utter,
)
from ganggpt.domain.mind.utterance import Provenance, ProvenanceRecorded, TalkBrief
from ganggpt.domain.npc.commands import (
    AskForWork,
    Give,
    Talk,
    Threaten,
)
from ganggpt.domain.npc.events import ItemReceived, Spoke, Swayed
from ganggpt.domain.npc.state import Npc
from ganggpt.domain.turn import (
    Command,
    Decision,
    ModelRequest,
    Turn,
)
from ganggpt.domain.world import World
from ganggpt.errors import GangGPTError
from ganggpt.operations.explain import as_spoke
from ganggpt.operations.utterance_story import Story

Verdict = Literal["same", "different", "unproven"]
By = Literal["scripted mind", "model", "nobody"]

NO_STATE: Final = (
    "neither the journal nor a snapshot reaches back to the state before it, so the prompt and the rules cannot be run "
    "again (GANGGPT_JOURNAL_DAYS keeps more)"
)
NOT_RECORDED: Final = (
    "the model's answer was not recorded: set GANGGPT_AI_RECORD_DAYS above 0 to keep what models are asked and say; "
    "what it said then was guarded again instead"
)
FROM_CACHE: Final = "the answer came out of the cache; what it said then was guarded again instead"
REFUSED_WORDS: Final = "the words a guard refused are not kept, so the guard is not asked again"
REWRITTEN: Final = (
    "a player was forgotten here since, and what was theirs is blank in the journal: the state before it may be another"
)
BROKEN_OFF: Final = "it was broken off, and the request to the model taken back: there is no whole answer to say again"


CHANGES_MAX: Final = 60
"""Changed lines of a prompt that are shown."""
_MARK: Final = re.compile(rf"\b[0-9a-f]{{{MARK_CHARS}}}\b")


class Side(Struct, frozen=True, kw_only=True):
    """An utterance as it was or is now: the words, the act, and what led to them."""

    said: str
    act: str
    sentences: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    actions: tuple[tuple[str, str], ...] = ()
    memories: tuple[tuple[int, float], ...] = ()
    prompt_hash: str = ""
    prompt: str = ""


class Difference(Struct, frozen=True):
    """A difference: what differs, how it was and how it is."""

    what: str
    then: str
    now: str


class UtteranceReplay(Struct, frozen=True, kw_only=True):
    """An utterance then and now. ``by``: who found the words. ``prompt_changes``: lines of the prompt that went
    (``-``) and came (``+``). ``notes``: what could not be run again, and why."""

    utterance: str
    player: str
    heard: str
    by: By
    then: Side
    now: Side | None
    differences: tuple[Difference, ...] = ()
    prompt_changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """``unproven``: nothing differs, but not everything could be run again."""
        return "different" if self.differences else "unproven" if self.notes or self.now is None else "same"

    def to_reply(self) -> dict[str, Any]:
        """For programs, by the names of the fields."""
        return {**msgspec.to_builtins(self), "verdict": self.verdict}


async def replay_utterance(
    story: Story, causes: dict[int, tuple[str, str]], world: World, spec: MindSpec, recorded: Sequence[ModelExchange]
) -> UtteranceReplay:
    """Replay an utterance. ``causes``: sender and name of the commands of its first and last turn; ``recorded``: the
    exchanges of its request, the oldest first."""
    stage = _Stage(story, causes, world)
    then, now, notes = _then(story), None, []
    model = "scripted" if story.provenance is None else story.provenance.model
    by: By = "nobody" if not model else "scripted mind" if model == "scripted" else "model"
    if not isinstance(story.before.get(story.first), Npc | Companion):
        notes.append(NO_STATE)
    elif story.provenance is None:
        now, notes = _one_turn(stage)
    else:
        now, notes = await _sentence_by_sentence(stage, spec, recorded)
    differences = () if now is None else tuple(_differences(then, now))
    changes: tuple[str, ...] = ()
    if now is not None and then.prompt_hash != now.prompt_hash:
        changes = tuple(_changes(then.prompt, now.prompt))
    return UtteranceReplay(
        utterance=story.utterance,
        player=story.player,
        heard=story.heard,
        by=by,
        then=then,
        now=now,
        differences=differences,
        prompt_changes=changes,
        notes=tuple(notes),
    )


class _Stage:
    """The turns of a story, played again in its world."""

    def __init__(self, story: Story, causes: dict[int, tuple[str, str]], world: World) -> None:
        self.story, self.causes, self.world = story, causes, world

    def play(
        self, seq: int, command: Command, by: str, state: Npc | Companion | None = None, *, model: bool = False
    ) -> Decision:
        """A command in the place of a turn. Raises GangGPTError as the rules do."""
        story = self.story
        now_s, dice = story.turns[seq].at_s, dice_of(story.actor, seq, self.world.seed)
        turn = Turn(story.actor, seq, now_s, by, dice, self.world, ScriptedMind(), model)
        decision: Decision = kind_for(story.actor).decide(story.before[seq] if state is None else state, command, turn)
        return decision

    def likeliest(self, seq: int, commands: Iterable[Command], by: str, *, model: bool = False) -> Decision | None:
        """The turn as it went: of the commands that may have caused it, the one with the very same events. A journal
        keeps what happened, not what was asked for; where none fits (the rules have changed), the first."""
        first: Decision | None = None
        for command in commands:
            try:
                decision = self.play(seq, command, by, model=model)
            except GangGPTError:
                continue
            if decision.events == tuple(self.story.turns[seq].events):
                return decision
            first = first or decision
        return first


def _then(story: Story) -> Side:
    provenance, spoke = story.provenance or Provenance(), story.spoke
    return Side(
        said="" if spoke is None else spoke.said,
        act=spoke.act if spoke is not None else story.began.act if story.began is not None else "",
        sentences=story.sentences,
        guards=provenance.guards,
        actions=provenance.actions,
        memories=provenance.memories,
        prompt_hash=provenance.prompt_hash,
        prompt=provenance.prompt,
    )


def _one_turn(stage: _Stage) -> tuple[Side | None, list[str]]:
    """What was said in a turn of its own, by the rules and the scripted mind."""
    story = stage.story
    by, name = stage.causes.get(story.first, ("", ""))
    decision = stage.likeliest(story.first, _causes_of(story, name), by)
    if decision is None:
        return None, [f"it was said because of {name or 'something'}, which only its sender could send again"]
    return _side(decision, story.utterance, ()), []


def _causes_of(story: Story, name: str) -> Iterator[Command]:
    """The commands that may have caused an utterance in one turn, by its events."""
    if kind_of(story.actor) == "companion":
        yield from _causes_of_companion(story, name)
        return
    events, spoke = story.turns[story.first].events, story.spoke
    heard = "" if spoke is None else spoke.heard
    called = next((e.standing.name for e in events if isinstance(e, Swayed) and e.player == story.player), "")
    for player_name in dict.fromkeys((None, called or None)):
        if name == Talk.tag:
            yield Talk(heard or story.heard, player_name)
        elif name == Threaten.tag:
            yield from (Threaten(heard, armed, player_name) for armed in (False, True))
        elif name == AskForWork.tag:
            yield from (AskForWork(player_name, party) for party in range(1, 9))
        elif name == Give.tag:
            items = [event.item for event in events if isinstance(event, ItemReceived)]
            yield from (Give(item.name, item.value, player_name) for item in items)


def _causes_of_companion(story: Story, name: str) -> Iterator[Command]:
    events, spoke = story.turns[story.first].events, story.spoke
    if name == companion.Talk.tag:
        began = "" if story.began is None else story.began.name
        called = next((e.owner_name for e in events if isinstance(e, CompanionSpoke)), began) or began
        for player_name in dict.fromkeys((None, called or None)):
            yield companion.Talk(story.heard or ("" if spoke is None else spoke.heard), player_name)
    elif name == companion.Order.tag:
        given = [event for event in events if isinstance(event, OrderObeyed | OrderRefused)]
        yield from (companion.Order(one.order, one.target) for one in given)  # type: ignore[arg-type]
    elif name == companion.Dismiss.tag:
        yield companion.Dismiss()


async def _sentence_by_sentence(
    stage: _Stage, spec: MindSpec, recorded: Sequence[ModelExchange]
) -> tuple[Side | None, list[str]]:
    """What a model was asked for, up to where the scripted mind or the player ended it."""
    story, notes = stage.story, list[str]()
    provenance = story.provenance
    assert provenance is not None
    brief = _brief(stage)
    if brief is None:
        notes.append("the rules of now do not ask a model for this any more, so its prompt is not made again")
        asked: Provenance = Provenance()
    else:
        asked = provenance_of(brief, talk_prompt(spec, stage.world, story.actor, brief))
        if not provenance.prompt_hash:
            notes.append("its explanation has no prompt to compare with")
    if not provenance.model:
        notes.append(BROKEN_OFF)
        said = "" if story.spoke is None else story.spoke.said
        now = Side(said=said, act=_then(story).act, sentences=story.sentences, guards=provenance.guards)
        return _asked(now, asked if provenance.prompt_hash else provenance), notes
    fallback = _scripted_fallback(story, provenance)
    filtered = provenance.model == "scripted" and fallback.why.startswith("filter:")
    if brief is not None and recorded and provenance.rung != "cached" and (filtered or provenance.model != "scripted"):
        commands = await _answer(stage, spec, brief, recorded)
    elif provenance.model == "scripted":
        if fallback.why.startswith("guard:"):
            notes.append(REFUSED_WORDS)
        commands = [*_uttered(story), fallback]
    else:
        notes.append(FROM_CACHE if provenance.rung == "cached" else NOT_RECORDED)
        commands = _guarded_again(stage, spec, provenance)
    return _asked(_ended(stage, commands), asked if provenance.prompt_hash else provenance), notes


def _brief(stage: _Stage) -> TalkBrief | None:
    """What the mind was asked, made again by the rules of the turn it was asked in."""
    story = stage.story
    by, name = stage.causes.get(story.first, ("", ""))
    decision = stage.likeliest(story.first, _beginnings(story, name), by, model=True)
    requests = () if decision is None else decision.model_requests
    briefs = (
        request.brief
        for request in requests
        if isinstance(request, ModelRequest) and isinstance(request.brief, TalkBrief)
    )
    return next((brief for brief in briefs if brief.utterance == story.utterance), None)


def _beginnings(story: Story, name: str) -> Iterator[Command]:
    """The commands that may have begun an utterance: a line, or the end of the utterance before."""
    if name == Talk.tag:  # of either kind
        yield from _causes_of(story, name)
        return
    ended = [event for event in story.turns[story.first].events if isinstance(event, ProvenanceRecorded)]
    spoke = next((event for event in map(as_spoke, story.turns[story.first].events) if isinstance(event, Spoke)), None)
    for over in ended:
        if name == SayScripted.tag:
            why = over.provenance.guards[-1] if over.provenance.guards else "late"
            provenance = replace(over.provenance, guards=over.provenance.guards[:-1])
            yield SayScripted(over.id, why, deflect=spoke is not None and spoke.act == "deflect", made=provenance)
        elif name == Conclude.tag:
            yield Conclude(
                over.id, tuple((do, "") for do, _ in over.provenance.actions), replace(over.provenance, actions=())
            )
        elif name == Hush.tag:
            yield from (Hush(heard) for heard in range(9))


async def _answer(stage: _Stage, spec: MindSpec, brief: TalkBrief, recorded: Sequence[ModelExchange]) -> list[Command]:
    """The commands that the mind makes from the recorded exchanges."""
    gateway = replaying_gateway(recorded, spec.prompts)
    try:
        mind = ModelMind(spec, gateway, stage.world, lambda: stage.story.turns[stage.story.first].at_s)
        request = ModelRequest("talk", brief, SayScripted(brief.utterance), 60.0)
        async with aclosing(mind.answer(stage.story.actor, request)) as parts:
            return [command async for command in parts]
    finally:
        await gateway.close()


def _uttered(story: Story) -> Iterator[Command]:
    return (Utter(story.utterance, no, text) for no, text in enumerate(story.sentences))


def _scripted_fallback(story: Story, provenance: Provenance) -> SayScripted:
    """The command with which the scripted mind took over."""
    why = provenance.guards[-1] if provenance.guards else "late"
    deflect = story.spoke is not None and story.spoke.act == "deflect"
    return SayScripted(story.utterance, why, deflect=deflect, made=replace(provenance, guards=provenance.guards[:-1]))


def _guarded_again(stage: _Stage, spec: MindSpec, provenance: Provenance) -> list[Command]:
    """What was said then, past the guards of now; the actions by their words alone."""
    story, guard = stage.story, guard_of(spec, stage.world)
    commands: list[Command] = []
    utterance = UtteranceGuard(guard)
    for text in story.sentences:
        verdict = utterance.check(text)
        if not isinstance(verdict, Blocked):
            commands.append(Utter(story.utterance, len(commands), verdict.text))
    if utterance.blocked is not None and not commands:
        why = f"guard: {utterance.blocked.reasons[0].category}"
        return [SayScripted(story.utterance, why, deflect=True, made=replace(provenance, model="scripted"))]
    actions = tuple((do, "") for do, _ in provenance.actions)
    return [*commands, Conclude(story.utterance, actions, replace(provenance, actions=()))]


def _ended(stage: _Stage, commands: Sequence[Command]) -> Side:
    """The last turn of an utterance with what came before it now, by the rules of now."""
    story = stage.story
    said = tuple(command.text for command in commands if isinstance(command, Utter))
    state = story.before[story.last]
    speaking = state.mind.speaking
    if speaking.utterance is not None:
        speaking = replace(speaking, utterance=replace(speaking.utterance, said=said))
        state = replace(state, mind=replace(state.mind, speaking=speaking))
    by, _ = stage.causes.get(story.last, ("model:gateway", ""))
    try:
        decision = stage.play(story.last, commands[-1], by, state)
    except GangGPTError as refused:
        return Side(said="", act=refused.code, sentences=said, guards=(str(refused),))
    return _side(decision, story.utterance, said)


def _side(decision: Decision, utterance: str, sentences: tuple[str, ...]) -> Side:
    spoken = [e for e in map(as_spoke, decision.events) if isinstance(e, Spoke) and e.utterance in ("", utterance)]
    spoke = next(iter(sorted(spoken, key=lambda one: not one.utterance)), None)
    provenance = next(
        (e.provenance for e in decision.events if isinstance(e, ProvenanceRecorded) and e.id == utterance), Provenance()
    )
    return Side(
        said="" if spoke is None else spoke.said,
        act="" if spoke is None else spoke.act,
        sentences=sentences,
        guards=provenance.guards,
        actions=provenance.actions,
        memories=provenance.memories,
        prompt_hash=provenance.prompt_hash,
        prompt=provenance.prompt,
    )


def _asked(now: Side, provenance: Provenance) -> Side:
    return replace(now, memories=provenance.memories, prompt_hash=provenance.prompt_hash, prompt=provenance.prompt)


def _differences(then: Side, now: Side) -> Iterator[Difference]:
    if then.prompt_hash != now.prompt_hash:
        yield Difference("prompt", then.prompt_hash[:16], now.prompt_hash[:16])
    for what in ("said", "act", "guards", "actions", "memories"):
        before, after = getattr(then, what), getattr(now, what)
        if before != after:
            yield Difference(what, _text(before), _text(after))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "; ".join(one if isinstance(one, str) else ": ".join(map(str, one)) for one in value)


def _changes(then: str, now: str) -> list[str]:
    """The lines of a prompt that differ. Its mark comes from the token of the world and means nothing."""
    old, new = (_MARK.sub("·", text).splitlines() for text in (then, now))
    lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
    return lines if len(lines) <= CHANGES_MAX else [*lines[:CHANGES_MAX], f"… and {len(lines) - CHANGES_MAX} more"]
