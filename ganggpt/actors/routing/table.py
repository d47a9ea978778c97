"""The routing table, read from Postgres: Ray only says how to reach a host, never who owns a shard."""

from __future__ import annotations

from collections.abc import Sequence

from ganggpt.actors.routing.shards import RemoteCluster, Residences, Routes
from ganggpt.persistence.ports.hosts import HostTable, RouteRow


def residences_of(rows: Sequence[RouteRow]) -> Residences:
    """Residences as the shard rows tell them."""
    own = frozenset(row.shard for row in rows if row.residence == "own")
    return Residences(len(rows) - len(own), own)


async def load_routes(hosts: HostTable) -> Routes:
    """One reading of the table, as a router of this cluster sees it. Raises Unavailable."""
    rows = await hosts.routes()
    holders, remote = {}, {}
    for row in rows:
        if row.host is None:
            continue
        if row.cluster == hosts.cluster:
            holders[row.shard] = row.host
        else:
            remote[row.shard] = RemoteCluster(str(row.cluster), row.bridge)
    return Routes(residences_of(rows), holders, remote)
