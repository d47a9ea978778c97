"""Plans by a model: a mission for a player, a move of a faction. They are requested outside of turns, and the rules
decide.

A model is told the world's own ids, names and numbers as JSON in the user's message. Its structured answer becomes one
command. Where it is not usable, the rules go on as if no model had been asked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import BaseModel

from ganggpt.ai.guards.output import Blocked, OutputGuard
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.ai.minds.proposals import (
    MissionProposal,
    MoveChoice,
    chosen_move,
    context_text,
    mission_schema,
    move_schema,
    numbered,
    proposed_mission,
)
from ganggpt.ai.port import Answered, Gateway, GatewayRequest, NotAnswered, Payers, PromptMessage, Slot
from ganggpt.domain.faction.moves import MoveBrief, TakePoliticalTurn
from ganggpt.domain.ids import ActorId
from ganggpt.domain.mission_design.draft import WorkBrief
from ganggpt.domain.turn import Command

MISSION_TOKENS_MAX: Final = 800
MOVE_TOKENS_MAX: Final = 240
_UNSAID: Final = "…"
"""Stands for a text that the guard blocked; the compiler writes it from the objectives."""

Commands = AsyncGenerator[Command, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked for: the slot that answers, and the shape of the answer with what may be chosen in it now."""

    slot: Slot
    shape: type[BaseModel]
    schema: Mapping[str, Any]
    tokens_max: int


class ModelPlans:
    """Asks the gateway for plans. ``rest`` is told why there was no answer."""

    def __init__(
        self, prompts: Prompts, gateway: Gateway, guard: OutputGuard, rest: Callable[[NotAnswered], None]
    ) -> None:
        self._prompts, self._gateway, self._guard, self._rest = prompts, gateway, guard, rest

    async def work(self, actor: ActorId, brief: WorkBrief, within_s: float) -> Commands:
        """The command that proposes a mission to the NPC; nothing where there is no usable answer."""
        faction = (brief.outline.get("faction") or {}).get("id")
        payers = Payers(brief.player, actor, f"faction:{faction}" if faction else None)
        asked = _Question("mission", MissionProposal, mission_schema(brief.outline), MISSION_TOKENS_MAX)
        value = await self._asked(asked, brief.outline, payers, within_s)
        if isinstance(value, MissionProposal):
            command, _ = proposed_mission(value, brief.player, brief.party, float(brief.outline["asked_s"]))
            if command is not None:
                speaker = str(brief.outline["giver"]["name"])
                words = {name: self._passed(getattr(command, name), speaker) for name in ("title", "description")}
                yield replace(command, **{name: text or _UNSAID for name, text in words.items()})  # type: ignore[arg-type]

    async def move(self, actor: ActorId, brief: MoveBrief, within_s: float) -> Commands:
        """The command with a legal move for the faction, or the one that lets the faction choose itself."""
        outlook = brief.outlook
        asked = _Question("politics", MoveChoice, move_schema(outlook), MOVE_TOKENS_MAX)
        value = await self._asked(asked, numbered(outlook), Payers(faction=actor), within_s)
        command = chosen_move(value, outlook)[0] if isinstance(value, MoveChoice) else None
        if command is None:
            yield TakePoliticalTurn(plainly=True)
        else:
            yield replace(command, words=self._passed(command.words, str(outlook["name"])))

    async def _asked(
        self, asked: _Question, context: Mapping[str, Any], payers: Payers, within_s: float
    ) -> BaseModel | None:
        told = self._prompts.text(asked.slot)
        request = GatewayRequest(
            slot=asked.slot,
            purpose=asked.slot,
            messages=(PromptMessage("system", told), PromptMessage("user", context_text(context))),
            payers=payers,
            shape=asked.shape,
            schema=asked.schema,
            tokens_max=asked.tokens_max,
            within_s=within_s,
            use_cache=False,
        )
        outcome = await self._gateway.answer(request)
        if isinstance(outcome, NotAnswered):
            self._rest(outcome)
        return outcome.value if isinstance(outcome, Answered) else None

    def _passed(self, text: str, speaker: str) -> str:
        """The words as the guard lets them through; empty where it blocks them."""
        if not text:
            return ""
        verdict = self._guard.check(text, speaker=speaker, mark="", before="")
        return "" if isinstance(verdict, Blocked) else verdict.text
