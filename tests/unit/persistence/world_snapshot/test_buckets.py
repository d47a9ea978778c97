"""A bucket that cannot be used is told in seconds, with the reason."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from ganggpt.errors import StorageFailed
from ganggpt.persistence.world_snapshot.buckets import check_bucket


@dataclass
class Client:
    """What the filesystem of gcsfs shows."""

    base: str
    credentials: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(credentials=None))


async def checked(status: bytes, credentials: object = None) -> bytes:
    """Check a bucket at a server that answers with a status; the line that it was asked with."""
    asked = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set_result((await reader.readuntil(b"\r\n\r\n")).splitlines()[0])
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = Client(f"http://127.0.0.1:{port}/storage/v1/", SimpleNamespace(credentials=credentials))
        await check_bucket("gs://my bucket/worlds/one", client)
    return await asked


async def test_a_bucket_that_is_there_is_used() -> None:
    assert await checked(b"200 OK") == b"GET /storage/v1/b/my%20bucket?fields=name HTTP/1.1"
    await checked(b"401 Unauthorized", credentials=object())
    await checked(b"403 Forbidden")


async def test_a_bucket_that_does_not_exist_is_named() -> None:
    with pytest.raises(
        StorageFailed, match=r"gs://my bucket/worlds/one: there is no bucket 'my bucket'\. Make it"
    ) as missing:
        await checked(b"404 Not Found")
    assert "404" not in str(missing.value)


async def test_without_credentials_it_says_how_to_get_some() -> None:
    with pytest.raises(StorageFailed, match=r"no credentials of Google.*GOOGLE_APPLICATION_CREDENTIALS"):
        await checked(b"401 Unauthorized")


async def test_a_storage_that_cannot_be_reached_is_an_error_of_the_network() -> None:
    with pytest.raises(StorageFailed, match=r"cannot be reached.*Check the network"):
        await check_bucket("gs://bucket", Client("http://127.0.0.1:1/storage/v1/"))
