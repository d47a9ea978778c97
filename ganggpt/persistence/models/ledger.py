"""Budgets in Redis: counters that all gateway replicas share, and the switch as it was last read from Postgres.

One script reserves: it reads the switch and every counter, and adds to all of them or to none. A counter that Redis
does not know (in a new hour, or after Redis lost its memory) is first loaded from the record in Postgres, so that a
lost Redis gives nobody a second budget.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, cast

from ganggpt.ai.gateway.budget import Claim, OverBudget, Reservation, SumOf, SwitchedOff
from ganggpt.ai.gateway.response_cache import SingleFlight
from ganggpt.ai.port import Usage
from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.models.write_behind import WriteBehind
from ganggpt.persistence.redis_client import RedisClient, connect_redis, redis_outages

SWITCH: Final = "ganggpt:{ai}:switch"
UNDER_WAY: Final = "ganggpt:{ai}:under_way"
SWITCH_TTL_S: Final = 2
"""After this time at the latest, replicas see a switch that was set in Postgres alone."""
_SEEDINGS_MAX: Final = 4
_GATHER_S: Final = 0.02
_ANSWER_S: Final = 2.0
_WITHIN_S: Final = 4.0
"""The longest wait for one call, with a new connection and a cluster that has to be asked anew which node is what."""
_AT_ONCE: Final = 64
"""The most requests to Redis at one time. Others wait, because a client without a free connection fails at once."""

_RESERVE: Final = """
local switch = redis.call('GET', KEYS[1])
if not switch then return {'unknown'} end
if switch ~= '1' then return {'off'} end
local missing = {'missing'}
local values = {}
for i = 3, #KEYS do
  local value = redis.call('GET', KEYS[i])
  if value then values[i] = tonumber(value) else missing[#missing + 1] = i - 3 end
end
if #missing > 1 then return missing end
for i = 3, #KEYS do
  if values[i] + tonumber(ARGV[2 * i - 2]) > tonumber(ARGV[2 * i - 1]) then return {'over', i - 3} end
end
for i = 3, #KEYS do redis.call('INCRBY', KEYS[i], ARGV[2 * i - 2]) end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return {'held'}
"""
# A reservation that is not known (any more) was settled before, or is long over: so a settlement may be sent twice.
_SETTLE: Final = """
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('INCRBY', KEYS[i], ARGV[i]) end
end
return 1
"""


class RedisLedger:
    """Implements ``ai.gateway.budget.Ledger``. Owns its client. ``switch`` and ``sum_of`` read the truth in Postgres.

    Settlements are gathered for some milliseconds and sent together. ``unsettled`` is told how many are given up.
    """

    def __init__(
        self,
        url: str,
        switch: Callable[[], Awaitable[bool]],
        sum_of: SumOf,
        unsettled: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        metrics: Metrics | None = None,
    ) -> None:
        self._client: RedisClient = connect_redis(url, _ANSWER_S, _AT_ONCE * 2, metrics)
        self._settlements: WriteBehind[tuple[Reservation, Usage]] = WriteBehind(
            self._settle, unsettled, batch=128, every_s=_GATHER_S
        )
        self._seedings: SingleFlight[int] = SingleFlight()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._switch, self._sum_of, self._clock = switch, sum_of, clock

    async def reserve(self, claims: Sequence[Claim], within_s: float) -> Reservation:
        """See Ledger."""
        reservation = Reservation(uuid.uuid4().hex, tuple(claims))
        now_s = self._clock()
        keys = [SWITCH, UNDER_WAY, *(claim.counter.key for claim in claims)]
        # The numbers of a counter are at 2i - 2 and 2i - 1 for the key at i, counted from 1.
        args = [reservation.id, now_s, now_s + within_s, *(n for claim in claims for n in (claim.amount, claim.most))]
        for _ in range(_SEEDINGS_MAX):
            word, *which = await self._reserved(keys, args)
            if word == b"held":
                return reservation
            if word == b"off":
                raise SwitchedOff
            if word == b"over":
                claim = claims[which[0]]
                counter = claim.counter
                raise OverBudget(counter.kind, counter.name, counter.window, counter.unit, claim.most)
            await self._seed(None if word == b"unknown" else [claims[n] for n in which])
        raise Unavailable("the store of the budgets", "Redis forgets its counters at once; its memory may be full")

    def settle(self, reservation: Reservation, spent: Usage) -> None:
        """See Ledger."""
        self._settlements.add((reservation, spent))

    async def flush(self) -> None:
        """Send every settlement now. Raises Unavailable."""
        await self._settlements.flush()

    async def is_on(self) -> bool:
        """See Ledger."""
        async with redis_outages(_WITHIN_S):
            known = await self._client.get(SWITCH)
        return known == b"1" if known is not None else await self._seed_switch()

    async def close(self) -> None:
        """See Ledger."""
        await self._settlements.close()
        await self._client.aclose()

    async def _settle(self, some: Sequence[tuple[Reservation, Usage]]) -> None:
        async with self._places, redis_outages(_WITHIN_S), self._client.pipeline(transaction=False) as pipe:
            for reservation, spent in some:
                keys = [UNDER_WAY, *(claim.counter.key for claim in reservation.claims)]
                changes = [claim.counter.part(spent) - claim.amount for claim in reservation.claims]
                pipe.eval(_SETTLE, len(keys), *keys, reservation.id, *changes)
            await cast(Any, pipe.execute())

    async def _seed(self, missing: Sequence[Claim] | None) -> None:
        if missing is None:
            await self._seed_switch()
            return
        for counter in [claim.counter for claim in missing]:
            ttl_s = max(1, int(counter.start_s + counter.ttl_s - self._clock()))
            await self._seed_one(counter.key, partial(self._sum_of, counter), ttl_s)

    async def _seed_switch(self) -> bool:
        return bool(await self._seed_one(SWITCH, self._switch, SWITCH_TTL_S))

    async def _seed_one(self, key: str, read: Callable[[], Awaitable[int]], ttl_s: int) -> int:
        """Load a missing key from Postgres. Others who need the same key meanwhile wait for that answer."""

        async def seed() -> int:
            value = int(await read())
            async with self._places, redis_outages(_WITHIN_S):
                await self._client.set(key, value, ex=ttl_s, nx=True)
            return value

        return (await self._seedings.run(key, seed))[0]

    async def _reserved(self, keys: Sequence[str], args: Sequence[Any]) -> Any:
        # The whole script, not its digest: a node of a cluster that has just become a master does not know it.
        async with self._places, redis_outages(_WITHIN_S):
            return await cast(Any, self._client.eval(_RESERVE, len(keys), *keys, *args))


class SharedSwitch:
    """The operator's side of the switch: lets replicas see a change at once, and counts their calls under way."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._client: RedisClient = connect_redis(url, _ANSWER_S, connections_max=2)
        self._clock = clock

    async def forget(self) -> None:
        """Make replicas read the switch from Postgres at their next call. Raises Unavailable."""
        await self._try(self._client.delete(SWITCH))

    async def under_way(self) -> int:
        """How many calls are under way. Raises Unavailable."""
        return int(await self._try(self._client.zcount(UNDER_WAY, self._clock(), "+inf")))

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _try(self, question: Awaitable[Any]) -> Any:
        async with redis_outages(_WITHIN_S):
            return await question
