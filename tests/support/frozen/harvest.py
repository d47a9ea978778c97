"""What is gathered of one world: every row that says what its actors did, wished for and were, as it was stored."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Harvest:
    """What one world left. ``turns``: by actor, of each turn seq, command id, who sent it, its name and its body.
    ``snapshots``: by actor, of each seq and body. ``messages``, ``reminders`` and ``commands`` (of the cast, or as they
    travel between processes): whom the command is for, its name and its body."""

    turns: dict[str, list[tuple[int, bytes, str, str, bytes]]] = field(default_factory=dict)
    snapshots: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    messages: list[tuple[str, str, bytes]] = field(default_factory=list)
    reminders: list[tuple[str, str, bytes]] = field(default_factory=list)
    commands: list[tuple[str, str, bytes]] = field(default_factory=list)
