"""One seed: build a world, let it play under faults, heal it, let it come to rest, ask the checkers."""

from __future__ import annotations

import random
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from ganggpt.actors.host import HostOptions
from ganggpt.actors.router import RouterOptions
from ganggpt.actors.shards import shared_shards
from ganggpt.actors.supervisor import Plan
from ganggpt.testing.sim.checks import Checks, Violation
from ganggpt.testing.sim.clients import Client, play
from ganggpt.testing.sim.cluster import Cluster, Setup
from ganggpt.testing.sim.database import SimDatabase
from ganggpt.testing.sim.loop import Scheduler
from ganggpt.testing.sim.network import Network
from ganggpt.testing.sim.sheet import WORLD, TerseMind, cast_of
from ganggpt.testing.stores import MemoryDatabase

EPOCH_S = 1_800_000_000.0


class Outcome(msgspec.Struct, frozen=True):
    """What became of one seed."""

    seed: int
    violations: list[Violation]
    commands: int
    virtual_s: float
    facts: dict[str, Any]


def run_seed(seed: int) -> Outcome:
    """Play one seed."""
    random.seed(seed)
    mistakes: list[str] = []
    scheduler = Scheduler(Random(f"{seed} order"))
    network = Network(scheduler, Random(f"{seed} network"), mistakes.append)
    tables = MemoryDatabase(lambda: EPOCH_S + scheduler.now_s, dict.fromkeys(shared_shards(8), "shared"))
    database = SimDatabase(network, tables, Random(f"{seed} database"))
    database.start()
    options = HostOptions(
        idle_s=3.0, mailbox_max=16, snapshot_every=8, sweep_s=2.0, reminder_s=1.0, delivery_s=4.0, hot_max=8
    )
    routing = RouterOptions(deadline_s=8.0, call_s=5.0, queue_max=64)
    plan = Plan(2, (), lease_s=3.0)
    setup = Setup(plan, options, routing, WORLD, cast_of(WORLD), TerseMind())
    cluster = Cluster(network, database, setup, Random(f"{seed} cluster"))
    cluster.start()
    dice = Random(f"{seed} clients")
    outside = network.spawn("outside")
    clients = [Client(outside, cluster, f"ls-{n}", tables.clock, Random(dice.random())) for n in range(2)]
    checks = Checks(database, cluster, clients)
    playing = []
    for n, client in enumerate(clients):
        work = play(client, f"ls-{n}", [f"p{n}a", f"p{n}b"], 20, Random(dice.random()))
        playing.append(outside.loop.start(work))
    done: Callable[[], bool] = lambda: all(task.done() for task in playing)  # noqa: E731
    if not scheduler.run(done, 120.0):
        checks.wrong("answered", "clients still wait")
    scheduler.run(lambda: False, scheduler.now_s + 3.0)
    checks.at_rest()
    for mistake in mistakes:
        checks.wrong("mistake", mistake)
    for process in list(network.processes):
        network.kill(process)
    commands = sum(len(client.record) for client in clients)
    facts = {"batches": scheduler.batches, "messages": network.messages, "rows": sum(map(len, tables.turns.values()))}
    return Outcome(seed, checks.violations, commands, scheduler.now_s, facts)
