"""The mind that asks a model: a brief becomes a prompt, the gateway's stream becomes commands to the actor.

Every sentence passes the output guard before it becomes a command; every action passes the guard and, afterwards, the
rules of the actor. Whatever goes wrong, the last command finishes the utterance.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import convert
from msgspec.structs import replace

from ganggpt.ai.guards.answer import Guarded, guard_answer
from ganggpt.ai.guards.input import Trust, Wariness, inspect
from ganggpt.ai.guards.output import Blocked, OutputGuard
from ganggpt.ai.guards.profiles import Rating
from ganggpt.ai.guards.utterance_guard import UtteranceGuard
from ganggpt.ai.minds.embeddings import QUESTION_S, Embedder
from ganggpt.ai.minds.guard_counts import GuardCounts
from ganggpt.ai.minds.plans import ModelPlans
from ganggpt.ai.minds.prompt import Fence, Prompt
from ganggpt.ai.minds.prompt_dialogue import dialogue_prompt
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.ai.minds.summaries import ModelSummaries
from ganggpt.ai.model_answer import ModelAnswer, schema_for
from ganggpt.ai.port import (
    FREE,
    Answered,
    Deflected,
    Gateway,
    GatewayOutcome,
    GatewayRequest,
    NotAnswered,
    Payers,
    PromptMessage,
    Sentence,
)
from ganggpt.domain.faction.moves import MoveBrief
from ganggpt.domain.ids import ActorId, kind_of, name_of
from ganggpt.domain.language.words import folded, terms
from ganggpt.domain.mind.actions import Action
from ganggpt.domain.mind.brief import SAID_MAX, Cited
from ganggpt.domain.mind.commands import (
    Conclude,
    SayScripted,
    ThinkAgain,
    Utter,
)
from ganggpt.domain.mind.memory_record import Embedding
from ganggpt.domain.mind.transcript import SummaryBrief
from ganggpt.domain.mind.utterance import SENTENCES_MAX, Provenance, TalkBrief
from ganggpt.domain.mission_design.draft import WorkBrief
from ganggpt.domain.turn import MODEL_WAIT_S, Command, ModelRequest
from ganggpt.domain.world import World
from ganggpt.errors import InvalidInput
from ganggpt.observability.metrics import Metrics

TOKENS_MAX: Final = 500
"""Tokens of one answer: the longest words at a token a character, and every action that may be chosen."""
MARGIN_S: Final = 0.5
"""How much earlier than its caller the gateway stops, so that its reason reaches the caller."""
REST_S: Final = 15.0
"""How long no model is asked after a failure that the next request would meet again."""
WARY_PLAYERS_MAX: Final = 4096
CHOICE_CHARS_MAX: Final = 100
_STRICTER: Final[tuple[Trust, ...]] = ("model", "talk_only", "scripted")
_RESTING: Final = frozenset({"off", "no_model", "budget", "away"})
EXPLAINED_CHARS_MAX: Final = 8_000
"""Characters of a prompt that the journal keeps; the recorded exchange has the whole prompt."""


@dataclass(frozen=True, slots=True)
class MindSpec:
    """How a model speaks for the people of a world; picklable. ``secret``: the key of the marks in prompts, the same in
    every process, so that an exchange can be replayed. ``embeds``: whether an embedding model is configured.
    ``wait_s``: longest wait for an answer that somebody waits for. ``talks``: whether a model is configured that finds
    words; where none is, the scripted mind speaks and memories are embedded all the same."""

    prompts: Prompts
    rating: Rating
    secret: bytes = field(repr=False)
    embeds: bool = False
    wait_s: float = MODEL_WAIT_S
    talks: bool = True


Aside = Callable[..., Awaitable[Any]]
"""Calls a function with these arguments somewhere that does not hold the loop up."""


class ModelMind:
    """Implements ``actors.ports.ModelPort`` on the gateway. ``now_s``: a clock of seconds, for backing off.
    ``metrics``: of this process. ``aside``: where prompts are made and guards look at words, milliseconds for a long
    text that no turn of the host should wait for."""

    def __init__(
        self,
        spec: MindSpec,
        gateway: Gateway,
        world: World,
        now_s: Callable[[], float],
        metrics: Metrics | None = None,
        aside: Aside = asyncio.to_thread,
    ) -> None:
        self._spec, self._gateway, self._now_s, self._aside = spec, gateway, now_s, aside
        self._metrics = Metrics() if metrics is None else metrics
        self._counts = GuardCounts(self._metrics)
        self._wary: dict[str, Wariness] = {}
        self._rests_until_s = 0.0
        self._embedder = Embedder(gateway, self._metrics, now_s, present=spec.embeds)
        self.use_world(world)

    def use_world(self, world: World) -> None:
        """See ModelPort. What is under way ends as it began."""
        spec, gateway = self._spec, self._gateway
        guard = guard_of(spec, world)
        self._world, self._guard = world, guard
        self._plans = ModelPlans(spec.prompts, gateway, guard, self._rest)
        self._summaries = ModelSummaries(spec.prompts, spec.secret, gateway, guard, self._metrics, self._rest)

    @property
    def is_on(self) -> bool:
        """False where no model talks, and while the mind backs off, after the gateway gave a reason that will last."""
        return self._spec.talks and self._now_s() >= self._rests_until_s

    @property
    def wait_s(self) -> float:
        """See ModelPort."""
        return self._spec.wait_s

    @property
    def embeds(self) -> bool:
        """See ModelPort."""
        return self._embedder.is_on

    async def embed(self, texts: Sequence[str], owners: Sequence[str | None]) -> Sequence[Embedding]:
        """See ModelPort."""
        return await self._embedder.of_memories(texts, owners)

    async def embedding(self, text: str, player: str, actor: str) -> Embedding | None:
        """See ModelPort."""
        return await self._embedder.of_line(text, self._payers(player, ActorId(actor)))

    def answer(self, actor: ActorId, request: ModelRequest) -> AsyncGenerator[Command, Mapping[str, Any] | None]:
        """See ModelPort. Raises InvalidInput for a brief of an unknown type."""
        within_s = request.within_s - MARGIN_S
        if isinstance(request.brief, WorkBrief):
            return self._plans.work(actor, request.brief, within_s)
        if isinstance(request.brief, MoveBrief):
            return self._plans.move(actor, request.brief, within_s)
        if isinstance(request.brief, SummaryBrief):
            payers = self._payers(request.brief.player, actor)
            return self._summaries.condense(f"{actor}#{request.brief.no}", request.brief, payers, within_s)
        if not isinstance(request.brief, TalkBrief):
            raise InvalidInput("brief", f"{type(request.brief).__name__} is not a brief that a model can answer")
        return self._talk(actor, request.brief, within_s)

    async def _talk(
        self, actor: ActorId, talk: TalkBrief, within_s: float
    ) -> AsyncGenerator[Command, Mapping[str, Any] | None]:
        brief = talk.brief
        prompt = await self._aside(talk_prompt, self._spec, self._world, actor, talk)
        self._counts.asked(prompt)
        trust = self._trust(talk.player, prompt)
        if trust == "scripted":
            yield SayScripted(talk.utterance, "suspicious", made=provenance_of(talk, prompt))
            return
        if talk.by_embedding and self.embeds:
            within_s -= QUESTION_S
            embedding = await self._embedder.of_line(brief.heard, self._payers(talk.player, actor))
            if embedding is not None:
                talk = _with_memories(talk, (yield ThinkAgain(talk.utterance, embedding)))
                prompt = await self._aside(talk_prompt, self._spec, self._world, actor, talk)
        request = self._request(actor, talk, prompt, within_s)
        said, chars, guard = 0, 0, UtteranceGuard(self._guard, brief.speaker, brief.listener, prompt.fence.mark)
        async with aclosing(self._gateway.stream(request)) as items:
            async for item in items:
                if isinstance(item, Sentence):
                    verdict = await self._aside(guard.check, item.text)
                    self._counts.said(verdict)
                    if isinstance(verdict, Blocked):
                        continue
                    chars += len(verdict.text) + 1
                    if said < SENTENCES_MAX and chars - 1 <= SAID_MAX:
                        yield Utter(talk.utterance, said, verdict.text)
                        said += 1
                elif isinstance(item, Answered) and guard.blocked is not None and not said:
                    why = f"guard: {guard.blocked.reasons[0].category}"
                    yield SayScripted(talk.utterance, why, deflect=True, made=provenance_of(talk, prompt, item))
                elif isinstance(item, Answered):
                    is_cut = item.cut or chars - 1 > SAID_MAX
                    reply = yield await self._concluded(talk, prompt, item, trust, is_cut=is_cut)
                    self._counts.judged(() if reply is None else reply.get("actions", ()))
                elif isinstance(item, Deflected):
                    provenance = provenance_of(talk, prompt, item)
                    yield SayScripted(talk.utterance, f"filter: {item.where}", deflect=True, made=provenance)
                else:
                    self._rest(item)
                    yield SayScripted(talk.utterance, item.reason, made=provenance_of(talk, prompt, item))

    def _request(self, actor: ActorId, talk: TalkBrief, prompt: Prompt, within_s: float) -> GatewayRequest:
        brief = talk.brief
        # A cached answer is for the same player only, because it may mention private things.
        heard = " ".join(sorted(terms(folded(brief.heard))))[:160]
        return GatewayRequest(
            slot="dialogue",
            purpose="talk",
            messages=tuple(PromptMessage(role, text) for role, text in prompt.messages()),
            payers=self._payers(talk.player, actor),
            shape=ModelAnswer,
            schema=schema_for(choosable(talk.background.open_actions)),
            tokens_max=TOKENS_MAX,
            within_s=within_s,
            fallback_key=(actor, talk.player, brief.act, brief.standing, heard),
        )

    def _payers(self, player: str, actor: ActorId) -> Payers:
        sheet = self._world.npcs.get(name_of(actor)) if kind_of(actor) == "npc" else None
        faction = None if sheet is None or sheet.faction is None else f"faction:{sheet.faction}"
        return Payers(player, actor, faction)

    def _trust(self, player: str, prompt: Prompt) -> Trust:
        """Who may answer this player now, by this prompt and by what they tried before: suspicion adds up."""
        now_s = self._now_s()
        wary = self._wary.pop(player, Wariness()).after(prompt.score, now_s)
        self._wary[player] = wary
        if len(self._wary) > WARY_PLAYERS_MAX:
            del self._wary[next(iter(self._wary))]
        return max(prompt.trust, wary.trust(now_s), key=_STRICTER.index)

    async def _concluded(
        self, talk: TalkBrief, prompt: Prompt, answered: Answered, trust: Trust, *, is_cut: bool
    ) -> Conclude:
        answer = answered.value
        guarded: Guarded | None = None
        if isinstance(answer, ModelAnswer):
            guarded = await self._aside(
                guard_answer, self._guard, answer, trust, speaker=talk.brief.speaker, mark=prompt.fence.mark
            )
        if guarded is not None:
            self._counts.dropped(guarded)
        dropped = () if guarded is None else tuple(f"{action}: {why}" for action, why in guarded.dropped)
        misshapen = answer.misshapen if isinstance(answer, ModelAnswer) else ()
        notes = (*(f"misshapen: {note}" for note in misshapen), *(("the answer was cut",) if is_cut else ()))
        asked = provenance_of(talk, prompt, answered)
        guards = (*asked.guards, *dropped, *notes)
        provenance = replace(asked, model=answered.model, rung=answered.rung, guards=guards)
        actions = () if guarded is None else tuple((action.do, _text_of(action)) for action in guarded.actions)
        return Conclude(talk.utterance, actions, provenance)

    def _rest(self, unanswered: NotAnswered) -> None:
        if unanswered.reason in _RESTING:
            self._rests_until_s = self._now_s() + REST_S


def talk_prompt(spec: MindSpec, world: World, actor: ActorId, talk: TalkBrief) -> Prompt:
    """The prompt for an utterance."""
    memories = [cited for cited, _ in talk.memories]
    fence = Fence.of(spec.secret, talk.utterance)
    return dialogue_prompt(
        talk.brief,
        actor,
        world,
        spec.prompts,
        fence,
        rating=spec.rating,
        memories=memories,
        background=talk.background,
    )


def guard_of(spec: MindSpec, world: World) -> OutputGuard:
    """The guard for everything that models say in a world."""
    return OutputGuard(
        spec.rating, world, [spec.prompts.text(name) for name in ("dialogue", "stage", "answer", spec.rating)]
    )


def provenance_of(talk: TalkBrief, prompt: Prompt, outcome: GatewayOutcome | None = None) -> Provenance:
    """The provenance of an utterance: its prompt, its memories and what the request cost, whatever the outcome."""
    usage = FREE if outcome is None else outcome.usage
    return Provenance(
        memories=tuple((cited.no, round(score, 4)) for cited, score in talk.memories),
        prompt="\n\n".join(text for _, text in prompt.messages())[:EXPLAINED_CHARS_MAX],
        prompt_hash=prompt.digest,
        key="" if outcome is None else outcome.key,
        tokens_in=usage.tokens_in,
        tokens_out=usage.tokens_out,
        nano_usd=usage.nano_usd,
        guards=tuple(prompt.explained()),
    )


def choosable(open_actions: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """The actions as a schema may name them: a thing was named by a player, so what looks like an instruction is left
    out, and with it the action where nothing else is left to choose."""
    found: dict[str, tuple[str, ...]] = {}
    for do, choices in open_actions.items():
        kept = tuple(choice for choice in choices if inspect(choice, CHOICE_CHARS_MAX).trust == "model")
        if kept or not choices:
            found[do] = kept
    return found or {"refuse": ()}


def _with_memories(talk: TalkBrief, reply: Mapping[str, Any] | None) -> TalkBrief:
    """The talk with the memories that were found by the embedding of what was heard."""
    found = () if reply is None else reply.get("memories", ())
    return replace(talk, memories=convert(found, tuple[tuple[Cited, float], ...]))


def _text_of(action: Action) -> str:
    return next((str(getattr(action, name)) for name in ("target", "item", "mission") if hasattr(action, name)), "")
