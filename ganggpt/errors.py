"""The one error root of GangGPT and every error a caller can meet.

An error has its facts in ``args`` and fields, its meaning in class data (``code``, ``retryable``), and makes its text
in ``__str__``; so it survives pickling between processes and looks the same everywhere. The text is whole sentences,
but for errors that first name a place (a field, a file, a setting), as a compiler does.
"""

from __future__ import annotations

from typing import Any, ClassVar


def sentence(text: str) -> str:
    """The text with a capital letter at its beginning and a stop at its end, where it lacks them."""
    first = text.partition(" ")[0]
    return stopped(text[0].upper() + text[1:] if first.isalpha() and first.islower() else text)


def stopped(text: str) -> str:
    """The text with a stop at its end, where it lacks one."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


class GangGPTError(Exception):
    """Root of all errors that GangGPT raises.

    ``code`` is the stable word for programs to match on; ``retryable`` says whether the same command with the same id
    may succeed later although nothing else changes.
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    @property
    def retry_after_ms(self) -> int | None:
        """Milliseconds to wait before a retry, or None where a retry makes no sense."""
        return None

    def as_wire(self) -> dict[str, Any]:
        """The error as a map for a reply, a REST body or a frame: code, message, retryable, retry_after_ms."""
        wire: dict[str, Any] = {"code": self.code, "message": str(self), "retryable": self.retryable}
        if self.retry_after_ms is not None:
            wire["retry_after_ms"] = self.retry_after_ms
        return wire


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What to raise instead of the group of a ``TaskGroup``: the first error of ours in it, else the group itself.

    This stands where ``except*`` would: before Python 3.11.4 whatever is raised inside of one becomes a group again.
    """
    ours = group.subgroup(GangGPTError)
    while ours is not None:
        first = ours.exceptions[0]
        if not isinstance(first, BaseExceptionGroup):
            return first
        ours = first
    return group


class InvalidInput(GangGPTError):
    """Something a caller sent is invalid; ``field`` is the dotted path to it."""

    code = "invalid_input"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class TooLarge(GangGPTError):
    """A frame, text or list is over its limit."""

    code = "too_large"

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(what, size, limit)
        self.what, self.size, self.limit = what, size, limit

    def __str__(self) -> str:
        return f"The size of {self.what!r} is {self.size}; the limit is {self.limit}."


class TooSlow(GangGPTError):
    """A request, or a part of one, did not arrive in time; nothing was done. ``what`` is the part."""

    code = "too_slow"
    retryable = True

    def __init__(self, what: str, received: int) -> None:
        super().__init__(what, received)
        self.what, self.received = what, received

    @property
    def retry_after_ms(self) -> int:
        return 1000

    def __str__(self) -> str:
        return f"The {self.what!r} of the request did not arrive in time: {self.received} bytes of it came."


class UnknownActor(GangGPTError):
    """No such actor exists in this world, and the command does not create one."""

    code = "unknown_actor"

    def __init__(self, actor: str) -> None:
        super().__init__(actor)
        self.actor = actor

    def __str__(self) -> str:
        return f"There is no actor {self.actor!r} in this world."


class UnknownCommand(GangGPTError):
    """The actor's kind has no command of that name."""

    code = "unknown_command"

    def __init__(self, kind: str, command: str) -> None:
        super().__init__(kind, command)
        self.kind, self.command = kind, command

    def __str__(self) -> str:
        return f"Actors of the kind {self.kind!r} have no command {self.command!r}."


class AlreadyExists(GangGPTError):
    """A command would create an actor that already exists."""

    code = "already_exists"

    def __init__(self, actor: str) -> None:
        super().__init__(actor)
        self.actor = actor

    def __str__(self) -> str:
        return f"The actor {self.actor!r} already exists."


class Refused(GangGPTError):
    """The rules refuse a command that is valid but not allowed in this state. ``reason`` is a stable word."""

    code = "refused"

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(reason, why)
        self.reason, self.why = reason, why

    def __str__(self) -> str:
        return f"{self.reason}: {self.why}"

    def as_wire(self) -> dict[str, Any]:
        return {**super().as_wire(), "reason": self.reason}


