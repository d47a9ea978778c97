"""The budget of database connections: what every process may open never adds up to more than DATABASE_POOL_SIZE."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.config import Settings
from ganggpt.errors import ConfigInvalid
from ganggpt.runtime.composition import compose_world, world_connections
from ganggpt.runtime.connections import (
    COMMAND_MIN,
    CONNECTIONS,
    PoolSizes,
    Processes,
    command_connections,
    connections_min,
    connections_of,
    pool_sizes,
)
from ganggpt.runtime.sizing import Machine, world_size
from ganggpt.runtime.world_secrets import SecretSource

GIB = 1024**3
LAPTOP = Processes(host=2, own=4, bridge=1, gateway=0)
COUNTS = st.integers(0, 300)


def settings(**chosen: object) -> Settings:
    return Settings.model_construct(**{**Settings.model_construct().model_dump(), **chosen})


def opened(processes: Processes, sizes: PoolSizes, chosen: Settings) -> int:
    """Connections when every process has opened all it may, and a job runs beside them."""
    world = (
        processes.host * sizes.host
        + processes.own * sizes.own
        + processes.bridge * sizes.bridge
        + processes.gateway * sizes.gateway
        + processes.supervisor * sizes.supervisor
    )
    return world + command_connections(chosen)


@given(host=st.integers(1, 300), own=COUNTS, bridge=st.integers(1, 64), gateway=COUNTS, more=st.integers(0, 500))
def test_all_pools_together_keep_to_the_budget(host: int, own: int, bridge: int, gateway: int, more: int) -> None:
    processes = Processes(host, own, bridge, gateway)
    chosen = settings(database_pool_size=connections_min(processes) + more)
    sizes = pool_sizes(connections_of(chosen, processes), processes)
    assert opened(processes, sizes, chosen) <= chosen.database_pool_size
    assert min(sizes.host, sizes.bridge, sizes.gateway) >= 2
    assert sizes.own >= 1
    assert sizes.supervisor >= 3


@given(host=st.integers(1, 300), own=COUNTS, bridge=st.integers(1, 64), gateway=COUNTS)
def test_the_smallest_value_works_and_a_smaller_one_is_refused_with_its_name(
    host: int, own: int, bridge: int, gateway: int
) -> None:
    processes = Processes(host, own, bridge, gateway)
    least = connections_min(processes)
    assert connections_of(settings(database_pool_size=least), processes) == least
    with pytest.raises(ConfigInvalid, match=f"DATABASE_POOL_SIZE: .*Set it to {least} or more"):
        connections_of(settings(database_pool_size=least - 1), processes)


def test_a_laptop_fits_into_what_is_usual_and_a_large_machine_takes_what_it_needs() -> None:
    assert connections_of(settings(), LAPTOP) == CONNECTIONS
    assert pool_sizes(CONNECTIONS, LAPTOP) == PoolSizes(host=4, own=1, bridge=2, gateway=2, supervisor=3)
    large = Processes(host=16, own=32, bridge=8, gateway=1)
    assert connections_of(settings(), large) == connections_min(large) > CONNECTIONS


def test_a_pool_that_is_large_enough_for_everybody_is_not_used_up() -> None:
    assert pool_sizes(500, LAPTOP) == PoolSizes(host=8, own=2, bridge=8, gateway=2, supervisor=4)


def test_jobs_get_a_share_of_a_large_budget_and_never_less_than_they_need() -> None:
    assert command_connections(settings()) == COMMAND_MIN
    assert command_connections(settings(database_pool_size=80)) == 10


@pytest.mark.parametrize("replicas", [None, 3])
def test_up_and_a_cluster_divide_the_same_budget(replicas: int | None) -> None:
    chosen = settings(database_pool_size=60, hosts_max=6)
    size = world_size(chosen, Machine(2, 8 * GIB), replicas=replicas)
    assert world_connections(chosen, size) == 60
    world = compose_world(chosen, size, SecretSource(), has_redis=False)
    processes = Processes(host=6, own=4, bridge=1 if replicas is None else 6, gateway=0)
    pools = (world.host.pool, world.host.own_pool, world.bridge.pool, world.host.supervisor_pool)
    assert [pool.max_size for pool in pools] == [
        getattr(pool_sizes(60, processes), kind) for kind in ("host", "own", "bridge", "supervisor")
    ]
    assert world.gateway is None


def test_too_few_connections_are_refused_before_anything_starts() -> None:
    chosen = settings(database_pool_size=5)
    with pytest.raises(
        ConfigInvalid,
        match=r"5 connections are too few .*shared hosts: 2, bridges: 1, actors of their own: 4",
    ):
        world_connections(chosen, world_size(chosen, Machine(2, 8 * GIB)))
