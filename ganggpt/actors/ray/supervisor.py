"""The supervisor as a Ray actor, and how it and its hosts are started and ended."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from typing import Any, Final

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError

from ganggpt.actors.ray.calls import NAMESPACE, RayCalls, as_future
from ganggpt.actors.ray.fleet import START_S, RayFleet
from ganggpt.actors.ray.ports import ProcessSpec
from ganggpt.actors.supervision.plan import Plan
from ganggpt.errors import GangGPTError, StartFailed, Unavailable
from ganggpt.observability.log_file import start_logs
from ganggpt.observability.metrics import Metrics, ProcessReport
from ganggpt.private_files import keep_private

log = logging.getLogger(__name__)

SUPERVISOR: Final = "supervisor"
_REPORT_S: Final = 2.0


@ray.remote
class SupervisorActor:
    """The supervisor as a detached Ray actor. Its plan is an argument; all else it reads from Postgres."""

    def __init__(self, spec: ProcessSpec, plan: Plan) -> None:
        keep_private()
        start_logs(spec.logs, "supervisor")
        self._metrics = Metrics("supervisor")
        loop = asyncio.get_running_loop()
        self._booted: asyncio.Future[None] = loop.create_future()
        self._life = loop.create_task(self._live(spec, plan))

    async def boot(self) -> None:
        """Return once everything planned runs. Raises the error that prevented it."""
        await asyncio.shield(self._booted)

    async def report(self) -> ProcessReport:
        """The metrics of this process."""
        return self._metrics.report()

    async def _live(self, spec: ProcessSpec, plan: Plan) -> None:
        try:
            supervisor = await spec.open_supervisor(RayFleet(spec, RayCalls()), plan, self._metrics)
            await supervisor.boot()
            self._booted.set_result(None)
            await supervisor.run()
        except GangGPTError as failed:
            if not self._booted.done():
                self._booted.set_exception(failed)
                await asyncio.sleep(plan.lease_s)  # so that whoever waits hears why
        finally:
            log.error("the supervisor ends; Ray starts another")
            os._exit(1)


def start_supervisor(spec: ProcessSpec, plan: Plan) -> ActorHandle:
    """Start the supervisor, or find the one that runs."""
    actor: Any = SupervisorActor
    return actor.options(
        name=SUPERVISOR,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        max_restarts=-1,
        max_task_retries=-1,
        num_cpus=0,
    ).remote(spec, plan)


async def boot_supervisor(spec: ProcessSpec, plan: Plan) -> None:
    """Start the supervisor; returns once every shard has a host. Raises StartFailed, Unavailable."""
    try:
        await asyncio.wait_for(as_future(start_supervisor(spec, plan).boot.remote()), START_S * 2)
    except (RayError, TimeoutError) as failed:
        if isinstance(failed, GangGPTError):
            raise
        raise StartFailed(
            f"The hosts did not start: {str(failed)[:500]}", "The Ray dashboard shows which actor died and why."
        ) from failed


async def supervisor_reports(calls: RayCalls) -> Sequence[ProcessReport]:
    """The metrics of the supervisor of this cluster, if it answers."""
    try:
        async with asyncio.timeout(_REPORT_S):
            return (await (await calls.handle(SUPERVISOR)).report.remote(),)
    except (RayError, Unavailable, TimeoutError) as silent:
        log.debug("the supervisor does not answer: %s", silent)
        calls.drop(SUPERVISOR)
        return ()


async def drain_hosts(names: Sequence[str], within_s: float) -> list[str]:
    """End the supervisor, then drain these hosts and end their processes; returns the hosts that were not drained in
    time (the journal has everything they acknowledged)."""
    calls = RayCalls()
    try:
        ray.kill(await asyncio.to_thread(ray.get_actor, SUPERVISOR, NAMESPACE))
    except ValueError:
        log.info("no supervisor to stop")

    async def drain(name: str) -> str | None:
        try:
            handle = await calls.handle(name)
            await asyncio.wait_for(as_future(handle.drain.remote()), within_s)
        except (RayError, Unavailable, TimeoutError) as failed:
            log.warning("host %s was not drained: %s", name, failed)
            return name
        ray.kill(handle)
        return None

    return [name for name in await asyncio.gather(*map(drain, names)) if name is not None]
