"""What an NPC knows of its faction's friends, enemies and wars: what the faction told it last."""

from __future__ import annotations

from ganggpt.domain.faction import rules as faction
from ganggpt.domain.messages import DeclareWar, HearOfSides, ShiftRelation, ShowSides
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.commands import Revise, Talk
from ganggpt.domain.npc.sides import side_in_words
from ganggpt.domain.npc.state import SIDES_FRESH_S
from tests.support.builders import DAY_S, WORLD, Played, a_turn, an_npc_sheet
from tests.support.played import a_spawn
from tests.support.town import AVA, HARBOUR, MAIN, MARA, Town


def a_town() -> Town:
    """Factions without politics of their own, and Mara of the Harbour Crew, for whom a model speaks."""
    town = Town(faction.KIND, npc.KIND)
    town.found_all()
    town.due.clear()
    town.actors[MARA] = Played(npc.KIND, MARA, world=WORLD, has_model=True)
    town.do(MARA, a_spawn(), MAIN)
    return town


def known(town: Town) -> tuple[str, ...]:
    """What the prompt of Mara's next answer tells of her side."""
    decision = town.do(MARA, Talk("Who are your people fighting these days?"), AVA)
    (request,) = decision.model_requests
    told: tuple[str, ...] = request.brief.background.about_self
    return told


def test_until_it_heard_of_its_side_an_npc_goes_by_the_world() -> None:
    assert known(a_town()) == (
        "your side: Harbour Crew",
        "friends of your side: City Council",
        "its enemies: Vipers",
    )


def test_a_war_that_runs_is_known_and_one_that_is_over_is_not() -> None:
    town = a_town()
    town.do(HARBOUR, DeclareWar("council", town.now_s + DAY_S), "faction:council")
    known(town)
    assert known(town) == ("your side: Harbour Crew", "at war with City Council", "its enemies: Vipers, City Council")
    town.now_s += DAY_S + 1
    assert not any("war" in told for told in known(town))


def test_who_became_a_friend_is_told_as_one() -> None:
    town = a_town()
    for _ in range(12):
        town.do(HARBOUR, ShiftRelation("vipers", 20, "they saved our boat"), MAIN)
    known(town)
    assert "friends of your side: Vipers, City Council" in known(town)


def test_the_faction_is_asked_again_only_after_a_while_and_only_for_a_model() -> None:
    town = a_town()

    def asks() -> bool:
        said = town.do(MARA, Talk("Hello!"), AVA)
        return any(isinstance(message.command, ShowSides) for message in said.messages)

    assert [asks(), asks()] == [True, False]
    town.now_s += SIDES_FRESH_S + 1
    assert asks()
    town.now_s += SIDES_FRESH_S + 1
    town.actors[MARA].has_model = False
    assert not asks()


def test_who_changes_sides_forgets_how_the_old_one_stood_and_does_not_hear_it_any_more() -> None:
    town = a_town()
    town.do(HARBOUR, DeclareWar("council", town.now_s + DAY_S), "faction:council")
    known(town)
    town.do(MARA, Revise(faction="vipers"), MAIN)
    late = town.do(MARA, HearOfSides((), ("council",), {"council": town.now_s + DAY_S}), HARBOUR)
    assert late.reply == {"heard": False}
    turn = a_turn(MARA, now_s=town.now_s)
    assert side_in_words(town[MARA], turn) == ("your side: Vipers", "its enemies: Harbour Crew")


def test_the_boss_knows_to_be_the_boss_and_who_has_no_side_knows_of_none() -> None:
    boss = an_npc_sheet("mara", role="crew boss")
    world = type(WORLD)(**{**{f: getattr(WORLD, f) for f in WORLD.__struct_fields__}, "npcs": {"mara": boss}})
    told = {}
    for name, fields in (("mara", {}), ("otis", {"name": "Otis Bell"}), ("stray", {"name": "Stray", "faction": None})):
        one = Played(npc.KIND, f"npc:{name}", world=world)
        one.do(a_spawn(**{"missions": (), **fields}), MAIN)
        told[name] = side_in_words(one.state, a_turn(f"npc:{name}", world=world))[:1]
    assert told == {
        "mara": ("your side: Harbour Crew; you are its boss",),
        "otis": ("your side: Harbour Crew; its boss: Mara Voss",),
        "stray": (),
    }
