"""What a sentence is about that does not name it: whom "he", "there" and "them" mean, by the talk so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ganggpt.domain.language.spoken_of import Named, What, names_of
from ganggpt.domain.mind.dialogue.pointing import gender, is_of_other, is_pointing
from ganggpt.domain.mind.dialogue.understanding import AskedLine
from ganggpt.domain.mind.transcript import Exchange
from ganggpt.domain.world import World


def subject(asked: AskedLine, exchanges: Sequence[Exchange], world: World, *wanted: What, but: str = "") -> str | None:
    """The id of what a sentence is about, of the kinds that are wanted, in their order of preference: named in it, else
    what the talk spoke of last where the sentence points back ("he", "there") or names nothing at all. ``but``: who
    speaks, and so is not meant by "he"."""
    for what in wanted:
        own = [one.id for one in asked.named if one.what == what]
        if own:
            return own[-1] if asked.is_left_open else own[0]
    if _points_back(asked, wanted):
        she = gender(asked.text)
        fits = [one for one in asked.around if one.id != but and _is_of(one, she, world)]
        near = next((one.id for what in wanted for one in fits if one.what == what), None)
        if near is not None and not is_of_other(asked.text):
            return near
        skip = 1 if is_of_other(asked.text) else 0
        return spoken_of_last(exchanges, world, wanted, skip=skip, but=but, she=she)
    return None


def _is_of(one: Named, she: bool | None, world: World) -> bool:
    """Whether somebody named may be meant by he or she."""
    return she is None or one.what != "npc" or names_of(world).is_she.get(one.id, she) == she


def _points_back(asked: AskedLine, wanted: Sequence[What]) -> bool:
    if is_of_other(asked.text):
        return True
    return any(is_pointing(asked.text, what) for what in wanted) or not any(one.is_sure for one in asked.named)


def spoken_of_last(
    exchanges: Sequence[Exchange],
    world: World,
    wanted: Sequence[What],
    skip: int = 0,
    but: str = "",
    she: bool | None = None,
) -> str | None:
    """The id of what was spoken of last, of these kinds; ``skip``: not the last one, but the one before."""
    seen = [but]
    for one in _mentions(tuple(exchanges), world):
        if one.what in wanted and one.is_sure and one.id not in seen and _is_of(one, she, world):
            if len(seen) == skip + 1:
                return one.id
            seen.append(one.id)
    return None


def _mentions(exchanges: tuple[Exchange, ...], world: World) -> Iterator[Named]:
    """Everything that was named in a talk, the last line first; what the player named before what was answered."""
    names = names_of(world)
    for exchange in reversed(exchanges):
        yield from names.found(exchange.heard)
        yield from names.found(exchange.said)
