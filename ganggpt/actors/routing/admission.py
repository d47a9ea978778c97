"""Whether one more command may wait for a host: admission by delay, not by count.

A long queue is worth its length only while it takes up a burst and turns nobody away. Once somebody has to be turned
away it adds nothing but delay to those who are let in. So a lane is **calm** until its burst bound is reached; then it
**sheds**: only so many commands are let in as can be sent within ``wait_s`` (what is out already is bounded by the size
of calls), and what waits longer than it may is turned away too. While no queue stands, and not most have to be turned
away, the bound doubles, until the lane is calm again.

What a lane can do is shared: each source earns its fair part of what the host serves, and while the lane is full it is
let in on what it has earned, so that who asks for less than its part is not turned away for another's greed. One actor
never holds more than half of a lane's room. Nothing here reads a clock; times are given, in seconds of the loop's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final, Protocol

from ganggpt.actors.envelope import REPLY_HEAD, error_tail
from ganggpt.errors import Overloaded

_ADJUST_S: Final = 0.25
"""How often a shedding lane looks whether it may let in more."""
_MOST: Final = 0.5
"""Share turned away above which a lane does not even try to open up."""
_HOPE: Final = 0.1
"""How fast a lane that is not busy forgets that it was slow, in each window."""
_WINDOW_S: Final = 0.05
"""Shortest time a rate is measured over."""
_WEIGHT: Final = 0.3
"""How much a new measurement of the rate counts."""
_CALL_WEIGHT: Final = 0.1
"""How much the time of one more call counts."""
_HINT_MS: Final = (100, 2000)
"""Least and most a caller is told to wait."""
_SPREAD: Final = 16
"""Different hints in one refusal, half to one and a half times its mean, so that callers do not come back as one."""


_GIVEN: Final = 0.95
"""Most of the rate that is given to earn: a little less than there is, so that a full lane becomes less full."""
_AWAY_S: Final = 1.0
"""A source that did not meet a full lane for so long leaves its part to the others."""


class Shed(StrEnum):
    """Why a command was turned away; the label of the metric."""

    TOTAL = "total"
    LANE = "lane"
    SHARE = "share"
    ACTOR = "actor"
    LATE = "late"
    IN_FLIGHT = "in_flight"


_WHAT: Final = {
    Shed.TOTAL: "the bridge",
    Shed.LANE: "the queue for the host of this actor",
    Shed.SHARE: "this game server's fair share of the host of this actor",
    Shed.ACTOR: "the mailbox of this actor",
    Shed.LATE: "the wait for the host of this actor, in milliseconds,",
    Shed.IN_FLIGHT: "this connection's number of commands in flight",
}


class Way(Protocol):
    """The way to one host, as far as it concerns who may go it."""

    admission: Admission


class Refusal:
    """One reason to turn commands away, encoded once for all of them. ``count``: how many heard it."""

    __slots__ = ("_errors", "_tails", "count", "why")

    def __init__(self, why: Shed, limit: int, mean_ms: int) -> None:
        self.why = why
        self.count = 0
        hints = [mean_ms // 2 + n * 7 % _SPREAD * mean_ms // _SPREAD for n in range(_SPREAD)]
        self._errors = [Overloaded(_WHAT[why], limit, hint) for hint in hints]
        self._tails: Sequence[bytes] = [error_tail(error) for error in self._errors]

    def reply(self, command_id: bytes) -> bytes:
        """The finished reply map: ``overloaded`` with a hint."""
        self.count += 1
        return REPLY_HEAD + command_id + self._tails[self.count % _SPREAD]

    def of_many(self, commands: int) -> Overloaded:
        """The same for so many commands at once."""
        self.count += commands
        return self._errors[self.count % _SPREAD]


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """Bounds of a lane. ``wait_s``: how long a command may wait to be sent while the lane sheds. ``burst_max`` and
    ``burst_s``: how many, and how long a queue, a calm lane takes. ``batch_s``: work in one call, ``shed_batch_s``
    while the lane sheds. ``call_max_s``: a call that takes longer is not what a call takes. ``earn_s``: how much a
    source may save of what it earns. ``rate_first_per_s`` and ``call_first_s`` are believed until a busy lane has shown
    its own."""

    wait_s: float = 0.01
    burst_s: float = 2.0
    burst_max: int = 2048
    batch_s: float = 0.01
    shed_batch_s: float = 0.005
    batch_min: int = 64
    batch_max: int = 512
    call_max_s: float = 0.25
    call_first_s: float = 0.015
    limit_min: int = 64
    earn_s: float = 0.1
    rate_first_per_s: float = 16_000.0


class _Earned:
    """What one source may still send into a full lane, in commands."""

    __slots__ = ("asked_s", "commands")

    def __init__(self, now_s: float) -> None:
        self.asked_s = now_s
        self.commands = 0.0

    def earn(self, now_s: float, rate_per_s: float, save_s: float) -> None:
        """Earn since it was last asked."""
        earned = max(self.commands, -rate_per_s * save_s) + (now_s - self.asked_s) * rate_per_s
        self.commands, self.asked_s = min(earned, rate_per_s * save_s), now_s


class Admission:
    """Owns the count of a lane's commands without an answer and decides over each further one.

    ``limit``: how many it takes now; ``batch``: how many one call carries, so that a call is never long;
    ``late_s``: how long a command may wait to be sent.
    """

    def __init__(self, options: AdmissionOptions) -> None:
        self._options = options
        self.rate_per_s = options.rate_first_per_s
        self.call_s = options.call_first_s
        self.shedding = False
        self.outstanding = 0
        self.limit = self.batch = 0
        self.late_s = inf
        self._width = 1.0
        self._earned: dict[str, _Earned] = {}
        self._of_actor: dict[str, int] = {}
        self._served = 0
        self._served_from_s: float | None = None
        self._was_busy = True
        self._shed_in_window = 0
        self._least_wait_s = inf
        self._adjusted_s = 0.0
        self._let_in = 0
        self._shed_before = 0
        self._shed: Counter[Shed] = Counter()
        self._refusals: dict[Shed, Refusal] = {}
        self._hint_ms = _HINT_MS[0]
        self._set_limits()

    @property
    def shed(self) -> Counter[Shed]:
        """Commands turned away so far, by reason."""
        return self._shed + Counter({why: refusal.count for why, refusal in self._refusals.items()})

    def refusal(self, source: str, actor: str, now_s: float) -> Refusal | None:
        """Why a command of ``source`` to ``actor`` cannot be let in now, or None. Lets nobody in yet."""
        if self.shedding and now_s - self._adjusted_s >= _ADJUST_S:
            self._adjust(now_s)
        why = self._why(source, actor, now_s)
        if why is not None and not self.shedding:
            self._begin_shedding(now_s)
            why = self._why(source, actor, now_s)
        return None if why is None else self.turn_away(why)

    def turn_away(self, why: Shed) -> Refusal:
        """How to say why."""
        refusal = self._refusals.get(why)
        if refusal is None:
            limit = int(self._options.wait_s * 1000) if why is Shed.LATE else self._room(why)
            refusal = self._refusals[why] = Refusal(why, limit, self._hint_ms)
        return refusal

    def enter(self, source: str, actor: str) -> None:
        """One more command waits for its answer; while the lane sheds it costs its source what it has earned."""
        if self.shedding and source in self._earned:
            self._earned[source].commands -= 1
        self.outstanding += 1
        self._let_in += 1
        self._of_actor[actor] = self._of_actor.get(actor, 0) + 1

    def give_back(self, source: str, actor: str) -> None:
        """The last ``enter`` did not happen."""
        if self.shedding and source in self._earned:
            self._earned[source].commands += 1
        self._let_in -= 1
        self.leave(actor)

    def leave(self, actor: str) -> None:
        """One less."""
        self.outstanding -= 1
        left = self._of_actor[actor] - 1
        if left:
            self._of_actor[actor] = left
        else:
            del self._of_actor[actor]

    def served(self, count: int, call_s: float, now_s: float, queued: int) -> None:
        """A call came back after ``call_s`` with ``count`` answers while ``queued`` commands waited to be sent.

        The rate of a lane that is not busy (no queue, nobody turned away) says nothing about what it could do; it is
        slowly believed to be as fast as any, because too high a rate does no harm where nothing waits.
        """
        self._served += count
        self.call_s += _CALL_WEIGHT * (min(call_s, self._options.call_max_s) - self.call_s)
        self._was_busy = self._was_busy and queued > 0
        if self._served_from_s is None:
            self._restart(now_s)
            return
        passed_s = now_s - self._served_from_s
        if passed_s < _WINDOW_S:
            return
        rate, shed = self._served / passed_s, self.shed.total()
        if self._was_busy or shed > self._shed_in_window or rate > self.rate_per_s:
            self.rate_per_s += _WEIGHT * (rate - self.rate_per_s)
        elif self.rate_per_s < self._options.rate_first_per_s:
            self.rate_per_s += _HOPE * (self._options.rate_first_per_s - self.rate_per_s)
        self._shed_in_window = shed
        self._set_limits()
        self._restart(now_s)

    def sent(self, waited_s: float) -> None:
        """A call leaves; its first command waited so long for it."""
        self._least_wait_s = min(self._least_wait_s, waited_s)

    def idle(self) -> None:
        """Nothing is out: the time until the next call is not time spent on work."""
        self._served_from_s = None

    def started(self, now_s: float) -> None:
        """A call leaves a lane that had nothing out."""
        self._restart(now_s)

    def _restart(self, now_s: float) -> None:
        self._served, self._served_from_s, self._was_busy = 0, now_s, True

    def _why(self, source: str, actor: str, now_s: float) -> Shed | None:
        of_actor = self._of_actor.get(actor, 0)
        if of_actor >= self._actor_max:
            return Shed.ACTOR
        if self.outstanding < self.limit:
            return None
        if not self.shedding or self.outstanding >= self._hard_max:
            return Shed.LANE
        earned = self._earned.get(source)
        if earned is None:
            earned = self._earned[source] = _Earned(now_s)
        given = min(_GIVEN, self.limit / self.outstanding)
        earned.earn(now_s, given * self.rate_per_s / len(self._earned), self._options.earn_s)
        # What a source has earned is for all its actors: one that already holds much waits for room.
        if earned.commands >= 1 and of_actor < self._actor_few:
            return None
        return Shed.SHARE if len(self._earned) > 1 else Shed.LANE

    def _room(self, why: Shed) -> int:
        if why is Shed.ACTOR:
            return self._actor_max
        return self.limit // max(1, len(self._earned)) if why is Shed.SHARE else self.limit

    def _begin_shedding(self, now_s: float) -> None:
        self.shedding, self._width = True, 1.0
        self._earned.clear()
        self._mark(now_s)
        self._set_limits()

    def _adjust(self, now_s: float) -> None:
        """Open up, or close again, by what was turned away since the last look; and say when to come back."""
        passed_s = now_s - self._adjusted_s
        turned_away = self.shed.total() - self._shed_before
        stands = self._least_wait_s > self._options.wait_s and self.outstanding > 0
        if stands or turned_away > (turned_away + self._let_in) * _MOST:
            self._width = 1.0
        else:
            self._width *= 2
        # Whoever was turned away comes back: so long the host has to do, and so long they should spread over.
        again_ms = turned_away / passed_s / self.rate_per_s * 1000
        self._hint_ms = int(min(max(again_ms, _HINT_MS[0]), _HINT_MS[1]))
        for source in [name for name, earned in self._earned.items() if now_s - earned.asked_s > _AWAY_S]:
            del self._earned[source]
        self._mark(now_s)
        self._set_limits()
        if self.limit >= self._burst():
            self.shedding = False
            self._set_limits()

    def _mark(self, now_s: float) -> None:
        self._adjusted_s, self._let_in, self._shed_before = now_s, 0, self.shed.total()
        self._least_wait_s = inf

    def _burst(self) -> int:
        options = self._options
        return max(options.limit_min, min(options.burst_max, int(self.rate_per_s * options.burst_s)))

    def _set_limits(self) -> None:
        options = self._options
        burst = self._burst()
        wanted = int(self.rate_per_s * (options.wait_s * self._width + self.call_s))
        self.limit = min(burst, max(options.limit_min, wanted)) if self.shedding else burst
        self._actor_max = max(options.limit_min // 2, self.limit // 2)
        self._actor_few = max(8, self._actor_max // 8)
        self._hard_max = 2 * options.burst_max
        batch_s = options.shed_batch_s if self.shedding else options.batch_s
        self.batch = min(options.batch_max, max(options.batch_min, int(self.rate_per_s * batch_s)))
        self.late_s = 2 * options.wait_s * self._width + self.call_s if self.shedding else inf
        self._shed = self.shed
        self._refusals = {}


class Gate:
    """Decides over the commands of one frame, each once and before it is read. A command that is let in has its place
    in the lane from then on: ``submit`` uses it, and ``close`` gives back the places of commands that were not
    submitted. No reply arrives while a frame is taken, so a lane that is full stays full."""

    __slots__ = ("_full", "_now_s", "_places", "_source", "_way_to")

    def __init__(self, source: str, now_s: float, way_to: Callable[[str], Way]) -> None:
        self._source, self._now_s, self._way_to = source, now_s, way_to
        self._full: dict[Way, Refusal] = {}
        self._places: dict[str, int] = {}

    def admit(self, actor: str) -> Refusal | None:
        """Take a place for one command to this actor, or say why there is none."""
        way = self._way_to(actor)
        refusal = self._full.get(way)
        if refusal is None:
            refusal = way.admission.refusal(self._source, actor, self._now_s)
            if refusal is None:
                way.admission.enter(self._source, actor)
                self._places[actor] = self._places.get(actor, 0) + 1
            elif refusal.why is not Shed.ACTOR:
                self._full[way] = refusal
        return refusal

    def use(self, actor: str) -> bool:
        """Use a place for a command to this actor; False where none was taken."""
        places = self._places.get(actor, 0)
        if places:
            self._places[actor] = places - 1
        return places > 0

    def close(self) -> None:
        """Give back every place that was not used."""
        for actor, places in self._places.items():
            for _ in range(places):
                self._way_to(actor).admission.give_back(self._source, actor)
        self._places.clear()
