"""A host knows which shards it holds, since when, and which of them stand still."""

from __future__ import annotations

from ganggpt.actors.routing.shards import shared_shard
from ganggpt.persistence.ports.hosts import LOCAL
from tests.support.host_parts import HOST, SHARDS, Rig, a_rig

MARA = "npc:mara"
HERS = shared_shard(MARA, SHARDS)


async def give_away(rig: Rig) -> None:
    await rig.hosts.register("host:1", "shared")
    await rig.hosts.hand_over(rig.identity.epoch, [HERS], LOCAL, "host:1")


async def test_it_holds_what_the_table_says_and_knows_who_holds_the_rest() -> None:
    rig = await a_rig()
    assert set(rig.shards) == set(rig.database.shards)
    assert rig.shards.holder_of(HERS) == HOST
    await give_away(rig)
    await rig.shards.refresh()
    assert HERS not in rig.shards
    assert len(rig.shards) == SHARDS - 1
    assert rig.shards.holder_of(HERS) == "host:1"


async def test_a_gain_is_told_once_with_the_shards_whose_last_owner_did_not_flush() -> None:
    rig = await a_rig()
    assert [set(owed) for owed in rig.gained] == [set(rig.database.shards)]
    await rig.shards.refresh()
    assert len(rig.gained) == 1


async def test_a_gain_that_was_handed_over_is_told_without_anything_owed() -> None:
    rig = await a_rig()
    await give_away(rig)
    await rig.shards.refresh()
    heir = next(epoch for epoch, host in rig.database.hosts.items() if host.name == "host:1")
    await rig.hosts.hand_over(heir, [HERS], LOCAL, HOST)
    await rig.shards.refresh()
    assert list(rig.gained[-1]) == []


async def test_a_frozen_shard_is_not_held_and_a_look_at_the_table_does_not_bring_it_back() -> None:
    rig = await a_rig()
    rig.shards.freeze([HERS])
    assert rig.shards.is_frozen(MARA, HERS)
    assert rig.shards.term_of(MARA) is None
    await rig.shards.refresh()
    assert HERS not in rig.shards
    assert HERS in rig.shards.with_frozen


async def test_after_a_thaw_a_new_term_begins() -> None:
    rig = await a_rig()
    before = rig.shards.term_of(MARA)
    rig.shards.freeze([HERS])
    rig.shards.thaw()
    after = rig.shards.term_of(MARA)
    assert before is not None
    assert after is not None
    assert after > before
    assert not rig.shards.is_frozen(MARA, HERS)


async def test_an_actor_that_stands_still_stops_nobody_else_of_its_shard() -> None:
    rig = await a_rig()
    rig.shards.freeze(actor=MARA)
    neighbour = next(f"npc:{n}" for n in range(100) if shared_shard(f"npc:{n}", SHARDS) == HERS)
    assert rig.shards.term_of(MARA) is None
    assert rig.shards.term_of(neighbour) is not None


async def test_what_was_let_go_is_neither_held_nor_frozen() -> None:
    rig = await a_rig()
    rig.shards.freeze([HERS])
    rig.shards.release()
    assert HERS not in rig.shards.with_frozen
    assert not rig.shards.is_frozen(MARA, HERS)


async def test_an_actor_becomes_a_shard_of_its_own_and_goes_back() -> None:
    rig = await a_rig()
    rig.shards.change_residence(MARA, own=True)
    assert rig.shards.shard_of(MARA) == MARA
    assert MARA in rig.shards
    rig.shards.change_residence(MARA, own=False)
    assert rig.shards.shard_of(MARA) == HERS
    assert MARA not in rig.shards


async def test_a_drained_host_takes_nothing_more_whatever_the_table_says() -> None:
    rig = await a_rig()
    rig.shards.drain()
    await rig.shards.refresh()
    assert list(rig.shards) == []
