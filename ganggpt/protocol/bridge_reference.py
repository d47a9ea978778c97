"""The commands, pushes and reads of the bridge as people read them: ``docs/BRIDGE_COMMANDS.md``, made from the code.

``make docs`` writes the page; a test fails when it is stale.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ganggpt.domain.described import REASONS
from ganggpt.domain.kinds import KINDS
from ganggpt.domain.push_bodies import PUSHES, PushShape
from ganggpt.protocol.command_book import CommandBook, PublicCommand
from ganggpt.protocol.examples import EXAMPLES
from ganggpt.protocol.shapes import FieldRow, rows, schema_of

PAGE: Final = Path("docs/BRIDGE_COMMANDS.md")
_TITLES: Final[Mapping[str, str]] = {
    "player": "Players",
    "npc": "NPCs",
    "mission": "Missions",
    "companion": "Companions",
    "faction": "Factions",
}
_READS: Final[Mapping[str, str]] = {
    "player": "players",
    "npc": "npcs",
    "mission": "missions",
    "companion": "companions",
    "faction": "factions",
}
_HEAD: Final = """# Commands, pushes and reads of the bridge

What can be sent to whom, what comes back, why it may be refused, and what is pushed. How it travels is in
[BRIDGE.md](BRIDGE.md); what people do with it is in [NPCS.md](NPCS.md). Made by `make docs` from the dataclasses and
rules in `ganggpt/domain`; do not edit.

- Arguments go in `with` (WebSocket) or as the body (REST). Those with a default may be left out. No other fields are
  allowed, and nothing is converted: `"5"` is not 5.
- *May send it* says what `by` (REST: `X-Acting-As`) has to be. Without it the game server acts.
- Besides its own reasons every command can meet the errors of [BRIDGE.md](BRIDGE.md#reads-and-errors): `invalid_input`
  for its arguments, `unknown_actor` where there is no such actor (but for those that bring one into the world),
  `expired`, `overloaded`, `unavailable`.
- More fields may be added to replies and pushes: ignore what you do not know.
- The examples are sent by tests to the world that ships, `worlds/los-santos`, in the order of
  `ganggpt/protocol/examples.py`.
"""


def as_markdown() -> str:
    """The page."""
    parts = [_HEAD, "\n## Commands\n", *_contents()]
    commands: dict[str, list[PublicCommand]] = {}
    for public in CommandBook(KINDS):
        commands.setdefault(public.kind, []).append(public)
    for kind, title in _TITLES.items():
        parts.append(f"\n### {title}\n")
        for public in commands[kind]:
            parts += _command(public)
    parts += _reasons()
    parts.append(f"\n## Pushes\n{_PUSHES}")
    for name, push in PUSHES.items():
        parts += _push(name, push)
    parts.append(f"\n## Reads\n{_READS_HEAD}")
    for kind, title in _TITLES.items():
        parts.append(f"\n### {title[:-1] if kind != 'npc' else 'NPC'}: `GET /v1/{_READS[kind]}/{{name}}`\n\n")
        parts += _fields(rows(schema_of(KINDS[kind].shows)))
    return "".join(parts)


_PUSHES: Final = """
A push about a player (`player` in its body) goes to the game server the player is on; where they are on none, it is
dropped. News of factions go to every game server. Each is sent until it is acked, also after a reconnect.
"""
_READS_HEAD: Final = """
One actor as it is now. `{name}` is its id without the kind.
"""


def write_reference(root: Path) -> None:
    """Write the page under the root of the repository."""
    (root / PAGE).write_text(as_markdown(), encoding="utf-8")


def _contents() -> list[str]:
    lines = ["\n"]
    for kind, title in _TITLES.items():
        names = [public.name for public in CommandBook(KINDS) if public.kind == kind]
        lines.append(f"- {title}: {', '.join(f'[`{name}`](#{_anchor(kind, name)})' for name in names)}\n")
    return lines


def _anchor(kind: str, name: str) -> str:
    return f"{kind}-{name.lower()}"


def _command(public: PublicCommand) -> list[str]:
    cls = public.cls
    example = next(one for one in EXAMPLES if one.do == public.name and one.to.startswith(f"{public.kind}:"))
    said = _sentence(inspect.getdoc(cls.reply)) if _has_doc(cls.reply) else ""
    return [
        f"\n#### {public.kind} {public.name}\n\n{public.description}\n\n",
        f"May send it: {cls.senders.value}.{_creation(public)}{_refusals(public)}\n\n",
        *_table(("argument", "shape", "default", "meaning"), _arguments(public), "No arguments."),
        f"\nReply: {said}\n\n",
        *_fields(rows(schema_of(cls.reply))),
        f"\n```json\n{json.dumps(example.on_wire(), ensure_ascii=False)}\n```\n",
    ]


def _creation(public: PublicCommand) -> str:
    if not public.cls.creates:
        return ""
    if public.cls.again:
        return f" Brings the {public.kind} into the world where they are new."
    return f" Brings the {public.kind} into the world; `already_exists` where there is one of that id."


def _refusals(public: PublicCommand) -> str:
    reasons = ", ".join(f"`{reason}`" for reason in public.cls.refuses)
    return f" Refused with: {reasons}." if reasons else ""


def _has_doc(shape: Any) -> bool:
    return bool(shape.__doc__) and not shape.__doc__.startswith("dict(")


def _sentence(doc: str | None) -> str:
    return (doc or "").replace("\n", " ")


def _push(name: str, push: PushShape) -> list[str]:
    to = "every game server" if push.to_all else "the game server the player is on"
    return [f"\n### {name}\n\n{push.when}. To {to}.\n\n", *_fields(rows(schema_of(push.body)))]


def _reasons() -> list[str]:
    parts = ["\n## Reasons of refusals\n\nA refusal has the code `refused` (REST: 409), a `reason` and a message.\n\n"]
    used = sorted({reason for public in CommandBook(KINDS) for reason in public.cls.refuses})
    return [*parts, *_table(("reason", "what it means, and what to do"), ((f"`{r}`", REASONS[r]) for r in used), "")]


def _arguments(public: PublicCommand) -> Iterator[tuple[str, ...]]:
    for row in rows(public.json_schema()):
        empty = row.default is None and row.shape.startswith("map")
        default = "–" if row.required else f"`{'{}' if empty else json.dumps(row.default, ensure_ascii=False)}`"
        yield f"`{row.path}`", row.shape, default, row.meaning


def _fields(fields: Iterable[FieldRow]) -> list[str]:
    shown = ((f"`{row.path}`", row.shape, row.meaning + _sometimes(row)) for row in fields)
    return _table(("field", "shape", "meaning"), shown, "")


def _sometimes(row: FieldRow) -> str:
    return "" if row.required else " (not always there)" if row.meaning else "not always there"


def _table(head: tuple[str, ...], lines: Iterable[tuple[str, ...]], none: str) -> list[str]:
    body = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines]
    if not body:
        return [f"{none}\n"] if none else []
    return [f"| {' | '.join(head)} |\n", f"|{'---|' * len(head)}\n", *body]


if __name__ == "__main__":
    write_reference(Path())
