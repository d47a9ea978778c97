"""What the sessions of a bridge replica share: metrics of the hot path, and the limit of commands in flight."""

from __future__ import annotations

from typing import Final

from ganggpt.actors.overload import OverloadReply, Shed
from ganggpt.errors import Overloaded
from ganggpt.observability.metrics import Metrics
from ganggpt.protocol.limits import Limits
from ganggpt.serve.new_actors import NewActors

IN_FLIGHT_RETRY_MS: Final = 250
"""Mean pause that a session at its in-flight limit is told to make."""


class TrafficTotals:
    """Owns the counters of the hot path and divides the commands in flight fairly among the sessions. ``new_actors``
    are those of all sessions and of REST."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self.new_actors = NewActors(limits.new_actors_per_s)
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
        self._over_limit = OverloadReply(Shed.IN_FLIGHT, 0, IN_FLIGHT_RETRY_MS)
        self._refused_at = 0
        metrics.gauge("ganggpt_bridge_sessions").set_function(lambda: self.sessions)
        metrics.gauge("ganggpt_bridge_in_flight").set_function(lambda: self.in_flight)

    def in_flight_limit(self) -> int:
        """How many commands one session may have in flight now."""
        fair = self._limits.in_flight_total_max // max(1, self.sessions)
        return min(self._limits.in_flight_max, max(self._limits.in_flight_share_min, fair))

    def over_limit(self, limit: int) -> OverloadReply:
        """The refusal for a session that has as many commands in flight as it may."""
        if limit != self._refused_at:
            self._over_limit, self._refused_at = OverloadReply(Shed.IN_FLIGHT, limit, IN_FLIGHT_RETRY_MS), limit
        return self._over_limit
