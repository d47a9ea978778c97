"""What players do, as game servers report it, and which deeds are wanted.

Both records are plain dataclasses, because they are parts of commands and validated with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final

from annotated_types import Ge, Le, Len

from ganggpt.domain.fields import Slug, Target
from ganggpt.domain.world import DEED_VERBS, DeedVerb

__all__ = ["DEED_VERBS", "HELPING", "Deed", "DeedVerb", "Deeds16", "Want", "Wants8", "matches", "wanted"]

COUNT_MAX: Final = 100
"""The largest count of one deed or one objective."""
HELPING: Final[frozenset[DeedVerb]] = frozenset(("defend", "deliver", "pay", "escort"))
"""Deeds that help a faction; all other reported deeds harm it."""

DeedCount = Annotated[int, Ge(1), Le(COUNT_MAX)]


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing a player did. ``target``: an actor id or the slug of a thing; ``district``: where it was done."""

    verb: DeedVerb
    target: Target
    district: Slug | None = None
    count: DeedCount = 1


@dataclass(frozen=True, slots=True)
class Want:
    """A deed that a mission asks for. ``district`` None: anywhere."""

    verb: DeedVerb
    target: Target
    district: Slug | None = None


Deeds16 = Annotated[tuple[Deed, ...], Len(0, 16)]
Wants8 = Annotated[tuple[Want, ...], Len(1, 8)]


def matches(want: Want, deed: Deed) -> bool:
    """Whether a deed is the wanted one: same verb, same target (whatever the case), right district."""
    return (
        want.verb == deed.verb
        and (want.district is None or want.district == deed.district)
        and want.target.casefold() == deed.target.casefold()
    )


def wanted(deeds: Iterable[Deed], wants: Iterable[Want]) -> tuple[Deed, ...]:
    """The deeds that match any of the wants."""
    wants = tuple(wants)
    return tuple(deed for deed in deeds if any(matches(want, deed) for want in wants))
