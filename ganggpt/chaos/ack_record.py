"""A record, outside of the system, of what it promised: every acknowledged command with its first reply."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from ganggpt.client.waiting import CommandReply
from ganggpt.domain.ids import CommandId


class AckRecord:
    """Owns an append-only file with one line for each ack: id, actor, seq, digest of the whole reply.

    A line is written before its ack counts. The file outlives all processes, also this one; it is never synced, because
    the machine itself does not fail here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.acked = 0
        self.contradictions = 0
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._answers: dict[bytes, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def take(self, answer: CommandReply) -> None:
        """Record an ack. A second ack of an id must equal the first, or it counts as a contradiction."""
        digest = _digest(answer)
        first = self._answers.setdefault(answer.id, digest)
        if first is not digest:
            self.contradictions += first != digest
            return
        self._file.write(f"{answer.id.hex()} {answer.to} {answer.seq} {digest.hex()}\n".encode())
        self.acked += 1

    def mark(self) -> int:
        """The current end of the file; ``promised`` reads on from there."""
        return self._file.tell()

    def promised(self, mark: int = 0) -> Iterator[tuple[CommandId, str, int]]:
        """Id, actor and seq of every ack since a mark, as they are in the file."""
        with self.path.open("rb") as lines:
            lines.seek(mark)
            for line in lines:
                command_id, actor, seq, _ = line.decode("ascii").split()
                yield CommandId(bytes.fromhex(command_id)), actor, int(seq)


def _digest(answer: CommandReply) -> bytes:
    told = msgspec.msgpack.encode((answer.to, answer.seq, answer.reply), order="deterministic")
    return blake2b(told, digest_size=8).digest()
