"""The stores of one runtime, given or embedded, and the preparation of a database for a world."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from ganggpt.actors.routing.shards import shared_shards
from ganggpt.config import Settings
from ganggpt.domain.world import World
from ganggpt.errors import ConfigRejected, StartFailed, WorldRejected
from ganggpt.persistence import world_store
from ganggpt.persistence.connect import database_refusals
from ganggpt.persistence.embedded.stores import EmbeddedPostgres, EmbeddedRedis
from ganggpt.persistence.journal.partitions import ensure_partitions
from ganggpt.persistence.migrate import migrate
from ganggpt.persistence.pool import open_pool
from ganggpt.persistence.store_checks import check_database, check_redis
from ganggpt.runtime.connections import CONNECTIONS, command_pool
from ganggpt.runtime.redis_address import redis_url
from ganggpt.store_urls import read_database_url, redis_place
from ganggpt.worldfiles.changes import plan_of
from ganggpt.worldfiles.files import cast_of, load_world, world_folder

log = logging.getLogger(__name__)
T = TypeVar("T")

_REDIS_MB: Final = 128
_CONNECTIONS_MIN: Final = 100
_CONNECTIONS_SPARE: Final = 10
"""For the superuser and for other tools."""


@dataclass(frozen=True, slots=True)
class StoreAddresses:
    """The addresses of the stores. They contain passwords, so they never go into a log."""

    dsn: str = field(repr=False)
    redis_url: str | None = field(repr=False)


class Stores:
    """Owns the embedded servers of one data directory; starts none where the settings name a server.

    ``connections``: how many connections of the runtime an embedded Postgres has to accept.
    """

    def __init__(self, settings: Settings, connections: int = CONNECTIONS) -> None:
        self._settings = settings
        admitted = max(_CONNECTIONS_MIN, connections + _CONNECTIONS_SPARE)
        self._postgres = None if settings.database_url else EmbeddedPostgres(settings.data_dir, admitted)
        self._redis = None if settings.redis_url else EmbeddedRedis(settings.data_dir, _REDIS_MB)
        # A thread for each: a stop never overtakes the start it belongs to, also when nobody waits for that any more.
        self._threads = {name: ThreadPoolExecutor(1, name) for name in ("postgres", "redis")}

    async def check(self) -> None:
        """Use the stores that the settings name, as the world will. Raises ConfigRejected with all that is wrong."""
        await check_stores(self._settings, with_redis=True)

    async def start_database(self) -> tuple[str, str]:
        """The dsn, and a short text for people that says where it is. Raises StartFailed."""
        if self._postgres is None:
            url = self._settings.database_url
            assert url is not None
            return url.get_secret_value(), read_database_url(url.get_secret_value()).place
        return await self._run("postgres", self._postgres.start), "embedded"

    async def start_redis(self) -> tuple[str | None, str]:
        """The url or None, and a short text for people that says where it is. Raises StartFailed."""
        if self._redis is None:
            url = redis_url(self._settings)
            assert url is not None
            return url, redis_place(url)
        started = await self._run("redis", self._redis.start)
        return started, "embedded" if started else str(self._redis.absent_because)

    async def revive(self) -> None:
        """Restart embedded servers that ended; committed data is still there. Raises StartFailed."""
        for name, server in (("postgres", self._postgres), ("redis", self._redis)):
            if server is not None and server.pid is not None and not server.is_running():
                log.warning("embedded %s ended; it is started again", name)
                await self._run(name, server.start)

    async def stop(self) -> None:
        """Stop the embedded servers cleanly. Does nothing when none runs."""
        for name, server in (("redis", self._redis), ("postgres", self._postgres)):
            if server is not None:
                await self._run(name, server.stop)
            self._threads[name].shutdown(wait=False)

    async def _run(self, name: str, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads[name], work)


async def check_stores(settings: Settings, *, with_redis: bool) -> None:
    """Use the stores that the settings name, as a world will. Raises ConfigRejected with all that is wrong."""
    checks = []
    if settings.database_url is not None:
        checks.append(check_database(settings.database_url.get_secret_value(), command_pool(settings)))
    if with_redis and (url := redis_url(settings)) is not None:
        checks.append(check_redis(url))
    problems = tuple(problem for problem in await asyncio.gather(*checks) if problem is not None)
    if problems:
        raise ConfigRejected(problems)


async def prepare_database(settings: Settings, dsn: str) -> str:
    """Migrate the database to this program's schema and create today's partitions; returns the schema version.

    Raises Unavailable and StartFailed.
    """
    with database_refusals(dsn):
        version = await migrate(dsn)
        pool = await open_pool(dsn, command_pool(settings))
        try:
            await ensure_partitions(pool)
        finally:
            await pool.close()
    return version


async def name_of_world(settings: Settings, dsn: str) -> str:
    """The name of the world in the database; where it holds none yet, of the folder it will be loaded from."""
    pool = await open_pool(dsn, command_pool(settings))
    try:
        world, _ = await world_store.load_world(pool)
    except StartFailed:
        return settings.world.name
    else:
        return world.name
    finally:
        await pool.close()


async def ensure_world(settings: Settings, dsn: str) -> tuple[str, Sequence[str]]:
    """The title of the world in the database and its cast. Loads the world files if it holds none; warns where they
    are not those of the database.

    Raises WorldRejected for bad files, StartFailed where the database holds another world, Unavailable.
    """
    pool = await open_pool(dsn, command_pool(settings))
    try:
        try:
            world, cast = await world_store.load_world(pool)
        except StartFailed:
            log.info("the database holds no world yet; loading %s", settings.world)
        else:
            await asyncio.to_thread(_warn_of_other_files, settings, world)
            return world.title, list(cast)
        world = await asyncio.to_thread(load_world, world_folder(settings.world))
        members = {str(actor): (name, msgspec.msgpack.encode(command)) for actor, name, command in cast_of(world)}
        await world_store.create_world(pool, world, members, list(shared_shards(settings.shards)))
        return world.title, list(members)
    finally:
        await pool.close()


def _warn_of_other_files(settings: Settings, world: World) -> None:
    """Say that the world files are not those that were loaded: the world runs as it was loaded."""
    folder = world_folder(settings.world)
    if not folder.is_dir():
        return
    try:
        files = load_world(folder)
    except WorldRejected as rejected:
        log.warning(
            "the world files in %s have %d mistakes (`ganggpt world check` names them); the world runs as it was "
            "loaded before",
            folder,
            len(rejected.problems),
        )
        return
    if files.name != world.name or files == world:
        return
    changed = Counter(change.what for change in plan_of(world, files, {}).changes)
    log.warning(
        "the world files in %s are not those that this world was loaded from (%s); `ganggpt world load --dry-run` "
        "shows the differences, `ganggpt world load` applies them",
        folder,
        ", ".join(f"{count} {what}" for what, count in sorted(changed.items())),
    )
