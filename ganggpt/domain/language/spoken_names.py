"""Turns the ids that a game writes into its texts into words that people would say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ganggpt.domain.world import World

_ACTOR: Final = re.compile(r"\b(npc|companion|player|faction|mission|server):([\w-]+)")
_ACCOUNT: Final = re.compile(r"\b(?:license2?|steam|discord|fivem|char\d*|xbl|live|ip):[0-9A-Za-z.]+")
"""Ids that games give to the accounts and characters of players."""
_NAME_IN_CODE: Final = re.compile(r"\b\w+(?:[_-]\w+)+")
_SOMEBODY: Final = "somebody"


def without_ids(text: str, world: World, names: Mapping[str, str] | None = None) -> str:
    """The text with names in the place of ids: ``npc:otis`` becomes Otis Bell, ``silver_watch`` silver watch.

    ``names``: of players, by actor. Whoever has no name is somebody.
    """
    text = _ACTOR.sub(lambda found: (names or {}).get(found[0]) or _name_of(found[1], found[2], world), text)
    text = _ACCOUNT.sub(_SOMEBODY, text)
    return _NAME_IN_CODE.sub(lambda found: _words_of(found[0], world), text)


def _name_of(kind: str, name: str, world: World) -> str:
    if kind == "npc" and name in world.npcs:
        return world.npcs[name].name
    if kind == "faction" and name in world.factions:
        return world.factions[name].name
    return {"faction": "some gang", "mission": "a job", "server": "the city"}.get(kind, _SOMEBODY)


def _words_of(word: str, world: World) -> str:
    for sheets in (world.things, world.districts, world.factions, world.npcs):
        if word in sheets:
            return str(sheets[word].name)
    return word.replace("_", " ").strip() if "_" in word else word
