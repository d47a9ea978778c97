"""What must hold in every simulated world, asked while it runs and once it has come to rest."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from ganggpt.domain.kinds import KINDS, decode_turn, encode_state, kind_for
from ganggpt.persistence.journal import Batch
from ganggpt.testing.sim.clients import Client, Sent
from ganggpt.testing.sim.cluster import Cluster
from ganggpt.testing.sim.database import SimDatabase


class Violation(msgspec.Struct, frozen=True):
    """A promise that was broken: which one, and the facts."""

    checker: str
    facts: str


class Checks:
    """Owns what was seen to be wrong."""

    def __init__(self, database: SimDatabase, cluster: Cluster, clients: list[Client]) -> None:
        self.violations: list[Violation] = []
        self._database = database
        self._cluster = cluster
        self._clients = clients
        self._epoch: dict[str, int] = {}
        self._journaled: Counter[bytes] = Counter()
        self._where: dict[bytes, tuple[str, int]] = {}
        database.journal.on_commit = self.committed
        for client in clients:
            client.on_answer = self.answered

    def wrong(self, checker: str, facts: str) -> None:
        """Note a violation; the first few tell enough."""
        if len(self.violations) < 20:
            self.violations.append(Violation(checker, facts))

    def committed(self, epoch: int, batch: Batch) -> None:
        """A batch held: the epochs of an actor never go back, its numbers have no gap, an id is there once."""
        tables = self._database.tables
        for actor, seq, command_id in zip(batch.turns[0], batch.turns[1], batch.turns[3], strict=True):
            if epoch < self._epoch.get(actor, 0):
                self.wrong("one writer", f"{actor} {seq} committed by epoch {epoch} after {self._epoch[actor]}")
            self._epoch[actor] = epoch
            raw = command_id.bytes
            self._journaled[raw] += 1
            if self._journaled[raw] > 1:
                self.wrong("applied once", f"{raw.hex()} is in the journal as {self._where[raw]} and {(actor, seq)}")
            self._where[raw] = (actor, seq)
        if not tables.is_live(epoch):
            self.wrong("one writer", f"epoch {epoch} committed after it was fenced")

    def answered(self, sent: Sent, answer: bytes) -> None:
        """A client heard: an answer to a durable command is in the journal, and all answers are the first one."""
        if not sent.durable:
            return
        if answer != sent.answers[0]:
            one, two = msgspec.msgpack.decode(sent.answers[0]), msgspec.msgpack.decode(answer)
            self.wrong("same answer", f"{sent.name} to {sent.to}: first {one}, then {two}")
        reply = msgspec.msgpack.decode(answer)
        if reply["ok"] and sent.id not in self._where:
            rows = self._database.tables.turns.get(sent.to, [])
            if not any(row[0] == reply["seq"] for row in rows):
                self.wrong("acked is durable", f"{sent.name} to {sent.to} was acked as {reply['seq']}, not committed")

    def at_rest(self) -> None:
        """The world has come to rest: everything it kept says the same."""
        for actor, rows in self._database.tables.turns.items():
            seqs = [row[0] for row in rows]
            if seqs != list(range(1, len(seqs) + 1)):
                self.wrong("numbers without gaps", f"{actor} has {seqs}")
            self._replay(actor, rows)

    def _replay(self, actor: str, rows: list[Any]) -> None:
        kind = kind_for(actor)
        state: Any = None
        for row in rows:
            for event in decode_turn(kind, row[2]).events:
                state = kind.evolve(state, event)
        for running in self._cluster.hosts.values():
            host = running.host
            if running.process.dead or host is None or actor not in host.hot:
                continue
            activation = host.hot[actor]
            if activation.seq != len(rows) or encode_state(activation.state) != encode_state(state):
                self.wrong("replay is state", f"{actor}: {host.name} has {activation.seq}, the journal {len(rows)}")


assert KINDS
