"""A world as a folder of YAML files: reads it and names every mistake, writes it back, and lists its cast.

``load_world`` is all or nothing: a world that is returned is consistent, and a folder with mistakes is refused with all
of them at once. ``dump_world`` writes what ``load_world`` reads back as an equal world.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import msgspec.structs
import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ganggpt.domain.faction.rules import Found
from ganggpt.domain.ids import ActorId, actor_id
from ganggpt.domain.npc.commands import Spawn
from ganggpt.domain.sheets import Problem
from ganggpt.domain.turn import Command
from ganggpt.domain.world import District, FactionSheet, MissionTemplate, NpcSheet, ThingSheet, World
from ganggpt.errors import WorldInvalid, WorldRejected
from ganggpt.protocol.mistakes import explained, kind_of, shortened
from ganggpt.worldfiles.checks import problems_of
from ganggpt.worldfiles.schema import (
    FILES,
    OPTIONAL,
    DistrictEntry,
    FactionEntry,
    MissionEntry,
    NpcEntry,
    ThingEntry,
)
from ganggpt.worldfiles.yaml import WHOLE_FILE, read_yaml

PROBLEMS_MAX: Final = 500
_SHIPPED_WORLDS: Final = Path(__file__).resolve().parents[2] / "worlds"
_LINE_WIDTH: Final = 100
_HEAD: Final = "# yaml-language-server: $schema=../schema.json\n# The format is described in ../README.md.\n"
_ROWS: Final[Mapping[str, tuple[type[Any], type[Any]]]] = {
    "districts": (DistrictEntry, District),
    "factions": (FactionEntry, FactionSheet),
    "npcs": (NpcEntry, NpcSheet),
    "missions": (MissionEntry, MissionTemplate),
    "things": (ThingEntry, ThingSheet),
}
_USUAL: Final[Mapping[str, Any]] = {"count": 1, "district": None, "within_minutes": None}
"""What a reader adds to an objective that does not say it."""
_SAID_ALREADY: Final = frozenset(("missing", "extra_forbidden", "tuple_type", "model_type", "dict_type"))
"""Mistakes whose sentence has the value in it, or that have none."""


def world_folder(wanted: Path) -> Path:
    """The folder of world files: as given, else the world of that name that ships with the program."""
    shipped = _SHIPPED_WORLDS / wanted.name
    return shipped if not wanted.exists() and shipped.is_dir() else wanted


def load_world(path: Path) -> World:
    """Read and check a world folder. Raises WorldRejected with every mistake found, in the order of files and lines
    (the first PROBLEMS_MAX of them, then how many more there are)."""
    if not path.is_dir():
        known = ", ".join(sorted(folder.name for folder in _SHIPPED_WORLDS.glob("*/") if folder.is_dir()))
        what = f"there is no such folder of world files; name one, or a world that ships with the program: {known}"
        raise WorldRejected((WorldInvalid(str(path), 1, WHOLE_FILE, what),))
    reading = _Reading(path)
    world = reading.world()
    reading.note(problems_of(world, reading.ids))
    if reading.problems:
        raise WorldRejected(_in_order(reading.problems))
    return world


def _in_order(problems: list[WorldInvalid]) -> tuple[WorldInvalid, ...]:
    found = sorted(problems, key=_file_and_line)
    kept, rest = found[:PROBLEMS_MAX], found[PROBLEMS_MAX:]
    if rest:
        kept.append(WorldInvalid(rest[0].file, rest[0].line, WHOLE_FILE, f"and {len(rest)} more problems from here on"))
    return tuple(kept)


def _file_and_line(problem: WorldInvalid) -> tuple[int, int]:
    order = list(FILES)
    return order.index(problem.file) if problem.file in order else len(order), problem.line


def dump_world(world: World, path: Path) -> None:
    """Write a world into a folder, which is created if missing. Each file is replaced as a whole."""
    path.mkdir(parents=True, exist_ok=True)
    plain = msgspec.to_builtins(world)
    sections = {"world": {key: plain[key] for key in ("name", "title", "seed")}}
    sections |= {name: {id_: _plain_row(row) for id_, row in plain[name].items()} for name in _ROWS}
    for name, section in sections.items():
        if not section and f"{name}.yaml" in OPTIONAL:
            continue
        text = yaml.dump({name: section}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_LINE_WIDTH)
        fresh = path / f"{name}.yaml.new"
        fresh.write_text(_HEAD + text, encoding="utf-8")
        os.replace(fresh, path / f"{name}.yaml")


def cast_of(world: World) -> list[tuple[ActorId, str, Command]]:
    """The actors of a new world: id, name of the creating command, and the command. Factions come first, so that nobody
    joins a faction that does not exist."""
    founds = [(f"faction:{sheet.id}", Found(**_fields(sheet))) for sheet in world.factions.values()]
    spawns = [(f"npc:{sheet.id}", Spawn(**_fields(sheet))) for sheet in world.npcs.values()]
    return [(actor_id(actor), command.tag, command) for actor, command in (*founds, *spawns)]


def _fields(sheet: FactionSheet | NpcSheet) -> dict[str, Any]:
    return {key: value for key, value in msgspec.structs.asdict(sheet).items() if key != "id"}


class _Reading:
    """One reading of a folder: the good records, the ids of all, and the problems of the rest."""

    def __init__(self, path: Path) -> None:
        self._files = {name: read_yaml(path / name) for name in FILES if _is_there(path / name)}
        self.ids: dict[str, Mapping[str, Any] | None] = {}
        self.problems: list[WorldInvalid] = [*_stray_files(path)]

    def world(self) -> World:
        """A world of all records that fit their models; not to be used where there are problems."""
        head, _ = self._validated("world")
        rows = {section: self._records(section) for section in _ROWS}
        name, title, seed = ("", "", 0) if head is None else (head.world.name, head.world.title, head.world.seed)
        return World(name=name, title=title, seed=seed, **rows)

    def note(self, problems: Iterable[Problem]) -> None:
        """Keep problems found between records, with the lines of their values."""
        self.problems += [self._files[f"{path[0]}.yaml"].at(path, problem) for path, problem in problems]

    def _records(self, section: str) -> dict[str, Any]:
        row_type, record_type = _ROWS[section]
        if f"{section}.yaml" not in self._files:
            self.ids[section] = {}
            return {}
        whole, broken = self._validated(section)
        data = self._files[f"{section}.yaml"].data
        found = data.get(section) if isinstance(data, dict) else None
        self.ids[section] = found if isinstance(found, dict) else None
        if whole is not None:
            rows = getattr(whole, section)
        else:
            sound = ((id_, row) for id_, row in (self.ids[section] or {}).items() if id_ not in broken)
            rows = {id_: row_type.model_validate(row) for id_, row in sound}
        return {id_: msgspec.convert({"id": id_, **row.model_dump()}, record_type) for id_, row in rows.items()}

    def _validated(self, section: str) -> tuple[Any, set[Any]]:
        """The model of a file, or None with the ids of the records that do not fit theirs."""
        file = self._files[f"{section}.yaml"]
        self.problems += file.problems
        if file.is_unread:
            return None, set()
        broken: set[Any] = set()
        try:
            return FILES[file.name].model_validate(file.data), broken
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                if not _is_echo(detail):
                    path = tuple(part for part in detail["loc"] if part != "[key]")
                    self.problems.append(file.at(path, _explained(detail)))
                    broken.update(path[1:2])
        return None, broken


def _is_there(file: Path) -> bool:
    """Whether a file is to be read: one that has to be there always is, and its absence is a mistake."""
    return file.name not in OPTIONAL or file.exists()


def _stray_files(path: Path) -> Iterator[WorldInvalid]:
    """Files that look like world files but are not read."""
    found = sorted(entry.name for entry in path.glob("*.y*ml")) if path.is_dir() else []
    for name in found:
        if name not in FILES:
            yield WorldInvalid(name, 1, WHOLE_FILE, f"no such world file; there are {', '.join(FILES)}")


def _is_echo(detail: ErrorDetails) -> bool:
    """Whether a list is only called too short because its items were refused, which is said already."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _explained(detail: ErrorDetails) -> str:
    """A validation error of pydantic in the terms of the YAML file."""
    said, value = explained(detail), detail["input"]
    if detail["type"] == "predicate_failed":
        return f"{said}; here: {shortened(value)}"
    is_said = detail["type"] in _SAID_ALREADY or detail["type"].startswith("too_")
    return said if is_said else f"{said}; here: {kind_of(value)}"


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    """A record without its id (which is its key) and without what a reader would add by default."""
    plain = {key: value for key, value in row.items() if key != "id"}
    for key in ("likes", "missions", "aims", "impact", "frictions", "found"):
        if plain.get(key) in ((), [], {}):
            del plain[key]
    if plain.get("room") == NpcEntry.model_fields["room"].default:
        del plain["room"]
    for key, usual in (("in_order", False), ("worth", 0)):
        if plain.get(key) == usual:
            del plain[key]
    if "objectives" in plain:
        plain["objectives"] = [
            {key: value for key, value in objective.items() if _USUAL.get(key, ...) != value}
            for objective in plain["objectives"]
        ]
    return plain


class _Dumper(yaml.SafeDumper):
    """One line for what holds no further lists or maps, blocks for the rest."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _represent_map(dumper: _Dumper, data: dict[str, Any]) -> yaml.Node:
    flat = all(not isinstance(value, dict | list | tuple) for value in data.values())
    short = flat and all(not isinstance(value, str) or len(value) <= 40 for value in data.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=short)


def _represent_list(dumper: _Dumper, data: list[Any] | tuple[Any, ...]) -> yaml.Node:
    flat = all(not isinstance(value, dict | list | tuple) for value in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flat)


def _represent_float(dumper: _Dumper, data: float) -> yaml.Node:
    """Whole metres without a point; they are read back as the same float."""
    return dumper.represent_int(int(data)) if data.is_integer() else yaml.SafeDumper.represent_float(dumper, data)


_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(dict, _represent_map)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)
