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
    of_world,
    persona,
    rules,
)
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.domain.ids import ActorId, kind_of
from ganggpt.domain.mind.background import Background
from ganggpt.domain.mind.brief import Brief, Cited, words_in
from ganggpt.domain.scene import clock_of
from ganggpt.domain.world import World

MEMORIES_MAX: Final = 12
NO_BACKGROUND: Final = Background()
_FACTS: Final[dict[str, DataKind]] = {
    "item": "thing", "order": "order", "topic": "topic", "known": "known", "title": "title", "task": "task",
    "cause": "cause", "for": "cause", "against": "cause", "reason": "cause",
}  # fmt: skip
_SOURCES: Final = {"witnessed": "you saw it", "told": "you were told", "inferred": "you think so", "rumour": "a rumour"}


def dialogue_prompt(  # noqa: PLR0913 - everything a prompt is made of
    brief: Brief,
    actor: ActorId,
    world: World,
    prompts: Prompts,
    fence: Fence,
    *,
    rating: Rating = "mature",
    memories: Sequence[Cited] = (),
    background: Background = NO_BACKGROUND,
) -> Prompt:
    """The prompt for one utterance of ``actor``. ``memories``: further ones that may matter, the most fitting first.

    The system part holds our rules, the world and the world's sheet of the actor, and nothing of the brief; so it is
    the same for every line anybody says to it, and up to the sheet the same for everybody in the world. A companion, or
    somebody made in play, has no sheet in the world: who they are was written by a player or a game master and is data.
    """
    who = persona(prompts, world, actor)
    system = joined(rules(prompts, "dialogue", rating, "stage", "answer"), of_world(prompts, world), who)
    open_actions = tuple(background.open_actions)
    situation = Situation(brief.act, brief.mood, brief.standing, who is not None, open_actions)
    told = list(_told(brief, background, is_known=who is not None, is_companion=kind_of(actor) == "companion"))
    seen = [memory for memory in (brief.memory, *memories) if memory is not None][:MEMORIES_MAX]
    told += [_memory(one) for one in sorted(seen, key=lambda one: one.no) if not _is_told(one, background)]
    told += _talk_so_far(background)
    return assembled(system, situation, told, fence, prompts)


def _told(brief: Brief, background: Background, *, is_known: bool, is_companion: bool) -> Iterator[DataPart]:
    """The parts in order of importance: what is answered comes first."""
    if brief.heard:
        yield data("heard", brief.heard)
    if brief.listener:
        yield data("name", brief.listener)
    if not is_known:
        role = f"{brief.role}, somebody's companion" if is_companion else brief.role
        traits = f"You are {', '.join(background.traits)}." if background.traits else ""
        aims = f"You are after this: {'; '.join(background.aims)}." if background.aims else ""
        who = (f"{brief.speaker}, {role}. Way of talking: {brief.style}.", brief.backstory, traits, aims)
        yield data("persona", " ".join(filter(None, who)))
    for fact in background.about_self:
        yield data("about you", fact)
    yield from _surroundings(brief, background)
    for name, text in brief.facts.items():
        if not (background.named and name in ("topic", "known")):
            yield data(_FACTS.get(name, "note"), text)
    if background.offer:
        yield data("offer", background.offer)
    for cause in background.causes:
        yield data("cause", cause)
    for known in background.named:
        yield data("known", known)
    if background.holds:
        yield data("holds", ", ".join(background.holds))
    politics = brief.politics
    if politics is not None and not background.about_self:
        sides = ((politics.own, "my side"), (politics.friend, "its friend"), (politics.enemy, "its enemy"))
        yield data("politics", "; ".join(f"{label}: {name}" for name, label in sides if name is not None))


def _surroundings(brief: Brief, background: Background) -> Iterator[DataPart]:
    """Where, when, in which weather, with whom."""
    scene = background.scene
    if scene is None:
        if brief.place:
            yield data("place", brief.place)
        return
    yield data("place", ", ".join(filter(None, (scene.place, brief.place))) or "somewhere in town")
    when = [] if scene.minute is None else [clock_of(scene.minute)]
    when += [] if scene.weather is None else [scene.weather]
    if when:
        yield data("time", ", ".join(when))
    if scene.near:
        yield data("near", ", ".join(scene.near))


def _talk_so_far(background: Background) -> Iterator[DataPart]:
    for exchange in background.exchanges:
        yield data("they said", exchange.heard)
        yield data("you said", exchange.said)


def _is_told(memory: Cited, background: Background) -> bool:
    """Whether it stands among the causes or in the talk so far already."""
    if any(cause.startswith(memory.text) for cause in background.causes):
        return True
    quoted = words_in(memory.text)
    words = quoted.rstrip(".!?…")
    return quoted != memory.text and any(words in said.heard.replace('"', "'") for said in background.exchanges)


def _memory(memory: Cited) -> DataPart:
    """A memory with its age and source."""
    kind: DataKind = "rumour" if memory.source == "rumour" else "memory"
    past = ", but no longer so" if memory.past else ""
    return data(kind, memory.text, f"({memory.age}, {_SOURCES.get(memory.source, memory.source)}{past})")
