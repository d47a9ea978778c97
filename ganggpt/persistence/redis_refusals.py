"""What a Redis that cannot be used said, as sentences: one table, the first row that fits is taken."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from redis import exceptions as redis_errors

from ganggpt.persistence.refusals import ENCODED, StoreProblem, causes_of, network_refusal

Row = tuple[type[BaseException] | tuple[type[BaseException], ...], str, Callable[[str, str], StoreProblem]]
"""The errors, a pattern of their text, and the words for them."""


def redis_refusal(failed: BaseException, place: str) -> StoreProblem | None:
    """Why a Redis cannot be used, or None where the error is none of Redis or the network."""
    for cause in causes_of(failed):
        said = str(cause)
        for kinds, pattern, words in _REDIS:
            if isinstance(cause, kinds) and re.search(pattern, said, re.IGNORECASE):
                return words(place, said)
    found = network_refusal(failed, place, "Redis")
    if found is not None or not isinstance(failed, redis_errors.RedisError | redis_errors.RedisClusterException):
        return found
    return StoreProblem(
        f"Redis at {place} cannot be used ({type(failed).__name__})", "See its log, and check REDIS_URL.", True
    )


def _redis(problem: str, fix: str) -> Callable[[str, str], StoreProblem]:
    return lambda place, _: StoreProblem(problem.format(place=place), fix)


_CLUSTERS: Final = (redis_errors.RedisError, redis_errors.RedisClusterException)
_REDIS: Final[tuple[Row, ...]] = (
    (
        redis_errors.RedisError, "NOAUTH|Authentication required",
        _redis("Redis at {place} asks for a password", "Set REDIS_PASSWORD, or write it into REDIS_URL."),
    ),
    (
        redis_errors.RedisError, "without any password configured|no password is set",
        _redis(
            "Redis at {place} has no password, but one is set", "Take REDIS_PASSWORD or the password in REDIS_URL out."
        ),
    ),
    (
        redis_errors.RedisError, "WRONGPASS|invalid (username|password)",
        _redis(
            "Redis at {place} refuses the user or password", f"Correct REDIS_PASSWORD or REDIS_URL; {ENCODED}."
        ),
    ),
    (
        redis_errors.RedisError, "NOPERM|no permissions",
        _redis("Redis at {place} does not let its user do what is needed", "Allow it all commands on all keys (ACL)."),
    ),
    (
        redis_errors.RedisError, "DB index|invalid DB",
        _redis("Redis at {place} has no database of that number", "Correct the number at the end of REDIS_URL."),
    ),
    (
        _CLUSTERS, "cluster mode is not enabled|cluster support disabled",
        _redis("Redis at {place} is no cluster", "Write redis:// or rediss:// instead of redis+cluster://."),
    ),
    (
        (redis_errors.ClusterDownError, redis_errors.MovedError, redis_errors.AskError), "",
        _redis("Redis at {place} belongs to a cluster", "Write redis+cluster:// in REDIS_URL, or see its log."),
    ),
    (
        redis_errors.ReadOnlyError, "",
        _redis("Redis at {place} is a copy that cannot be written", "Name the primary server."),
    ),
    (
        redis_errors.BusyLoadingError, "",
        _redis("Redis at {place} is still loading its data", "Try again when it runs."),
    ),
    (
        redis_errors.ResponseError, "MISCONF",
        _redis("Redis at {place} cannot save its data and takes no writes", "Look at its disk and its log."),
    ),
    (
        redis_errors.OutOfMemoryError, "",
        _redis("Redis at {place} has no memory left", "Raise its maxmemory, or set maxmemory-policy allkeys-lru."),
    ),
    (
        redis_errors.InvalidResponse, "",
        _redis("what listens at {place} is no Redis", "Check host and port; rediss:// is the one with TLS."),
    ),
    (
        redis_errors.RedisError, "Error -[235] connecting|Name or service not known|nodename nor servname",
        _redis("the name of the host in {place} is not known", "Check its spelling."),
    ),
    (
        redis_errors.RedisError, "Error (111|61) ",
        _redis(
            "nothing listens at {place} (connection refused)",
            "Start Redis there, or correct the address; without REDIS_URL the embedded one is used.",
        ),
    ),
    (
        redis_errors.RedisError, "Error 2 connecting",
        _redis(
            "there is no socket of Redis at {place}",
            "Start Redis, or correct the path of its socket; without REDIS_URL the embedded one is used.",
        ),
    ),
    (
        redis_errors.TimeoutError, "",
        _redis("Redis at {place} does not answer", "Check address and firewall, and that only one with TLS has rediss://."),
    ),
    (
        redis_errors.RedisError, "closed by server|reset by peer",
        _redis(
            "what listens at {place} closed the connection at once", "Check that it is a Redis, with or without TLS."
        ),
    ),
)  # fmt: skip