class Expired(GangGPTError):
    """A command id is older than the dedupe window of its actor: whether it was applied is no longer known."""

    code = "expired"

    def __init__(self, command_id: str, age_s: float) -> None:
        super().__init__(command_id, age_s)
        self.command_id, self.age_s = command_id, age_s

    def __str__(self) -> str:
        return f"Command {self.command_id} is {self.age_s:.0f} s old; its actor no longer knows whether it was applied."


class Overloaded(GangGPTError):
    """A bound was reached; nothing was done, and the caller should slow down. ``what`` is a noun phrase for what is at
    its limit."""

    code = "overloaded"
    retryable = True

    def __init__(self, what: str, limit: int, wait_ms: int = 250) -> None:
        super().__init__(what, limit, wait_ms)
        self.what, self.limit, self.wait_ms = what, limit, wait_ms

    @property
    def retry_after_ms(self) -> int:
        return self.wait_ms

    def __str__(self) -> str:
        return sentence(f"{self.what} is at its limit of {self.limit}; try again in {self.wait_ms} ms")


class Unavailable(GangGPTError):
    """Something the command needs is not available now. The outcome is unknown; the same id may be sent again.

    ``what`` is a noun phrase in the singular ("the database"), ``why`` a clause or empty ("it does not answer").
    """

    code = "unavailable"
    retryable = True

    def __init__(self, what: str, why: str = "", wait_ms: int = 500) -> None:
        super().__init__(what, why, wait_ms)
        self.what, self.why, self.wait_ms = what, why, wait_ms

    @property
    def retry_after_ms(self) -> int:
        return self.wait_ms

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        return f"{sentence(f'{self.what} is not available{why}')} Try again in {self.wait_ms} ms."


class Moved(GangGPTError):
    """The host does not hold the actor's shard (any more); ``to`` names the host that does, where it is known."""

    code = "moved"
    retryable = True

    def __init__(self, actor: str, to: str | None = None) -> None:
        super().__init__(actor, to)
        self.actor, self.to = actor, to

    @property
    def retry_after_ms(self) -> int:
        return 50

    def __str__(self) -> str:
        return f"Another host holds the actor {self.actor!r}."

    def as_wire(self) -> dict[str, Any]:
        return super().as_wire() if self.to is None else {**super().as_wire(), "to": self.to}


class WrongCluster(GangGPTError):
    """Another cluster of this world holds the actor's shard; ``bridge`` is its address, where it is known."""

    code = "wrong_cluster"
    retryable = True

    def __init__(self, actor: str, cluster: str, bridge: str | None) -> None:
        super().__init__(actor, cluster, bridge)
        self.actor, self.cluster, self.bridge = actor, cluster, bridge

    @property
    def retry_after_ms(self) -> int:
        return 100

    def __str__(self) -> str:
        where = f" ({self.bridge})" if self.bridge else ""
        return f"Cluster {self.cluster!r} holds the actor {self.actor!r}; send the same command to its bridge{where}."

    def as_wire(self) -> dict[str, Any]:
        return super().as_wire() if self.bridge is None else {**super().as_wire(), "bridge": self.bridge}


class Fenced(GangGPTError):
    """The epoch of this host is over: another host owns its shards, and it may commit nothing any more."""

    code = "fenced"

    def __init__(self, host: str, epoch: int) -> None:
        super().__init__(host, epoch)
        self.host, self.epoch = host, epoch

    def __str__(self) -> str:
        return f"Host {self.host!r} was fenced at epoch {self.epoch}."


class UnknownCluster(GangGPTError):
    """No cluster of that name shares this world."""

    code = "unknown_cluster"

    def __init__(self, cluster: str, known: tuple[str, ...]) -> None:
        super().__init__(cluster, known)
        self.cluster, self.known = cluster, known

    def __str__(self) -> str:
        known = (
            f"Known are: {', '.join(self.known)}."
            if self.known
            else "No cluster is known yet; start one with `ganggpt up`."
        )
        return f"No cluster {self.cluster!r} shares this world. {known}"


class UnknownUtterance(GangGPTError):
    """The journal has no utterance with that id (any more)."""

    code = "unknown_utterance"

    def __init__(self, utterance: str) -> None:
        super().__init__(utterance)
        self.utterance = utterance

    def __str__(self) -> str:
        return f"The journal has no utterance {self.utterance!r}; its day may have been dropped (GANGGPT_JOURNAL_DAYS)."


