"""How one faction stands with another: a value that fades to its rest, and a ledger that explains it.

Fading is linear in what was added, so a relation is exactly its rest plus what every cause still contributes. The
contributions of causes that left the ledger are kept as one sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.mind.affect import REACH, faded
from ganggpt.domain.numbers import clamped

REST_MAX: Final = 90.0
RELATION_HALF_LIFE_S: Final = 4 * 86_400.0
LEDGER_MAX: Final = 64
RIPPLE_SHARE: Final = 0.2
RIPPLE_MAX: Final = 3.0
RIPPLES_MAX: Final = 4
RIPPLE_MIN: Final = 0.25


class Relation(Struct, frozen=True, gc=False, array_like=True):
    """One relation: ``value`` as it was at ``at_s``, on its way back to ``rest``.

    The value stays within ``affect.REACH`` of 0, the rest within REST_MAX.
    ``unlisted``: what causes that left the ledger contributed, as it was at ``unlisted_s``.
    """

    value: float
    at_s: float
    rest: float = 0.0
    unlisted: float = 0.0
    unlisted_s: float = 0.0


class Entry(Struct, frozen=True, gc=False, array_like=True):
    """One line of the ledger: the relation to ``other`` moved by ``applied`` at ``at_s``, because of ``cause``."""

    other: str
    applied: float
    cause: str
    by: str
    at_s: float


def at_rest(rest: float, now_s: float) -> Relation:
    """A relation that nothing has happened to yet."""
    rest = clamped(rest, -REST_MAX, REST_MAX)
    return Relation(rest, now_s, rest, 0.0, now_s)


def value_now(relation: Relation, now_s: float) -> float:
    """The relation on its way back to rest."""
    return faded(relation.value, relation.rest, now_s - relation.at_s, RELATION_HALF_LIFE_S)


def with_rest(relation: Relation, rest: float, now_s: float) -> Relation:
    """A relation that fades to another rest from now on. It moves by as much as its rest, so that what every cause
    contributes stays; where that would lead beyond its bounds, the surplus counts as a cause that left the ledger."""
    rest = clamped(rest, -REST_MAX, REST_MAX)
    if rest == relation.rest:
        return relation
    wanted = value_now(relation, now_s) + rest - relation.rest
    value = clamped(wanted, -REACH, REACH)
    unlisted = faded(relation.unlisted, 0.0, now_s - relation.unlisted_s, RELATION_HALF_LIFE_S)
    return Relation(value, now_s, rest, unlisted + value - wanted, now_s)


def with_entry(
    relations: Mapping[str, Relation], ledger: tuple[Entry, ...], entry: Entry
) -> tuple[dict[str, Relation], tuple[Entry, ...]]:
    """Relations and ledger after one more entry; the oldest leaves a full ledger and lives on in ``unlisted``."""
    relation = relations.get(entry.other) or at_rest(0.0, entry.at_s)
    value = value_now(relation, entry.at_s) + entry.applied
    after = {**relations, entry.other: replace(relation, value=value, at_s=entry.at_s)}
    if len(ledger) < LEDGER_MAX:
        return after, (*ledger, entry)
    oldest = ledger[0]
    owner = after[oldest.other]
    unlisted = faded(owner.unlisted, 0.0, entry.at_s - owner.unlisted_s, RELATION_HALF_LIFE_S)
    unlisted += _left_of(oldest, entry.at_s)
    after[oldest.other] = replace(owner, unlisted=unlisted, unlisted_s=entry.at_s)
    return after, (*ledger[1:], entry)


def _left_of(entry: Entry, now_s: float) -> float:
    return faded(entry.applied, 0.0, now_s - entry.at_s, RELATION_HALF_LIFE_S)


def ripples(moved: float, theirs: Mapping[str, int]) -> list[tuple[str, float]]:
    """How a relation that moved by ``moved`` moves those to third parties: friends of the other side in the same
    direction, its enemies in the opposite one.

    ``theirs``: how the other side traditionally stands with third parties (−100..100). One hop; at most RIPPLES_MAX
    moves, each at most RIPPLE_MAX, the strongest ties first.
    """
    strongest = sorted(theirs.items(), key=lambda tie: (-abs(tie[1]), tie[0]))[:RIPPLES_MAX]
    moves = [(third, clamped(moved * RIPPLE_SHARE * tie / 100, -RIPPLE_MAX, RIPPLE_MAX)) for third, tie in strongest]
    return [(third, delta) for third, delta in moves if abs(delta) >= RIPPLE_MIN]
