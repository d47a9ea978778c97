"""What a command says about itself to those who send it: who may, and why it may be refused.

``docs/BRIDGE_COMMANDS.md`` and the OpenAPI are made of it; tests hold the rules to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple


class Doc(NamedTuple):
    """What a field of a reply or a push means: metadata of its type."""

    text: str

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The JSON Schema of the field, with its meaning."""
        return {**handler(schema), "description": self.text}


class Senders(Enum):
    """Who may send a command, as ``by`` says: a player, or nobody, which means the game server itself."""

    ANYBODY = "a player or the game server"
    PLAYER = "a player"
    SERVER = "the game server, not a player"
    THEMSELVES = "the player themselves or the game server"
    THEIR_SERVER = "the player themselves, or the game server they are on"
    FOR_THEMSELVES = "the player who will own it, or the game server"
    OWNER = "its owner"
    OWNER_OR_SERVER = "its owner or the game server"
    ITS_PLAYER = "the player it was offered to"


REASONS: Final[Mapping[str, str]] = {
    "contested": "a district of the new faction is another faction's ground: found it without, then `ClaimTerritory`",
    "gone": "the companion left, betrayed or was dismissed: `Recruit` it again",
    "grudge": "the companion went away from this player and will not come back yet; the message says when",
    "illegal_move": "the faction cannot make that move now: choose one of `ListMoves`",
    "mission_rejected": "the proposed mission cannot be played (`or_template` is false); the message says why",
    "name_taken": "a player who is there has a name that looks the same: let the player choose another one",
    "no_work": "the proposed mission cannot be used, and the NPC has no other work",
    "not_a_player": "only a player can do this: set `by`",
    "not_adjacent": "the district is not next to the faction's own ground",
    "not_allowed": "a player cannot do this: leave `by` out",
    "not_offered": "the mission was taken or is over: ask for its status with a read",
    "not_owner": "the player in `by` does not own this companion",
    "not_yours": "the player in `by` is not the one this is about",
    "offline": "the player is on no game server: send `Join` first",
    "other_server": "the player is on another game server: `Join` brings them to this one",
    "over": "the mission is completed, failed or expired already",
    "retired": "the NPC or the faction has left the world: `Spawn` or `Found` brings it back",
    "same_faction": "a faction has no relation to itself",
    "stale": "too much time or a turn has passed since this was asked for: ask again",
    "too_late": "the offer stood for ten minutes and is over: ask for work again",
    "too_many": "the faction holds as many districts as one can",
    "too_poor": "the faction cannot pay for the district; the message says the price",
    "too_soon": "the faction has moved within the last minute",
    "unknown_district": "the world has no district of that id: they stand in the world files",
    "unknown_faction": "the faction does not know another one of that id",
}
"""Every reason of a refusal that a command from outside can meet, and what to do about it."""
