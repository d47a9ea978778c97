"""What goes wrong in a simulated world, and when: drawn from the seed before it begins, undone when it has to heal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Final

from ganggpt.simulation.cluster import Cluster, Running
from ganggpt.simulation.database import SimDatabase, StatementLuck
from ganggpt.simulation.network import Network, Process, Weather

FUSE_MAX: Final = 60
"""A process with a fuse dies within so many callbacks, hence at any await of its code."""


class Faults:
    """Owns the faults that are in force. ``story`` lists what was done and when."""

    def __init__(self, network: Network, database: SimDatabase, clusters: Mapping[str, Cluster], dice: Random) -> None:
        self.story: list[str] = []
        self._network = network
        self._database = database
        self._clusters = clusters
        self._dice = dice
        self._over = False
        self._kinds: tuple[tuple[int, Callable[[], str]], ...] = (
            (6, self._kill_host),
            (6, self._pause_host),
            (3, self._believe_dead),
            (4, self._cut_host_from_database),
            (3, self._cut_bridge_from_host),
            (2, self._cut_hosts),
            (2, self._kill_supervisor),
            (2, self._pause_supervisor),
            (2, self._cut_supervisor),
            (3, self._kill_bridge),
            (2, self._crash_database),
            (4, self._storm),
            (4, self._slow_database),
            (2, self._full_database),
            (3 if len(clusters) > 1 else 0, self._claim),
        )

    def plan(self, count: tuple[int, int], begin_s: float, end_s: float) -> None:
        """Draw a number of faults (at least, at most) and the time of each."""
        weights = [weight for weight, _ in self._kinds]
        for _ in range(self._dice.randint(*count)):
            (_, kind), at_s = self._dice.choices(self._kinds, weights)[0], self._dice.uniform(begin_s, end_s)
            self._network.scheduler.at(at_s, self._do, kind)

    def heal(self) -> None:
        """End all faults: what was cut off, paused or down works again."""
        self._over = True
        self._network.weather = Weather()
        self._network.heal()
        self._database.work = StatementLuck()
        if self._database.process is None:
            self._database.start()
        for process in self._network.processes:
            process.loop.fuse = None
            process.loop.resume()

    def _do(self, kind: Callable[[], str]) -> None:
        if not self._over:
            self._tell(kind())

    def _tell(self, what: str) -> None:
        self.story.append(f"{self._network.scheduler.now_s:7.3f} {what}")

    def _after(self, seconds: float, undo: Callable[[], None]) -> None:
        self._network.scheduler.at(self._network.scheduler.now_s + seconds, self._undo, undo)

    def _undo(self, undo: Callable[[], None]) -> None:
        if not self._over:
            undo()

    def _some_cluster(self) -> Cluster:
        return self._dice.choice([cluster for cluster in self._clusters.values() if cluster.bridges])

    def _some_host(self) -> Running | None:
        living = [r for cluster in self._clusters.values() for r in cluster.everybody if not r.process.dead]
        return self._dice.choice(living) if living else None

    def _kill(self, process: Process) -> str:
        """Kill a process at once or by a fuse."""
        if self._dice.random() < 0.5:
            self._network.kill(process)
            return f"kill {process}"
        fuse = self._dice.randrange(1, FUSE_MAX)
        process.loop.fuse = fuse
        process.loop.blow = partial(
            self._network.scheduler.at, self._network.scheduler.now_s, self._network.kill, process
        )
        return f"kill {process} {fuse} callbacks from now"

    def _pause(self, process: Process, seconds: float) -> None:
        process.loop.pause()
        self._after(seconds, process.loop.resume)

    def _cut(self, one: str, other: str) -> str:
        how = self._dice.choice(("silent", "broken"))
        seconds = self._dice.choice((0.3, 1.0, 3.0, 6.0))
        self._network.cut(one, other, how)
        self._after(seconds, partial(self._network.heal, one, other))
        return f"cut {one} from {other} for {seconds} s ({how})"

    def _kill_host(self) -> str:
        running = self._some_host()
        return "nobody to kill" if running is None else self._kill(running.process)

    def _pause_host(self) -> str:
        running = self._some_host()
        if running is None:
            return "nobody to pause"
        seconds = self._dice.choice((0.2, 1.0, 3.5, 6.0))
        self._pause(running.process, seconds)
        return f"pause {running.process} for {seconds} s"

    def _believe_dead(self) -> str:
        """Ray believes that a host is dead; it may go on, be paused for a while, or be cut off from the database."""
        cluster = self._some_cluster()
        if not cluster.hosts:
            return "nobody to believe dead"
        name = self._dice.choice(sorted(cluster.hosts))
        process = cluster.hosts[name].process
        what = f"believe {process} dead"
        chance = self._dice.random()
        if chance < 0.3:
            self._pause(process, 2.0)
            what += ", pause it for 2 s"
        elif chance < 0.6:
            what += ", " + self._cut(process.place, "db")
        cluster.declare_dead(name)
        return what

    def _cut_host_from_database(self) -> str:
        running = self._some_host()
        return "nobody to cut off" if running is None else self._cut(running.process.place, "db")

    def _cut_bridge_from_host(self) -> str:
        running = self._some_host()
        bridge = self._dice.choice(self._some_cluster().bridges)
        return "nobody to cut off" if running is None else self._cut(bridge.process.place, running.process.place)

    def _cut_hosts(self) -> str:
        one, other = self._some_host(), self._some_host()
        if one is None or other is None or one is other:
            return "no two hosts to cut"
        return self._cut(one.process.place, other.process.place)

    def _kill_supervisor(self) -> str:
        supervisor = self._some_cluster().supervisor
        return "no supervisor" if supervisor is None or supervisor.dead else self._kill(supervisor)

    def _pause_supervisor(self) -> str:
        """An old supervisor may wake up and find a younger one at work."""
        cluster = self._some_cluster()
        supervisor = cluster.supervisor
        if supervisor is None or supervisor.dead:
            return "no supervisor"
        self._pause(supervisor, self._dice.choice((1.0, 3.0)))
        if self._dice.random() < 0.5:
            cluster.start_supervisor()
            return f"pause {supervisor}, another one starts"
        return f"pause {supervisor}"

    def _cut_supervisor(self) -> str:
        supervisor = self._some_cluster().supervisor
        running = self._some_host()
        if supervisor is None or supervisor.dead:
            return "no supervisor"
        other = "db" if running is None or self._dice.random() < 0.5 else running.process.place
        return self._cut(supervisor.place, other)

    def _kill_bridge(self) -> str:
        cluster = self._some_cluster()
        place = self._dice.randrange(len(cluster.bridges))
        process = cluster.bridges[place].process
        if process.dead:
            return "no bridge"
        process.on_death.append(
            partial(self._network.scheduler.at, self._network.scheduler.now_s + 0.5, cluster.new_bridge, place)
        )
        return self._kill(process)

    def _crash_database(self) -> str:
        seconds = self._dice.choice((0.2, 1.0, 2.5))
        self._database.crash()
        self._after(seconds, self._restart_database)
        return f"crash the database for {seconds} s"

    def _restart_database(self) -> None:
        if self._database.process is None:
            self._database.start()

    def _storm(self) -> str:
        weather = Weather(
            broken=self._dice.choice((0.0, 0.05, 0.2)),
            silent=self._dice.choice((0.0, 0.03)),
            slow=self._dice.choice((0.0, 0.1, 0.5)),
            slow_s=self._dice.choice((0.05, 0.5, 3.0)),
        )
        self._network.weather = weather
        self._after(self._dice.choice((0.5, 2.0)), self._calm)
        return f"storm {weather}"

    def _calm(self) -> None:
        self._network.weather = Weather()

    def _slow_database(self) -> str:
        self._database.work = StatementLuck(self._dice.choice((0.1, 0.5)), self._dice.choice((0.1, 1.0, 4.0)))
        self._after(self._dice.choice((0.5, 2.0, 4.0)), self._quick_database)
        return f"database {self._database.work}"

    def _claim(self) -> str:
        """An operator says which cluster should hold the world; the first word of a new cluster starts it."""
        waiting = [cluster for cluster in self._clusters.values() if not cluster.bridges]
        if waiting:
            waiting[0].start()
            return f"start cluster {waiting[0].name}"
        name = self._some_cluster().name
        self._database.tables.owner = (name, self._database.tables.clock())
        return f"cluster {name} should hold the world"

    def _full_database(self) -> str:
        self._database.work = StatementLuck(refuse=self._dice.choice((0.1, 0.5, 1.0)))
        self._after(self._dice.choice((0.3, 1.5)), self._quick_database)
        return f"database {self._database.work}"

    def _quick_database(self) -> None:
        self._database.work = StatementLuck()
