"""A tap in the connections to Postgres: it takes the place of the server's socket, and can cut off a process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from pathlib import Path
from typing import Final

_CHUNK: Final = 64 * 1024
_PEER: Final = struct.Struct("3i")
"""The format of SO_PEERCRED: process, user and group of the other end."""


class SocketTap:
    """Owns the path of a Unix socket while it is open; the socket of the server has another name meanwhile.

    New connections go through the tap; older ones do not notice it. ``cut`` simulates a network that loses everything:
    no bytes, no error, no end of file. The lost data arrives late, after ``heal``, as retransmissions of a real network
    do.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._behind = path.with_name(f"{path.name}.tapped")
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], int] = {}
        self._cut: int | None = None
        self._healed = asyncio.Event()
        self._healed.set()

    @property
    def tapped(self) -> set[int]:
        """The processes whose connections go through the tap."""
        return set(self._open.values())

    async def open(self) -> None:
        """Take the path of the socket, so that new connections go through the tap."""
        if self._server is None:
            self._path.rename(self._behind)
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=_CHUNK)
            self._path.chmod(0o777)

    def step_aside(self) -> None:
        """Give the path back to the server; connections through the tap continue."""
        self.heal()
        if self._server is not None:
            self._server.close()
            self._server = None
            self._behind.replace(self._path)

    async def close(self) -> None:
        """Give the path back and end all connections through the tap."""
        self.step_aside()
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(list(self._open), timeout=5.0)

    def cut(self, pid: int) -> float:
        """Let nothing pass between this process and the server from now on; returns the loop time."""
        self._cut = pid
        self._healed.clear()
        return asyncio.get_running_loop().time()

    def heal(self) -> None:
        """Let everything pass again."""
        self._cut = None
        self._healed.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = _process_behind(writer)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._pass_on(self._open[task], reader, writer)
        finally:
            del self._open[task]
            writer.transport.abort()

    async def _pass_on(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near, far = await asyncio.open_unix_connection(self._behind, limit=_CHUNK)
        try:
            ways = [
                asyncio.ensure_future(self._pump(pid, reader, far)),
                asyncio.ensure_future(self._pump(pid, near, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            far.transport.abort()

    async def _pump(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            while pid == self._cut:
                await self._healed.wait()
            writer.write(data)
            await writer.drain()


def _process_behind(writer: asyncio.StreamWriter) -> int:
    credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    pid: int = _PEER.unpack(credentials)[0]
    return pid
