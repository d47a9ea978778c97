"""Shards are spread evenly, move only when it pays, and every plan of moves comes to rest."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from ganggpt.actors.supervision.placement import BATCH, bequests, moves, spread
from ganggpt.persistence.ports.hosts import LiveHost, RouteRow

LIMIT = 10_000


def epoch_of(name: str) -> int:
    return zlib.crc32(name.encode())


def hosts(*names: str) -> list[LiveHost]:
    return [LiveHost(n, "shared" if n.startswith("host:") else "own", epoch_of(n), 0.0) for n in names]


def rows(holders: dict[str, str | None]) -> list[RouteRow]:
    return [
        RouteRow(s, "shared" if s.startswith("s:") else "own", h, None if h is None else epoch_of(h))
        for s, h in holders.items()
    ]


def after(holders: dict[str, str | None], names: list[str], leaving: frozenset[str] = frozenset()) -> dict[str, str]:
    """Who holds what once the plan was carried out."""
    held = dict(holders)
    for move in moves(rows(holders), hosts(*names), leaving, LIMIT):
        assert len(move.shards) <= BATCH
        for shard in move.shards:
            assert held[shard] == move.giver != move.heir
            held[shard] = move.heir
    return held  # type: ignore[return-value]


def counts(held: dict[str, str], names: list[str]) -> list[int]:
    return [sum(holder == name for holder in held.values()) for name in names]


@given(st.integers(1, 6), st.integers(0, 80), st.integers(0, 80))
def test_orphans_go_where_there_is_least(host_count: int, held: int, orphans: int) -> None:
    names = [f"host:{n}" for n in range(host_count)]
    there: dict[str, str | None] = {f"s:{n}": names[0] for n in range(held)}
    there |= {f"s:{1000 + n}": None for n in range(orphans)}
    wanted = spread(rows(there), hosts(*names))
    load = [sum(h == name for h in wanted.values()) + (held if name == names[0] else 0) for name in names]
    assert len(wanted) == orphans
    assert max(load) - min(load) <= max(1, held)
    assert spread(rows(there), []) == {}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300), st.integers(2, 6))
def test_a_plan_evens_out_and_the_next_plan_is_empty(holders: list[int], host_count: int) -> None:
    names = [f"host:{n}" for n in range(host_count)]
    before = {f"s:{n}": names[h % host_count] for n, h in enumerate(holders)}
    held = after(before, names)
    even = len(holders) / host_count
    assert all(abs(count - even) <= max(1, even * 0.1) + 1 for count in counts(held, names))
    assert moves(rows(held), hosts(*names), frozenset(), LIMIT) == []  # type: ignore[arg-type]


@given(st.integers(1, 300), st.integers(2, 6))
def test_a_host_that_leaves_is_emptied_and_gets_nothing(shards: int, host_count: int) -> None:
    names = [f"host:{n}" for n in range(host_count)]
    before = {f"s:{n}": names[n % host_count] for n in range(shards)}
    held = after(before, names, frozenset({names[0]}))
    assert names[0] not in held.values()
    assert max(counts(held, names[1:])) - min(counts(held, names[1:])) <= BATCH


def test_nothing_moves_for_a_small_difference() -> None:
    before = {f"s:{n}": f"host:{n % 2}" for n in range(256)}
    before |= {f"s:{n}": "host:0" for n in range(300, 310)}
    assert moves(rows(before), hosts("host:0", "host:1"), frozenset(), LIMIT) == []


def test_an_actor_goes_home_when_its_host_lives_and_not_while_that_leaves() -> None:
    before = {"faction:x": "host:0", "faction:y": "host:1", "s:0": "host:0", "s:1": "host:1"}
    names = ["host:0", "host:1", "faction:x"]
    assert after(before, names) == {**before, "faction:x": "faction:x"}
    assert after(before, names, frozenset({"faction:x"})) == before


def test_shards_of_other_clusters_are_left_alone() -> None:
    before = {"s:0": "host:0", "s:1": "far", "s:2": None}
    assert after(before, ["host:0", "host:1"]) == before


@given(st.integers(0, 300), st.integers(1, 4), st.integers(1, 4))
def test_another_cluster_gets_everything_evenly(shards: int, givers: int, heirs: int) -> None:
    """Hosts of both clusters have the same names; only their epochs tell them apart."""
    ours = [LiveHost(f"host:{n}", "shared", n, 0.0, "blue") for n in range(givers)]
    theirs = [LiveHost(f"host:{n}", "shared", 100 + n, 0.0, "green") for n in range(heirs)]
    table = [RouteRow(f"s:{n}", "shared", f"host:{n % givers}", n % givers, "blue") for n in range(shards)]
    table.append(RouteRow("s:there", "shared", "host:0", 100, "green"))
    given_away = [(shard, move.heir) for move in bequests(table, ours, theirs) for shard in move.shards]
    assert sorted(shard for shard, _ in given_away) == sorted(row.shard for row in table[:-1])
    counts = [sum(name == heir.name for _, name in given_away) for heir in theirs]
    assert max(counts) - min(counts) <= BATCH
