"""Ids of games are ids of players: they are kept as they are, and none of them is one of ours by mistake."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.domain.erasure import Subject, is_about, nameless
from ganggpt.domain.fields import is_actor, is_player
from ganggpt.domain.ids import ACTOR_ID_LENGTH_MAX, KIND_NAMES, actor_id, kind_of, name_of
from ganggpt.errors import InvalidInput
from ganggpt.persistence.ports.cache import actor_key
from ganggpt.persistence.projections.rows import player_id

OF_GAMES = (
    "license:1a2b3c4d5e6f708192a3b4c5d6e7f80911223344",
    "license2:1a2b3c4d5e6f708192a3b4c5d6e7f80911223344",
    "char1:1a2b3c4d5e6f708192a3b4c5d6e7f80911223344",
    "char:2",
    "steam:110000112345678",
    "discord:175928847299117063",
    "fivem:1234567",
    "xbl:2535412345678901",
    "live:914798123456789",
    "ip:203.0.113.7",
    "ABC12345",
    "Some.Social_Club-Name",
    "D8903A045D2C1E7A" * 8,
    "0198c5a0-0000-7000-8000-000000000001",
    "5f2b1d0c9a8e7f6d5c4b3a29181706f5e4d3c2b1a09f8e7d6c5b4a392817f6e5",
    "bob@example.org",
    "ava",
    "player_7-b",
)
"""What FiveM, its frameworks and RAGE:MP call a player, and ids from before."""
names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9:._@+=~-]{0,126}[A-Za-z0-9._@+=~-])?", fullmatch=True).filter(
    lambda name: not name.startswith(tuple(f"{kind}:" for kind in (*KIND_NAMES, "server")))
)


@pytest.mark.parametrize("name", OF_GAMES)
def test_an_id_of_a_game_is_the_id_of_a_player(name: str) -> None:
    player = actor_id(f"player:{name}")
    assert is_player(player)
    assert (kind_of(player), name_of(player)) == ("player", name)


@pytest.mark.parametrize("kind", [kind for kind in KIND_NAMES if kind != "player"])
@pytest.mark.parametrize("name", ["license:1a2b", "ABC", "a.b", "a" * 64, "", "a b", "a/b"])
def test_other_actors_have_names_of_ours(kind: str, name: str) -> None:
    with pytest.raises(InvalidInput):
        actor_id(f"{kind}:{name}")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("player:player:ava", "two kinds in front of a name"),
        ("player:npc:mara", "two kinds in front of a name"),
        ("player:server:main", "two kinds in front of a name"),
        ("player:license:", "not ending with a colon"),
        ("player:", "after player: come 1 to 128"),
        ("player:a b", "after player: come 1 to 128"),
        ("player:a/b", "after player: come 1 to 128"),
        ("player:a#b", "after player: come 1 to 128"),
        ("player:张伟", "after player: come 1 to 128"),
        ("player:" + "a" * 129, "after player: come 1 to 128"),
        ("license:1a2b", "is not kind:name with kind one of"),
        ("player:ava\n", "after player: come 1 to 128"),
    ],
)
def test_what_is_no_id_is_refused_with_what_is_wrong(wrong: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(says)):
        actor_id(wrong)


@given(names)
def test_a_name_is_kept_as_it_is_and_needs_no_escape(name: str) -> None:
    player = f"player:{name}"
    assert is_actor(player)
    assert len(player) <= ACTOR_ID_LENGTH_MAX
    assert name_of(actor_id(player)) == name
    assert quote(player, safe=":@+=~") == player
    assert urlsplit(f"http://bridge/v1/players/{name}?x=1").path == f"/v1/players/{name}"
    assert actor_key(player) == f"ganggpt:player:{name}:profile"


@given(names, names)
def test_two_ids_are_never_taken_for_one(one: str, other: str) -> None:
    if one == other:
        return
    a, b = f"player:{one}", f"player:{other}"
    assert actor_key(a) != actor_key(b)
    assert player_id(a) != player_id(b)
    assert not is_about(b, Subject(a))
    assert not is_about(f"{b}#7", Subject(a))
    assert nameless(f"I saw {b} there.", Subject(a)) == f"I saw {b} there."


@given(names, st.sampled_from([".", ":", ",", "!", " went", "'s", "#7", ") ", ""]))
def test_whoever_is_forgotten_is_found_wherever_their_id_ends(name: str, after: str) -> None:
    player = f"player:{name}"
    assert is_about(player + after, Subject(player))
    assert nameless(f"{player}{after}", Subject(player)) == f"somebody{after}"
    assert is_about(f"{name}.12.0", Subject(player))
