"""Brings a whole world up and down: stores, schema, world, Ray, hosts, bridge.

Parts that do not need each other start at the same time. When one fails, everything that was started is stopped again
and nothing else is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

import httpx
import msgspec
import psutil

from ganggpt.ai.minds.prompt_files import read_prompts
from ganggpt.config import Settings
from ganggpt.errors import ConfigInvalid, GangGPTError, StartFailed, first_error
from ganggpt.observability.log_file import LOG_FOLDER, UpLog, progress
from ganggpt.persistence.embedded.child_server import DirectoryLock
from ganggpt.private_files import keep_private, narrow, private_directory
from ganggpt.runtime.composition import (
    BridgeSpec,
    GatewaySpec,
    WorldSpecs,
    compose_world,
    log_options,
    world_connections,
)
from ganggpt.runtime.data_dir import make_usable
from ganggpt.runtime.embedding_trial import try_embeddings
from ganggpt.runtime.model_plan import keys_of
from ganggpt.runtime.network_ports import WantedPorts, WorldPorts, choose_ports, ray_directory
from ganggpt.runtime.port_claims import PortClaims
from ganggpt.runtime.ray_cluster import (
    GCS,
    GCS_RETURNS,
    LocalHead,
    RayThread,
    end_strays,
    join_cluster,
)
from ganggpt.runtime.run_file import TOKEN_FILE, Run, bridge_token, remove_run, write_run
from ganggpt.runtime.sizing import ray_slots, this_machine, world_size
from ganggpt.runtime.stores import StoreAddresses, Stores, ensure_world, name_of_world, prepare_database
from ganggpt.runtime.world_secrets import WorldSecrets, drop_secrets, remove_secrets, write_secrets
from ganggpt.worldfiles.files import load_world, world_folder

log = logging.getLogger(__name__)
T = TypeVar("T")

_WATCH_S: Final = 0.25
_POLL_S: Final = 0.05
_SERVE_STOP_S: Final = 15.0
_DASHBOARD_STARTS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Step:
    """Progress of one part of the start: ``name``, ``state`` (started, done, failed), seconds, a text for people."""

    name: str
    state: str
    seconds: float = 0.0
    detail: str = ""


class Front(Protocol):
    """The part that answers game servers. ``ganggpt.serve.app`` implements it; it may import this package, not the
    other way round."""

    def start_serve(self, host: str, port: int) -> None:
        """Start Serve in the cluster this process is connected to; it listens on this address and port."""
        ...

    def deploy_bridge(self, spec: BridgeSpec, gateway: GatewaySpec | None) -> None:
        """Deploy the bridge, and the model gateway where there is one; returns once they run. Raises RuntimeError."""
        ...

    async def remove_bridge(self) -> None:
        """Say bye to every session, then delete the bridge."""
        ...


class Runtime:
    """Owns everything one ``ganggpt up`` starts. ``start`` once, ``watch`` while it lives, ``stop`` at the end.

    ``load_front`` is called once Ray runs: Ray reads its environment when it is imported, and a start sets it first.
    Mistakes in models, prices and sizes show before anything is started: raises ConfigRejected, ConfigInvalid and
    WorldRejected.
    """

    def __init__(self, settings: Settings, report: Callable[[Step], None], load_front: Callable[[], Front]) -> None:
        self._settings = settings.model_copy(update={"data_dir": settings.data_dir.expanduser().resolve()})
        self._report = report
        self._load_front = load_front
        self._machine = this_machine()
        self._size = world_size(self._settings, self._machine)
        self._lock = DirectoryLock(self._settings.data_dir / "up.lock", "the world")
        self._stores = Stores(self._settings, world_connections(self._settings, self._size))
        self._claims = PortClaims()
        self._logs = self._settings.data_dir / LOG_FOLDER
        self._log: UpLog | None = None
        self._world = ""
        self._addresses: StoreAddresses | None = None
        self._ray_thread = RayThread()
        self._head: LocalHead | None = None
        self._ray_starting: asyncio.Future[str] | None = None
        self._joined = False
        self._owned = False
        self._running: Run | None = None
        self._hosts_started = False
        self._bridge_started = False
        self._draining: asyncio.Task[list[str]] | None = None
        self._began_s = time.monotonic()

    async def start(self) -> Run:
        """Bring everything up; return its addresses once the bridge is ready. Raises GangGPTError."""
        try:
            run = await self._start()
        except GangGPTError as failed:
            progress.error("the start failed: %s", failed)
            raise
        except Exception:
            progress.exception("the start failed")
            raise
        progress.info("ready after %.1f s: process %d, bridge %s", run.ready_s, run.pid, run.bridge)
        return run

    async def _start(self) -> Run:
        settings = self._settings
        read_prompts(settings.prompts_dir)  # mistakes in prompts show before anything is started
        keep_private()
        drop_secrets()
        make_usable(settings.data_dir)
        private_directory(settings.data_dir)
        self._lock.take()
        self._owned = True
        self._log = UpLog(self._logs, settings.world.name, "up")
        await asyncio.to_thread(narrow, settings.data_dir)
        await self._check_what_is_given()
        token = bridge_token(settings)
        directory = ray_directory(settings.data_dir)
        await asyncio.to_thread(end_strays, directory)
        ports = self._choose_ports()
        if settings.ray_address is None:
            self._head = LocalHead(directory, settings.data_dir, ports, settings.server_host)
            self._head.prepare()

        async with _first_error() as tasks:
            specs = tasks.create_task(self._start_stores(token, ports))
            ray = tasks.create_task(self._step("Ray", self._start_ray()))
            serve = tasks.create_task(self._start_serve(ray, ports))
            hosts = tasks.create_task(self._start_hosts(specs, ray))
            tasks.create_task(self._start_bridge(specs, serve, ports))
            tasks.create_task(self._until_ready(hosts, ports))
        self._running = self._run(ray.result(), ports)
        write_run(settings.data_dir, self._running)
        return self._running

    async def _check_what_is_given(self) -> None:
        """Find mistakes in addresses of stores, embedding models and world files before anything is started."""
        settings = self._settings
        if settings.database_url is not None or settings.redis_url is not None:
            await self._step("given stores", self._stores.check())
        if settings.embeddings_dir is not None:
            await self._step("embedding model", try_embeddings(settings.embeddings_dir))
        if settings.database_url is None and not (settings.data_dir / "postgres").exists():
            # A new world is made of its files; one that is there does not need them any more.
            folder = world_folder(settings.world)
            if not folder.is_dir():
                fix = "Name a folder of world files (--world); los-santos comes with the program."
                raise ConfigInvalid("GANGGPT_WORLD", f"there is no folder {folder}", fix)
            await asyncio.to_thread(load_world, folder)

    async def keep_dashboard(self) -> None:
        """Start the Ray dashboard, after the world is ready because it is slow, and again where it ends; runs until
        cancelled. The world does not need it: what keeps it from running is a warning."""
        head, run = self._head, self._running
        if head is None or run is None:
            return
        for _ in range(_DASHBOARD_STARTS_MAX):
            try:
                address = await self._step("dashboard", self._in_ray_thread(head.start_dashboard))
            except StartFailed as failed:
                log.warning("the world runs without the Ray dashboard: %s", failed)
                break
            if address != run.dashboard:
                log.warning("the Ray dashboard is at %s now, no longer at %s", address, run.dashboard)
                run = msgspec.structs.replace(run, dashboard=address)
                write_run(self._settings.data_dir, run)
            while not head.dashboard_ended():  # noqa: ASYNC110 - Ray has no event for it
                await asyncio.sleep(_WATCH_S)
            log.warning("the Ray dashboard ended")
        write_run(self._settings.data_dir, msgspec.structs.replace(run, dashboard=""))

    async def watch(self) -> None:
        """Restart embedded stores that ended; runs until cancelled. Raises StartFailed when Ray ended."""
        while True:
            await asyncio.sleep(_WATCH_S)
            await self._stores.revive()
            if self._head is not None and (ended := self._head.ended()):
                if ended != (GCS,) or not GCS_RETURNS:
                    what = f"Ray's {', '.join(ended)} ended while the world ran."
                    raise StartFailed(what, "Start again; nothing acknowledged is lost.")
                log.warning("Ray's GCS ended; it is started again")
                await self._in_ray_thread(self._head.restart_gcs)

    async def stop(self) -> list[str]:
        """Close the bridge, drain the hosts, and stop everything that was started. Returns the hosts that were not
        drained in time; everything they acknowledged is in the journal."""
        if not self._owned:
            return []
        self._draining = asyncio.create_task(self._close_and_drain())
        try:
            await asyncio.wait((self._draining,))
            undrained = [] if self._draining.cancelled() else self._draining.result()
        finally:
            remove_run(self._settings.data_dir)
            remove_secrets(self._settings.data_dir)
            if self._ray_starting is not None:
                await asyncio.wait((self._ray_starting,))
            if self._head is not None:
                await self._step("Ray stopped", asyncio.to_thread(self._head.stop))
            elif self._joined:
                await asyncio.to_thread(_leave_cluster)
            await asyncio.to_thread(self._ray_thread.close)
            await self._step("stores stopped", self._stores.stop())
            if self._log is not None:
                self._log.close()
            self._claims.release()
            self._lock.release()
        return undrained

    def hurry(self) -> None:
        """Skip the rest of the draining of a running ``stop``."""
        if self._draining is not None:
            self._draining.cancel()

    async def _close_and_drain(self) -> list[str]:
        if self._head is not None and self._head.ended():
            return []
        if self._bridge_started:
            await self._step("bridge closed", self._stop_bridge())
        return await self._step("hosts drained", self._drain()) if self._hosts_started else []

    async def _start_stores(self, token: str, ports: WorldPorts) -> WorldSpecs:
        redis = asyncio.create_task(self._step("Redis", self._stores.start_redis()))
        try:
            dsn, _ = await self._step("Postgres", self._stores.start_database())
            await self._step("schema", prepare_database(self._settings, dsn))
            url, _ = await redis
        finally:
            redis.cancel()
        self._addresses = StoreAddresses(dsn, url)
        world = await name_of_world(self._settings, dsn)
        if self._log is not None:
            self._log.name_world(world)
        self._world = world
        bridge = self._settings.bridge_url or f"ws://127.0.0.1:{ports.server}/v1/bridge"
        settings = self._settings.model_copy(update={"bridge_url": bridge})
        secrets = WorldSecrets(dsn=dsn, token=token, redis_url=url, keys=keys_of(settings))
        source = write_secrets(settings.data_dir, secrets)
        # Hosts of a cluster that is joined may be on machines that do not have this directory.
        logs = log_options(settings, world, self._logs if self._head is not None else None)
        return compose_world(settings, self._size, source, has_redis=url is not None, logs=logs)

    async def _start_ray(self) -> str:
        address = self._settings.ray_address
        if self._head is not None:
            head, slots = self._head, ray_slots(self._settings, self._machine)
            self._ray_starting = self._in_ray_thread(lambda: head.start(slots))
        else:
            assert address is not None
            self._joined = True
            self._ray_starting = self._in_ray_thread(lambda: join_cluster(address))
        # Shielded: a thread cannot be interrupted, and a stop has to wait for what it started.
        return await asyncio.shield(self._ray_starting)

    async def _start_serve(self, ray: Awaitable[str], ports: WorldPorts) -> None:
        await ray
        front = self._load_front()
        # Serve sets its own level at import.
        logging.getLogger("ray.serve").setLevel(logging.getLogger("ray").getEffectiveLevel())
        host = self._settings.server_host if self._head is None else self._head.serve_host
        await self._step("Serve", _on_serve(lambda: front.start_serve(host, ports.server), self._logs))

    async def _start_hosts(self, specs: Awaitable[WorldSpecs], ray: Awaitable[str]) -> None:
        host, dsn = (await specs).host, self._database()
        title, cast = await self._step("world", ensure_world(self._settings, dsn))
        await ray
        from ganggpt.runtime.world_hosts import start_hosts

        plan = self._size.plan(cast)
        self._hosts_started = True
        await self._step("hosts", start_hosts(self._settings, dsn, host, plan))
        log.info("%s lives on %d shared hosts and %d own actors", title, plan.hosts, len(plan.own))

    async def _start_bridge(self, specs: Awaitable[WorldSpecs], serve: Awaitable[None], ports: WorldPorts) -> None:
        world = await specs
        await serve
        front = self._load_front()
        self._bridge_started = True
        await self._step("bridge", _on_serve(lambda: front.deploy_bridge(world.bridge, world.gateway), self._logs))
        log.debug("the bridge listens on %d", ports.server)

    async def _until_ready(self, hosts: Awaitable[None], ports: WorldPorts) -> None:
        await hosts
        await self._step("ready", self._answers(f"http://127.0.0.1:{ports.server}/health/ready"))

    async def _answers(self, url: str) -> None:
        said = "nothing"
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            for _ in range(int(self._settings.start_timeout_s / _POLL_S)):
                try:
                    answer = await client.get(url)
                except httpx.TransportError as outage:
                    said = str(outage)
                else:
                    if answer.status_code == httpx.codes.OK:
                        return
                    said = f"{answer.status_code} {answer.text[:200]}"
                await asyncio.sleep(_POLL_S)
        raise StartFailed(
            f"The bridge did not start: {url} answered: {said}", f"The logs in {self._logs} name the cause."
        )

    async def _stop_bridge(self) -> None:
        from ray.exceptions import RayError
        from ray.serve.exceptions import RayServeException

        try:
            async with asyncio.timeout(_SERVE_STOP_S):
                await self._load_front().remove_bridge()
        except (RayError, RayServeException, RuntimeError, TimeoutError) as failed:
            log.warning("the bridge did not close cleanly (%r); its clients see a cut connection", failed)

    async def _drain(self) -> list[str]:
        from ganggpt.runtime.world_hosts import stop_hosts

        return await stop_hosts(self._settings, self._database())

    def _database(self) -> str:
        assert self._addresses is not None
        return self._addresses.dsn

    def _choose_ports(self) -> WorldPorts:
        settings = self._settings
        chosen = "server_port" in settings.model_fields_set
        ports = choose_ports(
            settings.data_dir, WantedPorts(settings.server_port, settings.dashboard_port, chosen), self._claims
        )
        if settings.server_port not in (0, ports.server):
            what = "port %d is in use: the bridge of this world is on %d; --port chooses another one"
            log.warning(what, settings.server_port, ports.server)
        if settings.dashboard_port not in (0, ports.dashboard) and self._settings.ray_address is None:
            log.warning("port %d is in use: the Ray dashboard is on %d", settings.dashboard_port, ports.dashboard)
        return ports

    def _run(self, ray_address: str, ports: WorldPorts) -> Run:
        host, data_dir = f"127.0.0.1:{ports.server}", self._settings.data_dir
        return Run(
            bridge=f"ws://{host}/v1/bridge",
            docs=f"http://{host}/docs",
            dashboard=f"http://127.0.0.1:{ports.dashboard}" if self._head is not None else "",
            metrics=f"http://{host}/metrics",
            health=f"http://{host}/health",
            token_file=str(data_dir / TOKEN_FILE),
            data_dir=str(data_dir),
            database=self._addresses.dsn if self._settings.database_url is None and self._addresses else "",
            redis=(self._addresses.redis_url or "") if self._settings.redis_url is None and self._addresses else "",
            world=self._world,
            pid=os.getpid(),
            ray_address=ray_address,
            started_s=psutil.Process().create_time(),
            ready_s=round(time.monotonic() - self._began_s, 2),
        )

    def _in_ray_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._ray_thread.pool, work)

    async def _step(self, name: str, work: Awaitable[T]) -> T:
        """Await one part, report its progress, and limit its time. Raises StartFailed when it takes too long."""
        began_s = time.monotonic()
        self._report(Step(name, "started"))
        try:
            async with asyncio.timeout(self._settings.start_timeout_s):
                done = await work
        except TimeoutError:
            self._report(Step(name, "failed", time.monotonic() - began_s))
            late = f"The part {name!r} was not ready after {self._settings.start_timeout_s:.0f} s."
            raise StartFailed(late, "See the log, or raise GANGGPT_START_TIMEOUT.") from None
        except GangGPTError:
            self._report(Step(name, "failed", time.monotonic() - began_s))
            raise
        detail = done if isinstance(done, str) else done[1] if isinstance(done, tuple) else ""
        took = Step(name, "done", time.monotonic() - began_s, detail if isinstance(detail, str) else "")
        self._report(took)
        progress.info("%s: %.2f s%s", name, took.seconds, f", {took.detail}" if took.detail else "")
        return done


@asynccontextmanager
async def _first_error() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that ends with the first real error of its tasks instead of a group of errors."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        _, others = group.split(GangGPTError)
        if others is not None:
            progress.error("this failed as well", exc_info=others)
        raise first_error(group) from None


async def _on_serve(work: Callable[[], None], logs: Path) -> None:
    """Ask Serve for something in a thread. Raises StartFailed, which names its logs."""
    from ray.exceptions import RayError

    try:
        await _in_its_own_thread(work)
    except (RayError, RuntimeError, TimeoutError) as failed:
        raise StartFailed(f"Serve failed: {str(failed)[:500]}", f"The logs in {logs} name the cause.") from failed


async def _in_its_own_thread(work: Callable[[], None]) -> None:
    """Like ``asyncio.to_thread``, but nobody waits for the thread at the end of the process: when another part fails, a
    call to Serve under way may hang for minutes."""
    loop, done = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def settle(failed: BaseException | None) -> None:
        if not done.done():
            done.set_result(None) if failed is None else done.set_exception(failed)

    def run() -> None:
        failed: BaseException | None = None
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, failed)

    threading.Thread(target=run, name="serve", daemon=True).start()
    await done


def _leave_cluster() -> None:
    import ray

    ray.shutdown()
