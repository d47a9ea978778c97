"""The runtime without Ray on real stores of its own, which a test may stop and start again."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ganggpt.config import read_settings
from ganggpt.persistence.embedded.stores import EmbeddedPostgres, EmbeddedRedis
from ganggpt.runtime.hosts import HostSpec
from ganggpt.runtime.stores import ensure_world, prepare_database
from ganggpt.runtime.world_secrets import WorldSecrets, write_secrets
from tests.support.mortal_world import World, running


@pytest.fixture
async def world() -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory(prefix="ganggpt-recovery-", ignore_cleanup_errors=True) as home:
        postgres, redis = EmbeddedPostgres(Path(home)), EmbeddedRedis(Path(home))
        dsn = await asyncio.to_thread(postgres.start)
        url = await asyncio.to_thread(redis.start)
        secrets = write_secrets(Path(home), WorldSecrets(dsn=dsn, token="of no use here", redis_url=url))
        settings = read_settings(data_dir=Path(home))
        await prepare_database(settings, dsn)
        await ensure_world(settings, dsn)
        async with running(postgres, redis, HostSpec(secrets)) as world:
            yield world
        await asyncio.to_thread(redis.stop)
        await asyncio.to_thread(postgres.stop)
