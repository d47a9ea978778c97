"""How much runs where."""

from __future__ import annotations

import pytest

from ganggpt.config import Settings
from ganggpt.runtime.sizing import Machine, host_count, own_actors_max, ray_slots, scale_of, world_size

GIB = 1024**3
CAST = [f"npc:n{n}" for n in range(30)] + [f"faction:f{n}" for n in range(5)]


def settings(**chosen: object) -> Settings:
    return Settings.model_construct(**{**Settings.model_construct().model_dump(), **chosen})


@pytest.mark.parametrize(("cpus", "hosts"), [(1, 2), (2, 2), (4, 2), (16, 8)])
def test_half_of_the_cpus_carry_shared_hosts_and_there_are_two_at_least(cpus: int, hosts: int) -> None:
    assert host_count(settings(), Machine(cpus, 8 * GIB)) == hosts


@pytest.mark.parametrize(("cpus", "gib", "own"), [(2, 1, 1), (2, 4, 4), (2, 64, 4), (8, 8, 8), (8, 64, 16)])
def test_processes_of_their_own_follow_memory_up_to_two_a_cpu(cpus: int, gib: int, own: int) -> None:
    assert own_actors_max(settings(), Machine(cpus, gib * GIB)) == own


def test_what_is_set_is_used() -> None:
    machine = Machine(2, 4 * GIB)
    chosen = settings(hosts=7, own_actors_max=0)
    assert host_count(chosen, machine) == 7
    assert world_size(chosen, machine).plan(CAST).own == ()


def test_factions_come_first_under_auto() -> None:
    own = world_size(settings(), Machine(2, 4 * GIB)).plan(CAST).own
    assert len(own) == 4
    assert all(actor.startswith("faction:") for actor in own)


def test_own_takes_all_of_the_cast_and_shared_nobody() -> None:
    machine = Machine(2, 4 * GIB)
    assert set(world_size(settings(residence="own"), machine).plan(CAST).own) == set(CAST)
    assert world_size(settings(residence="shared"), machine).plan(CAST).own == ()


@pytest.mark.parametrize("hosts", [1, 8, 100])
def test_every_plan_fits_the_slots_of_the_local_node(hosts: int) -> None:
    machine, chosen = Machine(2, 64 * GIB), settings(hosts=hosts, residence="own")
    plan = world_size(chosen, machine).plan(CAST)
    assert plan.scale is not None
    assert plan.scale.most * chosen.host_cpus + len(plan.own) * 0.01 < ray_slots(chosen, machine)


@pytest.mark.parametrize(
    ("cpus", "chosen", "bounds"),
    [(2, {}, (2, 2)), (16, {}, (8, 16)), (2, {"hosts_max": 6}, (2, 6)), (2, {"hosts": 4, "hosts_max": 3}, (4, 4))],
)
def test_hosts_scale_up_to_one_a_cpu_unless_it_is_set(
    cpus: int, chosen: dict[str, int], bounds: tuple[int, int]
) -> None:
    scale = scale_of(settings(**chosen), Machine(cpus, 8 * GIB))
    assert (scale.least, scale.most) == bounds


def test_hosts_that_ask_for_many_cpus_fit_all_the_same() -> None:
    machine, chosen = Machine(2, 8 * GIB), settings(hosts=2, hosts_max=8, host_cpus=4.0)
    assert ray_slots(chosen, machine) >= 8 * 4
