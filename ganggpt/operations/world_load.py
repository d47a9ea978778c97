"""Loads world files into a database: says what changes, and tells living actors of it by durable commands.

World, cast and commands are stored in one transaction. A running world delivers the commands within seconds; a stopped
one when it runs again. Loading the same files again changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from ganggpt.actors.host.activation import wake
from ganggpt.actors.routing.shards import shared_shard, shared_shards
from ganggpt.domain.ids import ActorId
from ganggpt.domain.kinds import encode_command
from ganggpt.domain.world import World
from ganggpt.errors import StartFailed
from ganggpt.persistence import world_store
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.journal import PostgresJournal
from ganggpt.worldfiles.changes import WorldChanges, actors_of, plan_of
from ganggpt.worldfiles.files import cast_of

_AT_ONCE: Final = 64
_POLL_S: Final = 0.25
_TOLD_S: Final = 60.0
"""How long a load waits for a running world to tell its actors. Later answers count as well."""
_SILENT_S: Final = 30.0
"""A host that was silent for so long does not run any more."""
_TRIES: Final = 3

Progress = Callable[[str], None]


class Loaded(Struct, frozen=True):
    """What a load did. ``plan`` is None where the database held no world before. ``running``: hosts live, so actors are
    told at once; ``waiting``: commands that were not delivered yet."""

    world: World
    plan: WorldChanges | None
    running: bool = False
    waiting: int = 0


async def compare(pool: Any, world: World, *, overwrite: bool = False, progress: Progress = lambda _: None) -> Loaded:
    """What a load would change. Raises StartFailed where the database holds another world, and Unavailable."""
    before = await _stored(pool, world)
    if before is None:
        return Loaded(world, None)
    return Loaded(world, await _plan(pool, before, world, overwrite=overwrite, progress=progress))


async def load(
    pool: Any, world: World, shards: int, *, overwrite: bool = False, progress: Progress = lambda _: None
) -> Loaded:
    """Load a world, and wait until a running one has told its actors. ``shards``: of a new world.

    Raises StartFailed where the database holds another world, and Unavailable.
    """
    cast = {str(actor): (name, msgspec.msgpack.encode(command)) for actor, name, command in cast_of(world)}
    for _ in range(_TRIES):
        before = await _stored(pool, world)
        if before is None:
            await world_store.create_world(pool, world, cast, list(shared_shards(shards)))
            return Loaded(world, None)
        plan = await _plan(pool, before, world, overwrite=overwrite, progress=progress)
        if plan.is_empty and before == world:
            return Loaded(world, plan)
        count = await world_store.shards_of(pool)
        told = [(shared_shard(actor, count), actor, c.tag, encode_command(c)) for actor, c in plan.told]
        if await world_store.change_world(pool, before, world, cast, told):
            running, waiting = await _delivered(pool, progress)
            return Loaded(world, plan, running, waiting)
    raise StartFailed("Other processes load this world at the same time.", "Try again when they are done.")


async def _stored(pool: Any, world: World) -> World | None:
    if await world_store.loaded_s(pool) == 0:
        return None
    before, _ = await world_store.load_world(pool)
    if before.name != world.name:
        raise StartFailed(
            f"This database holds the world {before.name!r}, not {world.name!r}.",
            "Use another database or data directory for the other world, or give the files the same name.",
        )
    return before


async def _plan(pool: Any, before: World, after: World, *, overwrite: bool, progress: Progress) -> WorldChanges:
    living = await _living(pool, actors_of(before, after), progress)
    return await asyncio.to_thread(plan_of, before, after, living, overwrite=overwrite)


async def _living(pool: Any, actors: list[str], progress: Progress) -> Mapping[str, Any]:
    """The states of those actors that have come to life, as their hosts committed them."""
    journal, now_s = PostgresJournal(pool, "world load"), time.time()
    living: dict[str, Any] = {}
    for start in range(0, len(actors), _AT_ONCE):
        progress(f"reading living actors ({start} of {len(actors)})")
        part = actors[start : start + _AT_ONCE]
        stored = await journal.load(part)
        for actor in part:
            state = wake(ActorId(actor), "", stored.get(actor), now_s).state if actor in stored else None
            if state is not None:
                living[actor] = state
    return living


async def _delivered(pool: Any, progress: Progress) -> tuple[bool, int]:
    """Whether hosts live, and how many commands are not delivered after a while."""
    hosts = PostgresHosts(pool)
    waiting = await world_store.untold(pool)
    for _ in range(int(_TOLD_S / _POLL_S)):
        if all(host.silent_s > _SILENT_S for host in await hosts.alive()):
            return False, waiting
        if not waiting:
            break
        progress(f"telling {waiting} actors")
        await asyncio.sleep(_POLL_S)
        waiting = await world_store.untold(pool)
    return True, waiting
