"""Reasons in words that only tests ask for: why a relation is what it is, and what a guard found."""

from __future__ import annotations

from collections.abc import Iterable

from ganggpt.ai.guards.output import Verdict
from ganggpt.domain.faction.relation import RELATION_HALF_LIFE_S, Entry, Relation
from ganggpt.domain.faction.state import Faction
from ganggpt.domain.mind.affect import faded


def sum_of_causes(relation: Relation, entries: Iterable[Entry], now_s: float) -> float:
    """A relation computed anew from its causes: rest, what is left of each entry of the ledger, and the unlisted."""
    unlisted = faded(relation.unlisted, 0.0, now_s - relation.unlisted_s, RELATION_HALF_LIFE_S)
    return relation.rest + unlisted + sum(faded(e.applied, 0.0, now_s - e.at_s, RELATION_HALF_LIFE_S) for e in entries)


def why_related(state: Faction, other: str, now_s: float) -> tuple[float, tuple[Entry, ...]]:
    """The relation to ``other`` computed from its causes, and the causes still in the ledger, oldest first."""
    entries = tuple(entry for entry in state.ledger if entry.other == other)
    known = state.relations.get(other)
    return (0.0 if known is None else sum_of_causes(known, entries, now_s)), entries


def verdict_in_words(verdict: Verdict) -> str:
    """A verdict in a sentence for logs and ``ganggpt why``."""
    if not verdict.reasons:
        return "let through"
    return f"{verdict.outcome}: " + "; ".join(f"{reason.why} ({reason.category})" for reason in verdict.reasons)
