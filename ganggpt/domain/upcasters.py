"""How what an older layout stored becomes what the next one would have stored, on plain lists and maps.

Nothing here may change once it was released: it describes bytes that exist. So it names its fields itself, and uses no
record of today.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple


class Upcaster(NamedTuple):
    """One step from an older layout to the next, for one kind; None where nothing changed. Events are lists that begin
    with their tag."""

    event: Callable[[list[Any]], list[Any]] | None = None
    state: Callable[[list[Any]], list[Any]] | None = None


# ------------------------------------------------------------- 1 to 2: what NPCs and companions share is one record

_MIND_1: Final[Mapping[str, Any]] = {
    "memories": (),
    "next_no": 1,
    "openers": (),
    "phrases": (),
    "cited": (),
    "talks": {},
    "speaking": (),
    "mull_s": 0.0,
    "let_go": 0,
    "asked_s": 0.0,
}
"""The fields that became the record of the mind, in its order, with what they were where nothing was stored."""
_NPC_1: Final = (
    "sheet", "born_s", "mood", "mood_s", "memories", "standings", "next_no", "openers", "cited", "work", "noticed",
    "talks", "mull_s", "let_go", "told", "gathered", "asked_s", "phrases", "items", "acted", "speaking", "purse",
    "purse_s", "prepared",
)  # fmt: skip
_NPC_2: Final[Mapping[str, Any]] = {
    "standings": {},
    "work": {},
    "noticed": 0,
    "told": {},
    "gathered": 0,
    "items": (),
    "acted": (),
    "purse": -1,
    "purse_s": 0.0,
    "prepared": {},
}
"""The fields of an NPC after its mind."""
_COMPANION_1: Final = (
    "owner", "name", "companion_type", "personality", "style", "born_s", "loyalty", "loyalty_s", "mood", "mood_s",
    "sway", "experience", "ledger", "memories", "next_no", "openers", "cited", "owner_name", "orders", "refusals",
    "spoke_s", "gone", "gone_s", "warned_s", "noes", "deeds", "phrases", "practice", "practice_s", "speaking", "talks",
    "mull_s", "let_go", "asked_s",
)  # fmt: skip
_COMPANION_2: Final[Mapping[str, Any]] = {
    "owner_name": "",
    "orders": 0,
    "refusals": 0,
    "spoke_s": 0.0,
    "gone": "",
    "gone_s": 0.0,
    "warned_s": None,
    "noes": {},
    "deeds": 0,
    "practice": 0.0,
    "practice_s": 0.0,
}
"""The fields of a companion after its mind."""


def _with_mind(names: Sequence[str], first: int, rest: Mapping[str, Any]) -> Callable[[list[Any]], list[Any]]:
    """``names``: the fields of version 1, of which fields at the end may not be stored; the first ones stay where they
    are, then comes the mind, then the ``rest``."""

    def lift(state: list[Any]) -> list[Any]:
        stored = dict(zip(names, state, strict=False))
        mind = [stored.get(name, absent) for name, absent in _MIND_1.items()]
        return [*state[:first], mind, *(stored.get(name, absent) for name, absent in rest.items())]

    return lift


UPCASTERS: Final[Mapping[tuple[str, int], Upcaster]] = {
    ("npc", 1): Upcaster(state=_with_mind(_NPC_1, 4, _NPC_2)),
    ("companion", 1): Upcaster(state=_with_mind(_COMPANION_1, 13, _COMPANION_2)),
}
"""By kind and the version it lifts from."""
