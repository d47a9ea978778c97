"""Rating profiles: what the people of a world may say. Talk of crime is allowed in every profile; some things never
are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Rating = Literal["teen", "mature"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One rating. ``swearing``: rough language passes; ``gore``: blood and injury in detail pass; ``suggestive``:
    flirting beyond a compliment passes. Slurs, explicit sex, personal data, real brands, harm outside of the game and
    words of the machine are out in every profile."""

    name: Rating
    swearing: bool
    gore: bool
    suggestive: bool


PROFILES: Final[Mapping[Rating, Profile]] = {
    "teen": Profile("teen", swearing=False, gore=False, suggestive=False),
    "mature": Profile("mature", swearing=True, gore=True, suggestive=True),
}


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


MILDER: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (_any(r"\bmother ?f\w*cker(s?)\b"), "bastard"),
    (_any(r"\bf+u+c+k+(?:ing|in'?)\b"), "damn"),
    (_any(r"\bfucked\b"), "messed"),
    (_any(r"\bf+u+c+k+(?:er|ers|face)\b"), "bastard"),
    (_any(r"\bf+u+c+k+s?\b"), "damn"),
    (_any(r"\bbull ?shit\b"), "nonsense"),
    (_any(r"\bshitty\b"), "lousy"),
    (_any(r"\bs+h+i+t+s?\b"), "damn"),
    (_any(r"\b(?:cunt|twat|prick|dickhead|arsehole|asshole|cocksucker)s?\b"), "fool"),
    (_any(r"\b(?:bitch|bitches|whore|whores|slut|sluts)\b"), "snake"),
)
"""Rough words and what is said instead where swearing is off."""
GORE: Final = _any(
    r"\b(?:disembowel|dismember|decapitat|eviscerat|mutilat|flay|skin(?:ned)? (?:him|her|them|you) alive)\w*",
    r"\b(?:guts|entrails|intestines|brains?|eyeballs?)\b.{0,30}\b(?:spill|splatter|spray|all over|hang|pour|out of)\w*",
    r"\b(?:severed|chopped[- ]off|cut[- ]off|saw(?:ed|n)[- ]off) (?:head|hand|finger|ear|arm|leg|limb)s?\b",
    r"\b(?:gouge|gouged|rip|ripped|tear|tore) (?:out )?(?:his|her|your|their) (?:eyes?|throat|heart|tongue)\b",
    r"\bpool of (?:his|her|your|their) (?:own )?blood\b|\bblood (?:sprayed|gushed|spurted)\b",
)
SUGGESTIVE: Final = _any(
    r"\b(?:horny|naked|nude|topless|sexy|stripper|lap ?dance|hooker|booty call|in (?:my|your) bed|undress\w*)\b",
    r"\b(?:kinky|seduc\w+|make out with|spend the night with)\b",
)
