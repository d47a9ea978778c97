"""One example of every command, in an order in which a game server could send them to the world that ships.

``docs/BRIDGE_COMMANDS.md`` and the OpenAPI show them; tests send them, in this order, to that world.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

BOB: Final = "player:license:1a2b3c4d5e6f708192a3b4c5d6e7f80911223344"
"""A player as FiveM knows them."""
MISSION: Final = "mission:0198c5a0-0000-7000-8000-000000000007"
"""Stands for the mission that an NPC offered: the field ``mission`` of the reply."""


class Example(NamedTuple):
    """A command. ``by`` None: the game server itself."""

    to: str
    do: str
    arguments: Mapping[str, Any] = {}
    by: str | None = None

    def on_wire(self) -> dict[str, Any]:
        """As it stands in a frame, but for its id."""
        shown = {"to": self.to, "do": self.do, "with": dict(self.arguments)}
        return shown if self.by is None else {**shown, "by": self.by}


EXAMPLES: Final = (
    Example(BOB, "Join", {"username": "Bob Hale", "server": "los-santos-1"}),
    Example(
        "npc:mara",
        "Talk",
        {
            "text": "Hello, Mara. I owe you one.",
            "name": "Bob",
            "scene": {"place": "the back room of the club", "minute": 1385, "weather": "rain", "near": ["Deke"]},
        },
        BOB,
    ),
    Example("npc:mara", "Hush", {"heard": 1}, BOB),
    Example("npc:mara", "Observe", {"what": "crashed a red car into the diner", "weight": 35, "about": BOB}),
    Example("npc:mara", "Give", {"item": "old watch", "value": 900, "name": "Bob"}, BOB),
    Example("npc:mara", "Threaten", {"text": "Last warning.", "armed": True}, BOB),
    Example("npc:jonelle", "AskForWork", {"name": "Bob"}, BOB),
    Example(MISSION, "Accept", by=BOB),
    Example(
        BOB,
        "Report",
        {
            "position": [-112.5, -1480.0, 33.8],
            "district": "ballast-row",
            "deeds": [{"verb": "collect", "target": "tool-crate", "district": "cinder-flats"}],
            "scene": {"place": "behind the freight office", "minute": 1385, "weather": "rain"},
        },
        BOB,
    ),
    Example(MISSION, "Abandon", by=BOB),
    Example("npc:mara", "OutlineWork", {"player": BOB}),
    Example(
        "npc:mara",
        "ProposeMission",
        {
            "player": BOB,
            "title": "Tools for the Row",
            "description": "Fetch a crate of tools and bring it home.",
            "objectives": [
                {"verb": "collect", "target": "tool-crate", "district": "cinder-flats"},
                {"verb": "deliver", "target": "tool-crate", "district": "ballast-row"},
            ],
            "difficulty": 2,
            "minutes": 45,
            "reward": 900,
        },
    ),
    Example(
        "npc:dot-fisher",
        "Spawn",
        {
            "name": "Dot Fisher",
            "role": "ferry hand",
            "home": "ballast-row",
            "faction": "ballas",
            "traits": {"friendliness": 70, "temper": 20, "greed": 30, "courage": 40},
            "style": "street",
            "backstory": "Has seen every boat that ever left without lights.",
        },
    ),
    Example(
        "companion:rex-7",
        "Recruit",
        {"owner": BOB, "name": "Rex", "companion_type": "bodyguard", "personality": {"courage": 80, "loyalty": 60}},
        BOB,
    ),
    Example("npc:jonelle", "Revise", {"role": "harbour guide", "home": "figtree"}),
    Example("npc:trixie", "Retire", {"reason": "moved to another city"}),
    Example("companion:rex-7", "Talk", {"text": "Stay close tonight."}, BOB),
    Example("companion:rex-7", "Hush", {}, BOB),
    Example("companion:rex-7", "Order", {"order": "guard", "target": "the car"}, BOB),
    Example("companion:rex-7", "GainExperience", {"amount": 120, "cause": "the heist at the docks"}),
    Example("companion:rex-7", "Suffer", {"harm": 15, "cause": "was left behind at the docks"}),
    Example("companion:rex-7", "Dismiss", {}, BOB),
    Example(
        "faction:ferrymen",
        "Found",
        {
            "name": "The Ferrymen",
            "kind": "gang",
            "motto": "No questions on the water",
            "home": "ballast-row",
            "traits": {"aggression": 30, "greed": 60, "loyalty": 80, "cunning": 70},
        },
    ),
    Example("faction:ballas", "Revise", {"motto": "The Row remembers everything"}),
    Example("faction:harrow-kin", "Retire", {"reason": "the season is over"}),
    Example("faction:ballas", "ShiftRelation", {"other": "ansel-nine", "delta": -5, "cause": "a fight at the market"}),
    Example("faction:ballas", "ListMoves"),
    Example("faction:ballas", "MakeMove", {"move": "rest"}),
    Example("faction:ballas", "ClaimTerritory", {"district": "ballast-row"}),
    Example(BOB, "Quit", by=BOB),
)
