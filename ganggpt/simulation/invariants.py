"""What must hold in every simulated world: asked at every commit and every answer, and once the world is at rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from ganggpt.actors.envelope import decode_batch, decode_replies, error_of
from ganggpt.actors.host.host import Host
from ganggpt.actors.host.outbox import MESSAGES_MAX
from ganggpt.actors.host.reply_cache import LATE_MAX
from ganggpt.actors.routing.shards import Residences
from ganggpt.domain.faction.events import RewardPaid
from ganggpt.domain.ids import command_id_time_s, kind_of
from ganggpt.domain.kinds import decode_command, decode_state, decode_turn, encode_state, kind_for
from ganggpt.domain.mind.commands import ArchiveMemories
from ganggpt.domain.player.state import MissionEnded
from ganggpt.errors import Expired
from ganggpt.persistence.ports.journal import Batch, OutboxMessage
from ganggpt.persistence.projections.rows import Rows
from ganggpt.simulation.clients import Client, SentCommand
from ganggpt.simulation.cluster import Cluster, Running
from ganggpt.simulation.database import SimDatabase

VIOLATIONS_MAX: Final = 20
EVENTFUL: Final = frozenset(
    {
        "Give",
        "Talk",
        "Observe",
        "AskForWork",
        "Join",
        "Quit",
        "Report",
        "Recruit",
        "Order",
        "GainExperience",
        "Accept",
        "Abandon",
        "Offer",
        "TakePayment",
        "SufferRaid",
        "ApplyMissionImpact",
    }
)
"""Commands that always make an event unless they are refused: no row in the journal means a lost command."""


class Violation(msgspec.Struct, frozen=True):
    """A broken invariant: the name of the check, and the facts."""

    checker: str
    facts: str


class Invariants:
    """Owns what was seen to be wrong, and the record that it is seen by.

    ``refused_then_applied`` is counted and no violation: a refusal is not journaled, so a copy of the command that was
    still on its way when another copy was refused may be applied when the state has changed meanwhile.
    """

    def __init__(self, database: SimDatabase, clusters: Mapping[str, Cluster], clients: Sequence[Client]) -> None:
        self.violations: list[Violation] = []
        self.refused_then_applied = 0
        self._database = database
        self._tables = database.tables
        self._clusters = clusters
        self._clients = clients
        self._where: dict[bytes, tuple[str, int]] = {}
        self._posted: dict[bytes, OutboxMessage] = {}
        self._final: set[bytes] = set()
        for actor, rows in self._tables.turns.items():
            self._where.update({row[1]: (actor, row[0]) for row in rows})
        database.journal.on_commit = self._committed
        database.journal.on_settle = self._settled
        for cluster in clusters.values():
            cluster.watch.delivered = self._delivered
        for client in clients:
            client.on_answer = self._answered

    def wrong(self, checker: str, facts: str) -> None:
        """Record a violation, up to VIOLATIONS_MAX."""
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(Violation(checker, facts))

    def _committed(self, epoch: int, batch: Batch) -> None:
        """A batch was committed: its host must be live and hold the shards of all its actors, and no id may repeat."""
        tables = self._tables
        if not tables.is_live(epoch):
            self.wrong("one writer", f"epoch {epoch} committed after it was fenced")
        own = frozenset(shard for shard, row in tables.shards.items() if row.residence == "own")
        residences = Residences(len(tables.shards) - len(own), own)
        for actor, seq, command_id in zip(batch.turns[0], batch.turns[1], batch.turns[3], strict=True):
            holder = tables.shards[residences.shard_of(actor)].epoch
            if holder != epoch:
                self.wrong("one writer", f"{actor} {seq} committed by epoch {epoch}, its shard is held by {holder}")
            if before := self._where.get(command_id):
                self.wrong("applied once", f"{command_id.hex()} is in the journal as {before} and {(actor, seq)}")
            self._where[command_id] = (actor, seq)
        for message in batch.messages:
            self._posted[message.id] = message

    def _delivered(self, _: Running, batch: bytes, replies: bytes) -> None:
        """A host answered: remember which messages have a final answer."""
        for envelope, reply in zip(decode_batch(batch), decode_replies(replies), strict=True):
            if envelope.inner:
                error = error_of(reply)
                if error is None or not error["retryable"]:
                    self._final.add(envelope.id)

    def _settled(self, message: OutboxMessage) -> None:
        """A message is forgotten: it was applied, or its receiver said that it never will be."""
        if message.name == ArchiveMemories.tag:
            self._kept(message)
            return
        applied = message.id in self._where
        if not applied and (message.id not in self._final or message.name in EVENTFUL):
            self.wrong(
                "messages arrive", f"{message.name} from {message.sender} to {message.target} was forgotten unapplied"
            )

    def _kept(self, message: OutboxMessage) -> None:
        """Check that memories a mind dropped for lack of room are in its archive."""
        command = decode_command(kind_of(message.sender), message.name, message.body)
        assert isinstance(command, ArchiveMemories)
        for memory in command.memories:
            if (message.sender, memory.no) not in self._database.archive.ever:
                self.wrong("the archive keeps", f"memory {memory.no} of {message.sender} is lost")

    def _answered(self, sent: SentCommand, answer: bytes) -> None:
        """A client heard: nothing is expired while its id is of the present, and what a durable command was told is in
        the journal, and is what the journal tells again."""
        error, age_s = error_of(answer), self._tables.clock() - command_id_time_s(sent.id)
        slack_s = next(iter(self._clusters.values())).setup.options.window.slack_s
        if error is not None and error["code"] == Expired.code and age_s < slack_s:
            self.wrong("only old ids expire", f"{sent.name} to {sent.to} was expired when its id was {age_s:.3f} s old")
        if not sent.durable:
            return
        where = self._where.get(sent.id)
        if where is not None:
            written = self._reply_in_journal(*where)
            if written != answer:
                told = [msgspec.msgpack.decode(reply) for reply in (written, answer) if reply]
                self.wrong("same answer", f"{sent.name} to {sent.to}: the journal and the answer say {told}")
        elif error_of(answer) is None:
            seq = msgspec.msgpack.decode(answer)["seq"]
            known = any(row[0] == seq for row in self._tables.turns.get(sent.to, ()))
            if sent.name in EVENTFUL or not known:
                self.wrong("acked is durable", f"{sent.name} to {sent.to} was acked as {seq} and is not committed")

    def _reply_in_journal(self, actor: str, seq: int) -> bytes | None:
        for row in self._tables.turns[actor]:
            if row[0] == seq:
                reply: bytes = decode_turn(kind_for(actor), row[2]).reply
                return reply
        return None

    def sample(self) -> None:
        """Check that every queue is within its bound; called at intervals."""
        for name, value, limit in self._depths():
            if value > limit:
                self.wrong("bounded queues", f"{name} has {value}, the bound is {limit}")

    def _depths(self) -> Iterator[tuple[str, int, int]]:
        setup = next(iter(self._clusters.values())).setup
        for bridge in [bridge for cluster in self._clusters.values() for bridge in cluster.bridges]:
            yield f"the router of {bridge.process}", bridge.router.waiting, setup.routing.queue_max
        for running, host in self._live():
            yield f"the router of {running.process}", running.peers.waiting, setup.routing.queue_max
            yield f"the outbox of {running.process}", len(host.outbox), MESSAGES_MAX
            yield f"late answers of {running.process}", len(host.reply_cache), LATE_MAX
            for actor, mailbox in host.activator._mailboxes.items():  # noqa: SLF001
                yield f"the mailbox of {actor}", len(mailbox), host.options.mailbox_max

    def is_at_rest(self) -> bool:
        """Whether no work is in progress."""
        tables = self._tables
        if tables.outbox or any(client.open for client in self._clients):
            return False
        if any(not tables.is_live(row.epoch) for row in tables.shards.values()):
            return False
        now_s = tables.clock()
        if any(reminder.due_s < now_s for _, reminder in tables.reminders.values()):
            return False
        return all(self._rests(running) for running in self._living())

    def _living(self) -> Iterator[Running]:
        for cluster in self._clusters.values():
            yield from (running for running in cluster.everybody if not running.process.dead)

    def _live(self) -> Iterator[tuple[Running, Host]]:
        for running in self._living():
            if running.host is not None:
                yield running, running.host

    def _rests(self, running: Running) -> bool:
        host = running.host
        if host is None:
            return False
        flusher, committer = host.flusher, host.committer
        flushed = not (host.activations.dirty or flusher._in_flight or flusher._owed or flusher._unshown)  # noqa: SLF001
        committed = not (committer._waiting or committer._in_flight)  # noqa: SLF001
        asked = not (host.activator.waking or running.peers.waiting or len(host.outbox))
        held = {shard for shard, row in self._tables.shards.items() if row.epoch == host.identity.epoch}
        return flushed and committed and asked and held == set(host.shards)

    def unrest(self) -> str:
        """Describe the work that is still in progress."""
        tables = self._tables
        facts: dict[str, Any] = {
            "messages": [f"{x.name} {x.sender}>{x.target}" for _, x in tables.outbox.values()],
            "clients": {client.name: client.open for client in self._clients if client.open},
            "orphans": [shard for shard, row in tables.shards.items() if not tables.is_live(row.epoch)],
            "overdue": [r.name for _, r in tables.reminders.values() if r.due_s < tables.clock()],
            "hosts": [
                f"{r.process} {'not registered' if r.host is None else self._restless(r, r.host)}"
                for r in self._living()
                if not self._rests(r)
            ],
        }
        return str({name: value for name, value in facts.items() if value})

    def _restless(self, running: Running, host: Host) -> str:
        epoch = host.identity.epoch
        held = sorted(shard for shard, row in self._tables.shards.items() if row.epoch == epoch)
        return (
            f"epoch {epoch}: dirty {sorted(host.activations.dirty)}, waking {host.activator.waking}, "
            f"outbox {len(host.outbox)}, asks {running.peers.waiting}, believes {sorted(host.shards)}, holds {held}"
        )

    def at_rest(self) -> None:
        """Check that journal, snapshots, tables and live hosts of a world at rest agree."""
        self.sample()
        self._ids()
        rows = Rows()
        for actor, turns in self._tables.turns.items():
            state = self._replayed(actor, turns)
            rows.add(actor, None, state)
        self._paid()
        self._flushed(rows)
        for client in self._clients:
            self._client(client)
        for running, host in self._live():
            if host.runner.mistakes:
                self.wrong("mistake", f"{running.process} counts {host.runner.mistakes} failed turns")

    def _paid(self) -> None:
        """Check that every reward leaves a treasury once and reaches the player in full."""
        paid: dict[str, list[int]] = {}
        got: dict[str, list[int]] = {}
        for actor, turns in self._tables.turns.items():
            for event in [event for row in turns for event in decode_turn(kind_for(actor), row[2]).events]:
                if isinstance(event, RewardPaid):
                    paid.setdefault(event.mission, []).append(event.dollars)
                elif isinstance(event, MissionEnded) and event.outcome == "completed":
                    got.setdefault(event.mission, []).append(event.reward)
        for mission in sorted(paid.keys() | got.keys()):
            if paid.get(mission) != got.get(mission) or len(paid.get(mission, ())) != 1:
                self.wrong("paid once", f"{mission}: paid {paid.get(mission)}, the player got {got.get(mission)}")

    def _ids(self) -> None:
        """Check the tables: turns without gaps, no id twice, no message lost."""
        counted: Counter[bytes] = Counter()
        for actor, turns in self._tables.turns.items():
            counted.update(row[1] for row in turns)
            seqs = [row[0] for row in turns]
            if seqs != list(range(1, len(seqs) + 1)):
                self.wrong("numbers without gaps", f"{actor} has {seqs}")
        for raw, times in counted.items():
            if times > 1:
                self.wrong("applied once", f"{raw.hex()} is in the journal {times} times")
        waiting = {message.id for _, message in self._tables.outbox.values()}
        for message in self._posted.values():
            if message.name == ArchiveMemories.tag:
                if message.id not in waiting:
                    self._kept(message)
                continue
            lost = message.id not in counted and message.id not in self._final and message.id not in waiting
            if lost or (message.name in EVENTFUL and message.id not in counted):
                self.wrong("messages arrive", f"{message.name} from {message.sender} to {message.target} never came")

    def _replayed(self, actor: str, turns: Sequence[Any]) -> Any:
        """Replay the journal of an actor and compare the state with its snapshot and with every live activation."""
        kind = kind_for(actor)
        state: Any = None
        snapshot_seq, body = self._tables.snapshots.get(actor, (0, b""))
        for seq, _, turn, *_ in turns:
            for event in decode_turn(kind, turn).events:
                state = kind.evolve(state, event)
            if seq == snapshot_seq:
                stored = decode_state(kind, msgspec.msgpack.decode(body)[0])
                if encode_state(stored) != encode_state(state):
                    self.wrong("replay is state", f"the snapshot of {actor} at {seq} is another state")
        if snapshot_seq > len(turns):
            self.wrong("replay is state", f"{actor} has a snapshot at {snapshot_seq} and {len(turns)} turns")
        for _, host in self._live():
            if actor not in host.activations:
                continue
            activation, name = host.activations[actor], host.identity.name
            if activation.seq != len(turns) or encode_state(activation.state) != encode_state(state):
                self.wrong(
                    "replay is state",
                    f"{actor}: {host.identity.name} is at {activation.seq}, the journal at {len(turns)}",
                )
            for seq, command_id, *_ in turns:
                if activation.window.seq_of(command_id) not in (seq, None):
                    self.wrong("replay is state", f"{actor}: the window of {name} has another turn for an id")
        return state

    def _flushed(self, rows: Rows) -> None:
        """Check that the projected tables agree with the journal."""
        flush = self._database.flush
        for name, wanted, shown in (
            ("players", rows.players, flush.players),
            ("npc_memories", rows.memories, flush.memories),
            *((name, getattr(rows, name), table) for name, table in flush.tables.items()),
        ):
            if wanted != shown:
                missing = [row for key, row in wanted.items() if shown.get(key) != row]
                extra = [row for key, row in shown.items() if key not in wanted]
                self.wrong("tables are state", f"{name}: should have {missing[:2]}, has {extra[:2]} too")

    def _client(self, client: Client) -> None:
        """Check what a client was told: no acked command is lost, and commands were applied in their order."""
        for sent in client.record:
            where = self._where.get(sent.id)
            if sent.durable and sent.answers:
                refused = error_of(sent.answers[0])
                if refused is None and where is None and sent.name in EVENTFUL:
                    self.wrong("acked is durable", f"{sent.name} to {sent.to} was acked and is not in the journal")
                if refused is not None and where is not None:
                    self.refused_then_applied += 1
            before = self._where.get(sent.after) if sent.after is not None else None
            if where is not None and before is not None and where[1] <= before[1]:
                self.wrong("order of one client", f"{sent.name} to {sent.to} is {where[1]}, after {before[1]}")
        for elapsed_s, what in client.late:
            self.wrong("answered in time", f"{what} was answered after {elapsed_s:.1f} s")