class CommitUnknown(GangGPTError):
    """The database failed during a commit: the batch may or may not be in the journal."""

    code = "commit_unknown"
    retryable = True

    def __init__(self, host: str, epoch: int, cause: str) -> None:
        super().__init__(host, epoch, cause)
        self.host, self.epoch, self.cause = host, epoch, cause

    def __str__(self) -> str:
        return sentence(
            f"Host {self.host!r} does not know whether its last commit at epoch {self.epoch} was stored: {self.cause}"
        )


class Unauthorized(GangGPTError):
    """The bearer token is missing or wrong."""

    code = "unauthorized"

    def __str__(self) -> str:
        return "A valid bearer token is needed (header Authorization: Bearer …; setting GANGGPT_TOKEN)."


class ConfigInvalid(GangGPTError):
    """A setting is missing or has the wrong shape; the message names the variable and the fix."""

    code = "config_invalid"

    def __init__(self, variable: str, problem: str, fix: str) -> None:
        super().__init__(variable, problem, fix)
        self.variable, self.problem, self.fix = variable, problem, fix

    def __str__(self) -> str:
        return f"{self.variable}: {stopped(self.problem)} {sentence(self.fix)}"


class ConfigRejected(GangGPTError):
    """The settings have errors; holds all that were found."""

    code = "config_invalid"

    def __init__(self, problems: tuple[ConfigInvalid, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class WorldInvalid(GangGPTError):
    """A world file has an error; the message names file, line and field."""

    code = "world_invalid"

    def __init__(self, file: str, line: int, field: str, problem: str) -> None:
        super().__init__(file, line, field, problem)
        self.file, self.line, self.field, self.problem = file, line, field, problem

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.problem}"


class WorldRejected(GangGPTError):
    """A folder of world files has errors; holds all that were found, in the order of files and lines."""

    code = "world_invalid"

    def __init__(self, problems: tuple[WorldInvalid, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class NotRunning(GangGPTError):
    """A command needs a running world, and there is none."""

    code = "not_running"

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where

    def __str__(self) -> str:
        return f"No world runs in {self.where}. Start it with `ganggpt up`, or name its database in DATABASE_URL."


class StartFailed(GangGPTError):
    """Something could not be started or done. ``problem`` says in a sentence what happened, ``fix`` what to do."""

    code = "start_failed"

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem, fix)
        self.problem, self.fix = problem, fix

    def __str__(self) -> str:
        return f"{sentence(self.problem)} {sentence(self.fix)}"


class SnapshotInvalid(GangGPTError):
    """A world snapshot cannot be read: it is foreign, unfinished, truncated or corrupted. Nothing was changed."""

    code = "snapshot_invalid"

    def __init__(self, source: str, problem: str, fix: str) -> None:
        super().__init__(source, problem, fix)
        self.source, self.problem, self.fix = source, problem, fix

    def __str__(self) -> str:
        return f"{self.source}: {stopped(self.problem)} {sentence(self.fix)}"


class SnapshotUnfinished(SnapshotInvalid):
    """There is no manifest: the directory is no snapshot, or one that was never finished."""


class SnapshotNewer(SnapshotInvalid):
    """A world snapshot was written by a newer GangGPT than this one."""

    code = "snapshot_newer"


class StorageFailed(GangGPTError):
    """The storage of snapshots failed: a full disk, an unreachable bucket, no permission, an unknown scheme."""

    code = "storage_failed"

    def __init__(self, place: str, problem: str, fix: str) -> None:
        super().__init__(place, problem, fix)
        self.place, self.problem, self.fix = place, problem, fix

    def __str__(self) -> str:
        return f"{self.place}: {stopped(self.problem)} {sentence(self.fix)}"


class RestoreRefused(GangGPTError):
    """A database cannot be restored into or repaired as it is. ``reason`` is a stable word; nothing was changed."""

    code = "restore_refused"

    def __init__(self, reason: str, problem: str, fix: str) -> None:
        super().__init__(reason, problem, fix)
        self.reason, self.problem, self.fix = reason, problem, fix

    def __str__(self) -> str:
        return f"{sentence(self.problem)} {sentence(self.fix)}"

    def as_wire(self) -> dict[str, Any]:
        return {**super().as_wire(), "reason": self.reason}
