"""Proves that journal, snapshots and the user's tables of a world agree, and repairs the tables.

Everything is read at one state of the database, so a running world can be verified too: actors whose last turns need
not be in the tables yet are skipped there. A repair owns all shards with an epoch of its own, as a host does: it is
refused while hosts run, and a host that takes over during it fences it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec import Struct

from ganggpt.actors.routing.shards import Residences
from ganggpt.domain.ids import kind_of
from ganggpt.domain.kinds import KINDS, VERSION
from ganggpt.errors import Fenced, RestoreRefused, Unavailable
from ganggpt.operations.journal_replay import Base, Finding, replay_actor, same_turns
from ganggpt.operations.snapshot_reader import bases_of, check_directory
from ganggpt.operations.snapshots import Progress, group_of, no_progress
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.persistence.ports.projections import Change
from ganggpt.persistence.projections.check import differing_actors
from ganggpt.persistence.projections.rows import Rows
from ganggpt.persistence.projections.verify import VerifyReads, WorldFacts
from ganggpt.persistence.projections.writer import PostgresFlush
from ganggpt.persistence.world_snapshot.cut import readers
from ganggpt.persistence.world_snapshot.manifest import Manifest
from ganggpt.persistence.world_snapshot.snapshot_files import SnapshotDirectory
from ganggpt.persistence.world_store import show_people

FINDINGS_MAX: Final = 1000
"""Findings that are kept; of more only their number."""
ACTORS_AT_ONCE: Final = 16_000
"""Actors that are looked at together; each time costs a scan of the tables."""
REPAIR: Final = "repair"
_BEAT_S: Final = 1.0
_FLUSH_SLACK_S: Final = 1.0


class Verified(Struct, frozen=True):
    """The outcome of a verification. ``proved``: actors whose state follows from their first turn or an older base;
    ``behind``: actors whose last turn is not in the tables and need not be yet; ``repaired``: disagreements of tables
    that were repaired."""

    world: str
    actors: int
    proved: int
    turns: int
    behind: int
    files: int
    disagreements: int
    repaired: int
    seconds: float
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether everything agrees, after repairs."""
        return self.disagreements == self.repaired


class _Tally:
    def __init__(self) -> None:
        self.actors = self.proved = self.turns = self.behind = self.files = self.found = self.repaired = 0
        self.findings: list[Finding] = []

    def note(self, findings: Sequence[Finding]) -> None:
        self.found += len(findings)
        self.findings += findings[: max(0, FINDINGS_MAX - len(self.findings))]


async def verify_world(
    dsn: str | None,
    *,
    source: str | None = None,
    repair: bool = False,
    lease_s: float = 10.0,
    pgbouncer: bool = False,
    progress: Progress = no_progress,
) -> Verified:
    """Verify the world of a database, a snapshot directory, or both against each other.

    ``dsn`` None: the directory alone. Raises RestoreRefused if the world is another one or a repair is not allowed,
    SnapshotInvalid, StorageFailed and Unavailable.
    """
    began_s = time.monotonic()
    tally, world = _Tally(), ""
    manifest: Manifest | None = None
    if source is not None:
        directory = SnapshotDirectory(source)
        manifest = await directory.manifest(VERSION)
        world = manifest.world
        tally.note(await check_directory(directory, manifest, progress))
        tally.files = len(manifest.members)
    if dsn is not None:
        pool = await open_pool(
            dsn, PoolOptions(min_size=0, max_size=3, pgbouncer=pgbouncer, application_name="ganggpt verify")
        )
        try:
            work = _Verification(pool, source, manifest, tally, progress)
            async with _ownership(pool, lease_s) if repair else _only_looking() as epoch:
                world = await work.run(epoch)
        finally:
            pool.terminate()
    return Verified(
        world=world,
        actors=tally.actors or (manifest.actors if manifest is not None else 0),
        proved=tally.proved,
        turns=tally.turns,
        behind=tally.behind,
        files=tally.files,
        disagreements=tally.found,
        repaired=tally.repaired,
        seconds=round(time.monotonic() - began_s, 2),
        findings=tuple(tally.findings),
    )


