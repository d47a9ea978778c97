"""A scheduler and a network of simulated processes."""

from __future__ import annotations

from collections.abc import Coroutine
from random import Random
from typing import Any

from ganggpt.simulation.loop import Scheduler
from ganggpt.simulation.network import Network, Process


class Place:
    """A scheduler with a network, and what went wrong in it."""

    def __init__(self, seed: int = 1) -> None:
        self.mistakes: list[str] = []
        self.scheduler = Scheduler(Random(f"{seed} order"))
        self.network = Network(self.scheduler, Random(f"{seed} network"), self.mistakes.append)

    def run(self, process: Process, work: Coroutine[Any, Any, Any], within_s: float = 100.0) -> Any:
        """Run until the work is done."""
        task = process.loop.start(work)
        task.add_done_callback(lambda _: setattr(self.scheduler, "stop", True))
        assert self.scheduler.run(self.scheduler.now_s + within_s), "it never ended"
        return task.result()

    def end(self) -> None:
        for process in list(self.network.processes):
            self.network.kill(process)
        assert self.mistakes == []
