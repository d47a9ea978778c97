"""How deeds count towards a mission, and until when: the same rules for a mission that is played and one on paper."""

from __future__ import annotations

from collections.abc import Iterable

from ganggpt.domain.mission_design.deeds import Deed, Want, matches
from ganggpt.domain.world import MissionTemplate


def wants_of(template: MissionTemplate) -> tuple[Want, ...]:
    """The deeds a template asks for. Its verbs were checked when the world was loaded."""
    return tuple(Want(o.verb, o.target, o.district) for o in template.objectives)  # type: ignore[arg-type]


def counted(template: MissionTemplate, done: tuple[int, ...], deeds: Iterable[Deed]) -> tuple[int, ...]:
    """What is done after these deeds, by objective: each deed counts once, for the first objectives that still want it,
    and where the template has an order, only once everything before is done."""
    after = list(done)
    wants = wants_of(template)
    for deed in deeds:
        left = deed.count
        for place, (want, objective) in enumerate(zip(wants, template.objectives, strict=True)):
            if matches(want, deed):
                counts = min(left, objective.count - after[place])
                after[place] += counts
                left -= counts
            if template.in_order and after[place] < objective.count:
                break
    return tuple(after)


def is_done(template: MissionTemplate, done: tuple[int, ...]) -> bool:
    """Whether every objective was met as often as it asks for."""
    return all(times >= objective.count for times, objective in zip(done, template.objectives, strict=True))


def deadline_s(template: MissionTemplate, done: tuple[int, ...], accepted_s: float, due_s: float) -> float:
    """When an accepted mission expires: at ``due_s``, or sooner where an objective that is not done is due."""
    soon = [
        accepted_s + objective.within_minutes * 60.0
        for times, objective in zip(done, template.objectives, strict=True)
        if objective.within_minutes is not None and times < objective.count
    ]
    return min([due_s, *soon])
