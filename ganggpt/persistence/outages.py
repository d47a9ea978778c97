"""Turns an outage of the database into an error of this program; other database errors pass through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from ganggpt.errors import CommitUnknown, Unavailable

LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # raised between the server's last message on a connection and its end
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    OSError,
    TimeoutError,
)
"""Errors after which it is unknown whether a statement took effect."""


@contextmanager
def database_outages() -> Iterator[None]:
    """Raise Unavailable in an outage: for reads, and for writes that may be done twice."""
    try:
        yield
    except LOST as lost:
        raise Unavailable("the database") from lost


@contextmanager
def commit_outages(host: str, epoch: int) -> Iterator[None]:
    """Raise CommitUnknown in an outage: for a change that must not be done twice."""
    try:
        yield
    except (*LOST, asyncpg.PostgresError) as lost:
        raise CommitUnknown(host, epoch, repr(lost)) from lost
