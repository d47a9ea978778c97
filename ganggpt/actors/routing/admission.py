"""Admission: whether one more command may wait for a host. It goes by delay, not by count.

A long queue is useful only while it absorbs a burst and no command is refused; once commands must be refused it only
adds delay to those that are admitted. So a lane is **calm** until its burst bound is reached; then it **sheds**: it
admits only as many commands as can be sent within ``wait_s`` (the size of calls bounds those that are sent already),
and refuses commands that waited longer. While no queue builds up and most commands are admitted, the bound doubles,
until the lane is calm again.

The capacity of a lane is shared: each source earns its fair part of what the host serves, and a full lane admits its
commands against what it has earned. So a source that asks for less than its part is not refused because others ask for
more. One actor never holds more than half of the places of a lane. Nothing here reads a clock; times are arguments, in
seconds of the event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final, Protocol

from ganggpt.actors.overload import OverloadReply, Shed

_ADJUST_S: Final = 0.25
"""How often a shedding lane adjusts its limit."""
_MOST: Final = 0.5
"""The refused share of commands above which a lane does not raise its limit."""
_HOPE: Final = 0.1
"""How fast the rate of a lane that is not busy returns to the first one, in each window."""
_WINDOW_S: Final = 0.05
"""The shortest time over which a rate is measured."""
_WEIGHT: Final = 0.3
"""The weight of a new measurement of the rate."""
_CALL_WEIGHT: Final = 0.1
"""The weight of the duration of one more call."""
_HINT_MS: Final = (100, 2000)
"""The shortest and longest wait in a hint."""
_GIVEN: Final = 0.95
"""The share of the rate that sources earn at most: less than all of it, so that a full lane becomes less full."""
_AWAY_S: Final = 1.0
"""A source that did not meet a full lane for this long leaves its part to the others."""


class Way(Protocol):
    """A lane, as far as admission needs it."""

    admission: Admission


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """Bounds of a lane. ``wait_s``: how long a command may wait to be sent while the lane sheds. ``burst_max`` and
    ``burst_s``: the number of commands, and the length of the queue in seconds, that a calm lane takes. ``batch_s``:
    the work in one call, ``shed_batch_s`` while the lane sheds. ``call_max_s``: longer calls count as this long.
    ``earn_s``: how many seconds of what it earns a source may save. ``rate_first_per_s`` and ``call_first_s`` are
    assumed until a busy lane was measured."""

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
    """The number of commands that one source may still send into a full lane."""

    __slots__ = ("asked_s", "commands")

    def __init__(self, now_s: float) -> None:
        self.asked_s = now_s
        self.commands = 0.0

    def earn(self, now_s: float, rate_per_s: float, save_s: float) -> None:
        """Add what was earned since the last call."""
        earned = max(self.commands, -rate_per_s * save_s) + (now_s - self.asked_s) * rate_per_s
        self.commands, self.asked_s = min(earned, rate_per_s * save_s), now_s


class Admission:
    """Owns the count of a lane's commands without a reply, and decides about each further one.

    ``limit``: how many commands it admits now; ``batch``: how many one call carries, so that calls stay short;
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
        self._refusals: dict[Shed, OverloadReply] = {}
        self._hint_ms = _HINT_MS[0]
        self._set_limits()

    @property
    def shed(self) -> Counter[Shed]:
        """The number of commands refused so far, by reason."""
        return self._shed + Counter({why: refusal.count for why, refusal in self._refusals.items()})

    def refusal(self, source: str, actor: str, now_s: float) -> OverloadReply | None:
        """The refusal of a command of ``source`` to ``actor``, or None where it may enter now. Takes no place yet."""
        if self.shedding and now_s - self._adjusted_s >= _ADJUST_S:
            self._adjust(now_s)
        why = self._why(source, actor, now_s)
        if why is not None and not self.shedding:
            self._begin_shedding(now_s)
            why = self._why(source, actor, now_s)
        return None if why is None else self.turn_away(why)

    def turn_away(self, why: Shed) -> OverloadReply:
        """The refusal for a reason."""
        refusal = self._refusals.get(why)
        if refusal is None:
            limit = int(self._options.wait_s * 1000) if why is Shed.LATE else self._room(why)
            refusal = self._refusals[why] = OverloadReply(why, limit, self._hint_ms)
        return refusal

    def enter(self, source: str, actor: str) -> None:
        """Take a place for a command; while the lane sheds, its source pays with what it has earned."""
        if self.shedding and source in self._earned:
            self._earned[source].commands -= 1
        self.outstanding += 1
        self._let_in += 1
        self._of_actor[actor] = self._of_actor.get(actor, 0) + 1

    def give_back(self, source: str, actor: str) -> None:
        """Undo an ``enter``: the command was not sent after all."""
        if self.shedding and source in self._earned:
            self._earned[source].commands += 1
        self._let_in -= 1
        self.leave(actor)

    def leave(self, actor: str) -> None:
        """Give back the place of a command that got its reply."""
        self.outstanding -= 1
        left = self._of_actor[actor] - 1
        if left:
            self._of_actor[actor] = left
        else:
            del self._of_actor[actor]

    def served(self, count: int, call_s: float, now_s: float, queued: int) -> None:
        """Measure a call that returned after ``call_s`` with ``count`` replies while ``queued`` commands waited.

        The rate of a lane that is not busy (no queue, nothing refused) does not show its capacity. Its rate slowly
        returns to the first one, because too high a rate does no harm where nothing waits.
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
        """Note that a call is sent whose first command waited ``waited_s``."""
        self._least_wait_s = min(self._least_wait_s, waited_s)

    def idle(self) -> None:
        """Note that no call is under way: the time until the next one is not spent on work."""
        self._served_from_s = None

    def started(self, now_s: float) -> None:
        """Note that a call is sent while no other is under way."""
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
        # What a source has earned is for all its actors: an actor that holds many places has to wait.
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
        """Raise or reset the limit by what was refused since the last adjustment, and set the hint."""
        passed_s = now_s - self._adjusted_s
        turned_away = self.shed.total() - self._shed_before
        stands = self._least_wait_s > self._options.wait_s and self.outstanding > 0
        if stands or turned_away > (turned_away + self._let_in) * _MOST:
            self._width = 1.0
        else:
            self._width *= 2
        # Refused commands come back: the hint spreads them over the time the host needs for them.
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


class FrameGate:
    """Implements ``Gate`` with the lanes of a router. An admitted command has its place in its lane from then on, and
    ``close`` gives back the places of commands that were not submitted.
    No reply arrives while a frame is taken, so a lane that is full stays full."""

    __slots__ = ("_full", "_now_s", "_places", "_source", "_way_to")

    def __init__(self, source: str, now_s: float, way_to: Callable[[str], Way]) -> None:
        self._source, self._now_s, self._way_to = source, now_s, way_to
        self._full: dict[Way, OverloadReply] = {}
        self._places: dict[str, int] = {}

    def admit(self, actor: str) -> OverloadReply | None:
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