class _Verification:
    """One pass over a database."""

    def __init__(
        self, pool: Any, source: str | None, manifest: Manifest | None, tally: _Tally, progress: Progress
    ) -> None:
        self._pool = pool
        self._directory = None if source is None else SnapshotDirectory(source)
        self._manifest = manifest
        self._tally = tally
        self._progress = progress
        self._flush = PostgresFlush(pool)
        self._lived: set[str] = set()

    async def run(self, epoch: int | None) -> str:
        """Verify; with an ``epoch`` that owns all shards also repair. Returns the name of the world."""
        async with readers(self._pool, 1) as (reader,):
            reads = VerifyReads(reader.connection)
            await reads.prepare()
            facts = await self._facts(reads)
            actors = await reads.actors()
            self._tally.actors = len(actors)
            groups = self._manifest.groups if self._manifest else max(1, -(-len(actors) // ACTORS_AT_ONCE))
            members: list[list[str]] = [[] for _ in range(groups)]
            for actor in actors:
                members[group_of(actor, facts.shards, groups)].append(actor)
            for n, group in enumerate(members):
                self._progress("verify", n, groups)
                await self._group(reads, facts, n, group, epoch)
            self._progress("verify", groups, groups)
            self._tally.note([Finding("commands", one, f"command {i} was also applied by {other}")
                for i, one, other in await reads.doubled() if one != other])  # fmt: skip
            await self._shards(reads, facts)
            await self._cast(reads, epoch)
        if epoch is not None:
            await self._flush.flush(epoch, [], facts.now_s, facts.all_shards)
        return facts.name

    async def _facts(self, reads: VerifyReads) -> WorldFacts:
        facts = await reads.world()
        if facts is None:
            fix = "Name the database of a world: DATABASE_URL or --data-dir."
            raise RestoreRefused("no_world", "this database holds no world", fix)
        if self._manifest is not None and self._manifest.world != facts.name:
            problem = f"the database holds the world {facts.name!r}, the snapshot is of {self._manifest.world!r}"
            raise RestoreRefused("wrong_world", problem, "Name its database, or check only the files: --files-only.")
        return facts

    async def _group(
        self, reads: VerifyReads, facts: WorldFacts, n: int, group: Sequence[str], epoch: int | None
    ) -> None:
        bases: Mapping[str, Base] = {}
        if self._directory is not None and self._manifest is not None:
            bases = await bases_of(self._directory, self._manifest, n)
        kept = await reads.kept(group)
        states: dict[str, Any] = {}
        behind: set[str] = set()
        for actor in group:
            base = bases.get(actor)
            replayed = replay_actor(actor, kept[actor], base)
            self._tally.note(replayed.findings)
            if base is not None:
                self._tally.note(list(same_turns(actor, base, kept[actor])))
            self._tally.turns += len(kept[actor].turns)
            self._tally.proved += replayed.proved
            if replayed.state is not None:
                states[actor] = replayed.state
                if facts.flushed_s is None or kept[actor].last_s >= facts.flushed_s - _FLUSH_SLACK_S:
                    behind.add(actor)
            await asyncio.sleep(0)
        self._lived.update(states)
        await self._tables(reads, states, behind, epoch)

    async def _tables(self, reads: VerifyReads, states: Mapping[str, Any], behind: set[str], epoch: int | None) -> None:
        """Hold the tables against these states; with an epoch, write what differs."""
        rows = Rows()
        for actor, state in states.items():
            rows.add(actor, None, state)
        differing = await differing_actors(reads.connection, rows)
        wrong = {actor: table for actor, table in sorted(differing.items()) if actor not in behind}
        self._tally.note(
            [Finding("tables", actor, f"its rows in {table} are not its state") for actor, table in wrong.items()]
        )
        self._tally.behind += len(differing) - len(wrong)
        if epoch is not None and differing:
            changes: list[Change] = [(actor, None, states[actor]) for actor in sorted(differing)]
            await self._flush.flush(epoch, changes, None)
            self._tally.repaired += len(wrong)

    async def _cast(self, reads: VerifyReads, epoch: int | None) -> None:
        """Hold what lists show of those who never lived against the world files."""
        wrong = [actor for actor in await reads.wrong_cast() if actor not in self._lived]
        self._tally.note([Finding("tables", actor, "its row in npcs is not what the world says") for actor in wrong])
        if epoch is not None and wrong:
            await show_people(self._pool)
            self._tally.repaired += len(wrong)

    async def _shards(self, reads: VerifyReads, facts: WorldFacts) -> None:
        residences = Residences(facts.shards, frozenset(facts.own))
        for table, rows in (await reads.filed()).items():
            for actor, shard in rows:
                if kind_of(actor) not in KINDS or residences.shard_of(actor) != shard:
                    right = residences.shard_of(actor)
                    self._tally.note([Finding(table, actor, f"is kept under shard {shard}, it belongs under {right}")])


@asynccontextmanager
async def _only_looking() -> AsyncIterator[None]:
    yield None


@asynccontextmanager
async def _ownership(pool: Any, lease_s: float) -> AsyncIterator[int]:
    """Hold all shards as a host of its own while a repair runs. Raises RestoreRefused where another host lives."""
    hosts = PostgresHosts(pool, cluster=REPAIR)  # a cluster of its own: no supervisor takes it for one of its hosts
    await hosts.fence_stale(lease_s)
    _refuse_living([host.name for host in await hosts.alive()])
    epoch = (await hosts.register(REPAIR, "own", REPAIR)).epoch
    beating: asyncio.Task[None] | None = None
    try:
        shards = [row.shard for row in await hosts.routes()]
        await hosts.assign(dict.fromkeys(shards, REPAIR))
        _refuse_living(sorted({str(row.host) for row in await hosts.routes() if row.epoch != epoch}))
        beating = asyncio.create_task(_beat(hosts, epoch))
        yield epoch
    finally:
        if beating is not None:
            beating.cancel()
        await hosts.retire(epoch)


def _refuse_living(names: Sequence[str]) -> None:
    if names:
        problem = f"the world is running ({', '.join(names)} live) and writes its tables itself"
        raise RestoreRefused("running", problem, "Stop it (ganggpt down), then repair.")


async def _beat(hosts: PostgresHosts, epoch: int) -> None:
    """Keep the repair's epoch alive. A fenced one finds out with its next write."""
    while True:
        await asyncio.sleep(_BEAT_S)
        try:
            await hosts.beat(epoch)
        except Unavailable:
            continue
        except Fenced:
            return
