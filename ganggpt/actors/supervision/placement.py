"""Which shards should move where: pure decisions of the supervisor, from what the table says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import Final

from msgspec import Struct

from ganggpt.persistence.ports.hosts import LiveHost, RouteRow

BATCH: Final = 4
"""Shards of one move: few, so that the freeze is short."""
SLACK: Final = 0.1
"""Hosts may differ by this share of an even load before anything is moved, so that nothing moves back and forth."""


class Move(Struct, frozen=True):
    """Shards that should go from one live host to another."""

    shards: tuple[str, ...]
    giver: str
    heir: str


def spread(rows: Sequence[RouteRow], hosts: Sequence[LiveHost]) -> dict[str, str]:
    """A host for every shard without one: always the one with the fewest shards. Empty where there is no host."""
    held = Counter(row.epoch for row in rows)
    load = {host.name: held[host.epoch] for host in hosts}
    wanted: dict[str, str] = {}
    for row in rows:
        if row.host is None and load:
            name = min(load, key=lambda host: load[host])
            load[name] += 1
            wanted[row.shard] = name
    return wanted


def moves(rows: Sequence[RouteRow], live: Sequence[LiveHost], leaving: Collection[str], limit: int) -> list[Move]:
    """At most ``limit`` moves, the most wanted first: actors go home to the host of their own, hosts that are
    ``leaving`` (by name) are emptied, then the shared hosts are evened out. ``live``: the hosts of one cluster."""
    names = {host.epoch: host.name for host in live}
    held: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.epoch in names:
            held[names[row.epoch]].append(row.shard)
    own = {host.name for host in live if host.kind == "own"} - set(leaving)
    wanted = [
        Move((row.shard,), names[row.epoch], row.shard)
        for row in rows
        if row.epoch in names and row.shard in own and row.host != row.shard
    ]
    staying = [host.name for host in live if host.kind == "shared" and host.name not in leaving]
    if staying:
        going_home = {move.shards[0] for move in wanted}
        load = {name: [s for s in held[name] if s not in going_home] for name in staying}
        for name in (host.name for host in live if host.name in leaving):
            wanted += _emptied(name, [s for s in held[name] if s not in going_home], load)
        wanted += _evened(load)
    return wanted[:limit]


def bequests(rows: Sequence[RouteRow], live: Sequence[LiveHost], heirs: Sequence[LiveHost]) -> list[Move]:
    """Moves of everything that ``live`` hosts hold to the hosts of another cluster, evenly."""
    load: dict[str, list[str]] = {heir.name: [] for heir in heirs}
    found: list[Move] = []
    for giver in live:
        found += _emptied(giver.name, [row.shard for row in rows if row.epoch == giver.epoch], load)
    return found


def _emptied(giver: str, shards: list[str], load: dict[str, list[str]]) -> list[Move]:
    found = []
    for start in range(0, len(shards), BATCH):
        heir = min(load, key=lambda name: len(load[name]))
        batch = shards[start : start + BATCH]
        load[heir] += batch
        found.append(Move(tuple(batch), giver, heir))
    return found


def _evened(load: dict[str, list[str]]) -> list[Move]:
    """Moves after which no host has two more than another; none while all are within the slack."""
    total = sum(map(len, load.values()))
    mean = total / len(load)
    if all(abs(len(shards) - mean) <= max(1.0, mean * SLACK) for shards in load.values()):
        return []
    fullest = sorted(load, key=lambda name: -len(load[name]))
    share = {name: total // len(load) + (n < total % len(load)) for n, name in enumerate(fullest)}
    spare = {
        name: [s for s in load[name] if s.startswith("s:")][: max(0, len(load[name]) - share[name])] for name in load
    }
    found: list[Move] = []
    for heir, shards in load.items():
        lacks = share[heir] - len(shards)
        for giver, ready in spare.items():
            while lacks > 0 and ready:
                batch = ready[: min(BATCH, lacks)]
                del ready[: len(batch)]
                lacks -= len(batch)
                found.append(Move(tuple(batch), giver, heir))
    return found
