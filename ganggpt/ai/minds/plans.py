"""Plans by a model: a mission for a player, a move of a faction. Asked beside the turns; the rules dispose.

What a model is told is the world's own ids, names and numbers as JSON, in the user's message; what it answers is a
shape that becomes one command. Where it says nothing usable, the rules go on as if nobody had asked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel

from ganggpt.ai.guards.output import Blocked, OutputGuard
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.ai.minds.proposals import (
    MissionProposal,
    MoveChoice,
    chosen_move,
    context_text,
    proposed_mission,
)
from ganggpt.ai.port import Answered, Gateway, GatewayRequest, NotAnswered, Payers, PromptMessage, Slot
from ganggpt.domain.faction.moves import MoveBrief, TakePoliticalTurn
from ganggpt.domain.ids import ActorId
from ganggpt.domain.mission_design.draft import WorkBrief
from ganggpt.domain.turn import Command

MISSION_TOKENS_MAX: Final = 800
MOVE_TOKENS_MAX: Final = 160
_UNSAID: Final = "…"
"""Stands for words that the guard took; the compiler tells them from the objectives."""

Commands = AsyncGenerator[Command, Mapping[str, Any] | None]


class ModelPlans:
    """Asks the gateway for plans. ``rest`` hears why there was no answer."""

    def __init__(
        self, prompts: Prompts, gateway: Gateway, guard: OutputGuard, rest: Callable[[NotAnswered], None]
    ) -> None:
        self._prompts, self._gateway, self._guard, self._rest = prompts, gateway, guard, rest

    async def work(self, actor: ActorId, brief: WorkBrief, within_s: float) -> Commands:
        """A mission for the NPC to check and keep; nothing where there is none."""
        faction = (brief.outline.get("faction") or {}).get("id")
        payers = Payers(brief.player, actor, f"faction:{faction}" if faction else None)
        value = await self._asked("mission", MissionProposal, brief.outline, payers, MISSION_TOKENS_MAX, within_s)
        if isinstance(value, MissionProposal):
            command, _ = proposed_mission(value, brief.player, brief.party, float(brief.outline["asked_s"]))
            if command is not None:
                speaker = str(brief.outline["giver"]["name"])
                words = {name: self._passed(getattr(command, name), speaker) for name in ("title", "description")}
                yield replace(command, **{name: text or _UNSAID for name, text in words.items()})  # type: ignore[arg-type]

    async def move(self, actor: ActorId, brief: MoveBrief, within_s: float) -> Commands:
        """A legal move for the faction, or the word that it shall choose by itself."""
        outlook = brief.outlook
        value = await self._asked("politics", MoveChoice, outlook, Payers(faction=actor), MOVE_TOKENS_MAX, within_s)
        command = chosen_move(value, outlook)[0] if isinstance(value, MoveChoice) else None
        if command is None:
            yield TakePoliticalTurn(plainly=True)
        else:
            yield replace(command, words=self._passed(command.words, str(outlook["name"])))

    async def _asked(
        self,
        slot: Slot,
        shape: type[BaseModel],
        context: Mapping[str, Any],
        payers: Payers,
        tokens_max: int,
        within_s: float,
    ) -> BaseModel | None:
        request = GatewayRequest(
            slot=slot,
            purpose=slot,
            messages=(PromptMessage("system", self._prompts.text(slot)), PromptMessage("user", context_text(context))),
            payers=payers,
            shape=shape,
            tokens_max=tokens_max,
            within_s=within_s,
            use_cache=False,
        )
        outcome = await self._gateway.answer(request)
        if isinstance(outcome, NotAnswered):
            self._rest(outcome)
        return outcome.value if isinstance(outcome, Answered) else None

    def _passed(self, text: str, speaker: str) -> str:
        """The words as the guard lets them through; none where it says no."""
        if not text:
            return ""
        verdict = self._guard.check(text, speaker=speaker, mark="", before="")
        return "" if isinstance(verdict, Blocked) else verdict.text
