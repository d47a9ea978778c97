"""What all sessions of a bridge replica share: the metrics of the hot path and the division of commands in flight."""

from __future__ import annotations

from typing import Final

from ganggpt.actors.routing.admission import Refusal, Shed
from ganggpt.errors import Overloaded
from ganggpt.observability.metrics import Metrics
from ganggpt.protocol.limits import Limits

WINDOW_MS: Final = 250
"""Mean pause a session is told that has its whole share in flight."""


class Traffic:
    """What all sessions of a replica share: the metrics of the hot path and the fair division of in-flight commands."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self.sessions = 0
        self.in_flight = 0
        self.tally = metrics.commands
        frames = metrics.counter("ganggpt_bridge_frames_total")
        self.frames_commands, self.frames_other = frames.labels("commands"), frames.labels("other")
        self.frames_bad = frames.labels("bad")
        carried = metrics.counter("ganggpt_bridge_bytes_total")
        self.bytes_in, self.bytes_out = carried.labels("in"), carried.labels("out")
        self.refused = metrics.counter("ganggpt_bridge_refused_total")
        self.overloaded = self.refused.labels(Overloaded.code)
        self._window = Refusal(Shed.WINDOW, 0, WINDOW_MS)
        self._window_share = 0
        metrics.gauge("ganggpt_bridge_sessions").set_function(lambda: self.sessions)
        metrics.gauge("ganggpt_bridge_in_flight").set_function(lambda: self.in_flight)

    def share(self) -> int:
        """How many commands one session may have in flight now."""
        fair = self._limits.in_flight_total_max // max(1, self.sessions)
        return min(self._limits.in_flight_max, max(self._limits.in_flight_share_min, fair))

    def over_share(self, share: int) -> Refusal:
        """What a session hears that has its whole share in flight."""
        if share != self._window_share:
            self._window, self._window_share = Refusal(Shed.WINDOW, share, WINDOW_MS), share
        return self._window
