"""The guard of a model's whole answer: its words, and which of its actions are passed on to the rules."""

from __future__ import annotations

from msgspec import Struct

from ganggpt.ai.guards.input import Trust, inspect
from ganggpt.ai.guards.output import Blocked, OutputGuard, Verdict
from ganggpt.ai.model_answer import ModelAnswer
from ganggpt.domain.mind.actions import Action, Attack, GiveItem, OfferMission

_TEXT_CHARS_MAX = 100


class Guarded(Struct, frozen=True, gc=False):
    """An answer after the guards: the verdict on its words, the actions that are passed on to the rules
    (``domain.mind.actions``), and the actions that are not (``dropped``: action and reason)."""

    verdict: Verdict
    actions: tuple[Action, ...]
    dropped: tuple[tuple[str, str], ...] = ()


def guard_answer(
    guard: OutputGuard, answer: ModelAnswer, trust: Trust, *, speaker: str = "", mark: str = ""
) -> Guarded:
    """Check an answer. Actions are kept only where the prompt had the trust ``model``, the words with them may be said,
    and their own texts are plain words."""
    verdict = guard.check(answer.say, speaker=speaker, mark=mark)
    if isinstance(verdict, Blocked):
        return Guarded(verdict, (), tuple((action.do, "the words with it cannot be said") for action in answer.doings))
    kept: list[Action] = []
    dropped: list[tuple[str, str]] = []
    for action in answer.doings:
        text = _text_of(action)
        if trust != "model":
            dropped.append((action.do, "what was said to the speaker was too suspicious for actions"))
        elif text and (guard.check(text, mark=mark, chars_max=_TEXT_CHARS_MAX).outcome != "pass" or _is_odd(text)):
            dropped.append((action.do, "its text is not plain words"))
        else:
            kept.append(action)
    return Guarded(verdict, tuple(kept), tuple(dropped))


def _text_of(action: Action) -> str:
    if isinstance(action, Attack):
        return action.target
    if isinstance(action, GiveItem):
        return action.item
    return action.mission if isinstance(action, OfferMission) else ""


def _is_odd(text: str) -> bool:
    return len(text) > _TEXT_CHARS_MAX or inspect(text, _TEXT_CHARS_MAX).trust != "model"
