"""What the tables show follows from the two states alone."""

from __future__ import annotations

import json
import uuid

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ganggpt.domain.retirement import Absence
from ganggpt.persistence.projections.rows import (
    MemoryRow,
    Rows,
    memory_row,
    mind_of,
    player_id,
    row_id,
)
from tests.support.states import NOW_S, companion, faction, memory, mission, npc, player


def _rows(actor: str, old: object, new: object) -> Rows:
    rows = Rows()
    rows.add(actor, old, new)
    return rows


def test_a_player_named_by_a_uuid_has_that_id() -> None:
    name = "7d0a9f5e-0000-4000-8000-00000000abcd"
    assert player_id(f"player:{name}") == uuid.UUID(name)


def test_two_spellings_of_a_uuid_are_two_players() -> None:
    plain = "7d0a9f5e000040008000" + "00000000abcd"
    assert player_id(f"player:{plain}") != uuid.UUID(plain)
    assert player_id("player:anna") == player_id("player:anna") != player_id("player:ann")


def test_an_untouched_mind_has_nothing_to_write() -> None:
    state = npc(memory(1))
    rows = _rows("npc:mara", state, replace(state, mood=50.0))
    assert len(rows) == 0
    assert not rows.renewed


def test_only_what_changed_in_a_mind_is_written() -> None:
    one, two, three = memory(1), memory(2), memory(3)
    told = replace(two, rehearsed=1)
    rows = _rows("npc:mara", npc(one, two, three), npc(told, three, memory(4)))
    assert set(rows.memories) == {row_id("npc:mara", 2), row_id("npc:mara", 4)}
    assert rows.forgotten == {row_id("npc:mara", 1): one.created_s}
    assert not rows.renewed


def test_a_mind_the_tables_may_not_know_is_renewed_whole() -> None:
    rows = _rows("npc:mara", None, npc(memory(5)))
    assert rows.renewed == {"mara"}
    assert list(rows.memories) == [row_id("npc:mara", 5)]


def test_a_memory_of_a_player_brings_a_placeholder_for_them() -> None:
    rows = _rows("npc:mara", None, npc(memory(1, about="player:anna"), memory(2, about="npc:joe")))
    assert rows.placeholders == {player_id("player:anna"): "player:anna"}
    shown = {row.player_id for row in rows.memories.values()}
    assert shown == {player_id("player:anna"), None}


def test_text_loses_its_nul_and_keeps_the_rest() -> None:
    rows = _rows("npc:mara", None, npc(memory(1, "a\x00b \u202e 'quoted' {json} \U0001f600")))
    (row,) = rows.memories.values()
    assert json.loads(row.content)["text"] == "ab \u202e 'quoted' {json} \U0001f600"


def test_a_step_to_the_side_writes_no_player_row() -> None:
    state = player()
    assert len(_rows("player:anna", state, replace(state, position=(1.0, 2.0, 3.0), seen_s=NOW_S + 1))) == 0
    assert len(_rows("player:anna", state, replace(state, cash=5))) == 1


def test_a_player_who_never_joined_still_gets_a_name() -> None:
    (row,) = _rows("player:anna", None, player("")).players.values()
    assert (row.username, row.last_login_s, row.online) == ("anna", None, False)


def test_only_relations_that_moved_are_written_with_their_cause() -> None:
    before = faction(vagos=-40.0, families=10.0)
    after = replace(before, relations={**before.relations, "vagos": replace(before.relations["vagos"], value=-60.4)})
    rows = _rows("faction:ballas", before, after)
    assert not rows.factions
    (row,) = rows.relations.values()
    assert (row.a, row.b, row.strength, row.cause) == ("ballas", "vagos", -60, "because of vagos")


def test_a_mission_is_written_when_it_moves() -> None:
    state = mission()
    assert len(_rows("mission:m1", state, state)) == 0
    (row,) = _rows("mission:m1", state, replace(state, done=(1,), status="in_progress")).missions.values()
    assert row.status == "in_progress"
    assert json.loads(row.objectives)[0]["done"] == 1


def test_a_companion_keeps_its_bounds() -> None:
    (row,) = _rows("companion:rex", None, companion(memory(1), loyalty=100.4)).companions.values()
    assert row.loyalty_level == 100
    assert json.loads(row.memory_data)["memories"][0]["no"] == 1


def test_a_companion_that_went_away_says_so_and_one_that_is_there_does_not() -> None:
    there = companion(memory(1))
    (row,) = _rows("companion:rex", there, replace(there, gone="left")).companions.values()
    assert json.loads(row.memory_data)["gone"] == "left"
    (row,) = _rows("companion:rex", replace(there, gone="left"), there).companions.values()
    assert "gone" not in json.loads(row.memory_data)


_numbers = st.sets(st.integers(1, 12), max_size=8)


@given(st.lists(_numbers, min_size=1, max_size=8))
def test_diffs_one_after_the_other_or_in_one_batch_end_at_the_same_memories(stages: list[set[int]]) -> None:
    known = {no: memory(no) for no in range(1, 13)}
    states = [npc(*(known[no] for no in sorted(stage))) for stage in stages]
    table: dict[uuid.UUID, MemoryRow] = {}
    together = Rows()
    for old, new in zip([None, *states], states, strict=False):
        rows = _rows("npc:mara", old, new)
        if rows.renewed:
            table.clear()
        for gone in rows.forgotten:
            del table[gone]
        table.update(rows.memories)
        together.add("npc:mara", old, new)
    assert set(table) == set(together.memories) == {row_id("npc:mara", no) for no in stages[-1]}
    assert not set(together.forgotten) & set(together.memories)


def test_a_person_s_row_is_written_when_they_change_retire_or_return_and_only_then() -> None:
    here = npc()
    away = replace(here, absence=Absence(NOW_S, "on holiday"))
    promoted = replace(here, sheet=replace(here.sheet, role="boss"))
    for old, new in ((None, here), (here, away), (away, here), (here, promoted), (None, away)):
        row = _rows("npc:mara", old, new).npcs["mara"]
        assert (row.retired, row.role) == (new.absence is not None, new.sheet.role)
    assert _rows("npc:mara", here, replace(here, mood=50.0, sheet=replace(here.sheet))).npcs == {}
    assert _rows("npc:mara", away, replace(away, mood=50.0)).npcs == {}


def test_rows_of_a_companion_and_of_an_npc_with_its_name_are_not_mixed_up() -> None:
    rows = Rows()
    npcs, companions = memory_row(rows, "npc:rex", memory(1)), memory_row(rows, "companion:rex", memory(1))
    assert npcs.id != companions.id
    assert (npcs.npc_id, companions.npc_id) == ("rex", "companion:rex")
    assert [mind_of(row.npc_id) for row in (npcs, companions)] == ["npc:rex", "companion:rex"]
