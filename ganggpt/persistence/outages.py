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
    asyncpg.InternalClientError,  # between the server's last word on a connection and its end, a query gets this one
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    OSError,
    TimeoutError,
)
"""Errors after which nobody can say whether a statement took effect."""


@contextmanager
def database_outages() -> Iterator[None]:
    """Turn the loss of the database into Unavailable: for reads, and for writes that may be done twice."""
    try:
        yield
    except LOST as lost:
        raise Unavailable("the database") from lost


@contextmanager
def commit_outages(host: str, epoch: int) -> Iterator[None]:
    """Turn the loss of the database into CommitUnknown: for a change that must not be done twice."""
    try:
        yield
    except (*LOST, asyncpg.PostgresError) as lost:
        raise CommitUnknown(host, epoch, repr(lost)) from lost
