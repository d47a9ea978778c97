"""A brief as a prompt: what the speaker may know, sorted into instructions and data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ganggpt.ai.minds.prompt import (
    DataKind,
    DataPart,
    Fence,
    Prompt,
    Rating,
    Situation,
    assembled,
    data,
    joined,
    persona,
    rules,
)
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.domain.ids import ActorId, kind_of
from ganggpt.domain.mind.brief import Brief, Cited
from ganggpt.domain.world import World

MEMORIES_MAX: Final = 12
_FACTS: Final[dict[str, DataKind]] = {
    "item": "thing", "order": "order", "topic": "topic", "known": "known", "title": "title", "task": "task",
    "cause": "cause", "for": "cause", "against": "cause", "reason": "cause",
}  # fmt: skip


def dialogue_prompt(
    brief: Brief,
    actor: ActorId,
    world: World,
    prompts: Prompts,
    fence: Fence,
    *,
    rating: Rating = "mature",
    memories: Sequence[Cited] = (),
) -> Prompt:
    """The prompt for one utterance of ``actor``. ``memories``: further ones that may matter, the most fitting first.

    The system part holds our rules and the world's sheet of the actor, and nothing of the brief; so it is the same for
    every line anybody says to it. A companion, or somebody made in play, has no sheet in the world: who they are was
    written by a player or a game master and is data.
    """
    who = persona(prompts, world, actor)
    system = joined(rules(prompts, "dialogue", rating), who, rules(prompts, "stage"))
    situation = Situation(brief.act, brief.mood, brief.standing, who is not None)
    told = list(_told(brief, who is not None, kind_of(actor) == "companion"))
    seen = [memory for memory in (brief.memory, *memories) if memory is not None]
    told += [_memory(memory) for memory in seen[:MEMORIES_MAX]]
    if brief.avoid:
        told.append(data("said_before", "; ".join(brief.avoid)))
    return assembled(system, situation, told, fence, prompts)


def _told(brief: Brief, is_known: bool, is_companion: bool) -> Iterator[DataPart]:
    """The parts in order of importance: what is answered comes first."""
    if brief.heard:
        yield data("heard", brief.heard)
    if brief.listener:
        yield data("name", brief.listener)
    if not is_known:
        role = f"{brief.role}, somebody's companion" if is_companion else brief.role
        yield data("persona", f"{brief.speaker}, {role}, talks {brief.style}. {brief.backstory}")
    if brief.place:
        yield data("place", brief.place)
    for name, text in brief.facts.items():
        yield data(_FACTS.get(name, "note"), text)
    politics = brief.politics
    if politics is not None:
        sides = ((politics.own, "my side"), (politics.friend, "its friend"), (politics.enemy, "its enemy"))
        yield data("politics", "; ".join(f"{label}: {name}" for name, label in sides if name is not None))


def _memory(memory: Cited) -> DataPart:
    """A memory with its age and source."""
    about = ", about the one you talk to" if memory.own else ""
    kind: DataKind = "rumour" if memory.source == "rumour" else "memory"
    return data(kind, f"({memory.age}, {memory.source}{about}) {memory.text}")
