"""A world as a folder of YAML files: reads it and names every mistake, writes it back, and lists its cast.

``load_world`` is all or nothing: a world that is returned is consistent, and a folder with mistakes is refused with all
of them at once. ``dump_world`` writes what ``load_world`` reads back as an equal world.

A world pack is a folder in ``packs`` beside the files. It holds files of the same names, and what they say is added:
new records, and more to the lives, places and creeds that are there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import msgspec.structs
import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ganggpt.domain.faction.rules import Found
from ganggpt.domain.ids import ActorId, actor_id
from ganggpt.domain.lore import Creed, Life, PlaceLore, added_to, creed_added_to, place_added_to
from ganggpt.domain.npc.commands import Spawn
from ganggpt.domain.sheets import Problem
from ganggpt.domain.turn import Command
from ganggpt.domain.world import DAY_MINUTES, District, FactionSheet, MissionTemplate, NpcSheet, ThingSheet, World
from ganggpt.errors import WorldInvalid, WorldRejected
from ganggpt.protocol.mistakes import explained, kind_of, shortened
from ganggpt.worldfiles.checks import problems_of
from ganggpt.worldfiles.lore_checks import lore_problems
from ganggpt.worldfiles.schema import (
    FILES,
    OPTIONAL,
    CreedEntry,
    DistrictEntry,
    FactionEntry,
    LifeEntry,
    MissionEntry,
    NpcEntry,
    ObjectiveEntry,
    PlaceEntry,
    SecretEntry,
    StopEntry,
    ThingEntry,
    WareEntry,
)
from ganggpt.worldfiles.yaml import WHOLE_FILE, YamlFile, read_yaml

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
    "lives": (LifeEntry, Life),
    "places": (PlaceEntry, PlaceLore),
    "creeds": (CreedEntry, Creed),
}
_ADDED: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "lives": added_to,
    "places": place_added_to,
    "creeds": creed_added_to,
}
"""The sections whose records a pack may add to."""
PACKS: Final = "packs"
PACKS_MAX: Final = 64
_INNER: Final[Mapping[str, type[Any]]] = {
    "objectives": ObjectiveEntry,
    "wares": WareEntry,
    "secrets": SecretEntry,
    "day": StopEntry,
}
"""Lists of records within records."""
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


def _file_and_line(problem: WorldInvalid) -> tuple[str, int, int]:
    pack, _, name = problem.file.rpartition("/")
    order = list(FILES)
    return pack, order.index(name) if name in order else len(order), problem.line


def dump_world(world: World, path: Path) -> None:
    """Write a world into a folder, which is created if missing. Each file is replaced as a whole."""
    path.mkdir(parents=True, exist_ok=True)
    plain = msgspec.to_builtins(world)
    head = {key: plain[key] for key in ("name", "title", "seed", "day_minutes")}
    sections = {"world": {key: value for key, value in head.items() if (key, value) != ("day_minutes", DAY_MINUTES)}}
    sections |= {
        name: {id_: _plain_row(row, model) for id_, row in plain[name].items()} for name, (model, _) in _ROWS.items()
    }
    for name, section in sections.items():
        if not section and f"{name}.yaml" in OPTIONAL:
            (path / f"{name}.yaml").unlink(missing_ok=True)
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
    """One reading of a folder and its packs: the good records, the ids of all, and the problems of the rest."""

    def __init__(self, path: Path) -> None:
        self._files = {name: read_yaml(path / name) for name in FILES if _is_there(path / name)}
        self.problems: list[WorldInvalid] = [*_stray_files(path)]
        packs = sorted(folder for folder in path.glob(f"{PACKS}/*") if folder.is_dir() and folder.name[0] != ".")
        if len(packs) > PACKS_MAX:
            what = f"{len(packs)} world packs; there may be {PACKS_MAX}"
            self.problems.append(WorldInvalid(PACKS, 1, WHOLE_FILE, what))
        for pack in packs[:PACKS_MAX]:
            own = f"{PACKS}/{pack.name}"
            self._files |= {f"{own}/{name}": read_yaml(pack / name, own) for name in FILES if (pack / name).exists()}
            self.problems += _stray_files(pack, own)
        self.ids: dict[str, Mapping[str, Any] | None] = {}
        self._where: dict[tuple[str, str], YamlFile] = {}
        self._lore: list[tuple[YamlFile, str, Any]] = []

    def world(self) -> World:
        """A world of all records that fit their models; not to be used where there are problems."""
        head, _ = self._validated(self._files["world.yaml"])
        rows: dict[str, Any] = {section: self._records(section) for section in _ROWS}
        given = {"name": "", "title": "", "seed": 0} if head is None else head.world.model_dump()
        world = World(**given, **rows)
        for file, section, record in self._lore:
            self.problems += [file.at(path, what) for path, what in lore_problems(section, record, world, self.ids)]
        for name, file in self._files.items():
            if name.endswith("/world.yaml"):
                self.problems.append(file.at((), "a world pack adds to a world; leave this file out"))
        return world

    def note(self, problems: Iterable[Problem]) -> None:
        """Keep problems found between records, with the lines of their values."""
        for path, problem in problems:
            file = self._where.get((str(path[0]), str(path[1]))) if len(path) > 1 else None
            self.problems.append((file or self._files[f"{path[0]}.yaml"]).at(path, problem))

    def _records(self, section: str) -> dict[str, Any]:
        """The records of a section, of the world's own file and of the packs."""
        found: dict[str, Any] = {}
        self.ids[section] = {}
        for name, file in self._files.items():
            if name.rpartition("/")[2] != f"{section}.yaml":
                continue
            for id_, record in self._records_of(file, section).items():
                first = self._where.setdefault((section, id_), file)
                if section in _ADDED:
                    self._lore.append((file, section, record))
                    found[id_] = self._added(file, section, found[id_], record) if id_ in found else record
                elif first is file:
                    found[id_] = record
                else:
                    self.problems.append(file.at((section, id_), f"{first.name} has {id_!r} already; a pack only adds"))
        return found

    def _added(self, file: YamlFile, section: str, first: Any, more: Any) -> Any:
        """A record with what a pack adds to it; both together keep the bounds of one."""
        row_type, _ = _ROWS[section]
        both = _ADDED[section](first, more)
        try:
            row_type.model_validate_json(msgspec.json.encode(_plain_row(msgspec.to_builtins(both), row_type)))
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                path = (section, both.id, *(part for part in detail["loc"][:1] if isinstance(part, str)))
                self.problems.append(file.at(path, f"with what is there already: {_explained(detail)}"))
            return first
        return both

    def _records_of(self, file: YamlFile, section: str) -> dict[str, Any]:
        row_type, record_type = _ROWS[section]
        whole, broken = self._validated(file)
        data = file.data.get(section) if isinstance(file.data, dict) else None
        known = self.ids[section]
        self.ids[section] = {**known, **data} if known is not None and isinstance(data, dict) else None
        if whole is not None:
            rows = getattr(whole, section)
        else:
            sound = ((id_, row) for id_, row in (data if isinstance(data, dict) else {}).items() if id_ not in broken)
            rows = {id_: row_type.model_validate(row) for id_, row in sound}
        return {id_: msgspec.convert({"id": id_, **row.model_dump()}, record_type) for id_, row in rows.items()}

    def _validated(self, file: YamlFile) -> tuple[Any, set[Any]]:
        """The model of a file, or None with the ids of the records that do not fit theirs."""
        self.problems += file.problems
        if file.is_unread:
            return None, set()
        broken: set[Any] = set()
        try:
            return FILES[file.name.rpartition("/")[2]].model_validate(file.data), broken
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


def _stray_files(path: Path, pack: str = "") -> Iterator[WorldInvalid]:
    """Files that look like world files but are not read."""
    found = sorted(entry.name for entry in path.glob("*.y*ml")) if path.is_dir() else []
    for name in found:
        if name not in FILES:
            file = f"{pack}/{name}" if pack else name
            yield WorldInvalid(file, 1, WHOLE_FILE, f"no such world file; there are {', '.join(FILES)}")


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


def _plain_row(row: dict[str, Any], model: type[Any]) -> dict[str, Any]:
    """A record without its id (which is its key) and without what a reader would add by default."""
    usual = {name: field.default for name, field in model.model_fields.items() if not field.is_required()}
    plain = {key: value for key, value in row.items() if key != "id" and not _is_usual(value, usual.get(key, ...))}
    for key, inner in _INNER.items():
        if key in plain:
            plain[key] = [_plain_row(one, inner) for one in plain[key]]
    return plain


def _is_usual(value: Any, usual: Any) -> bool:
    return bool(value == usual) or (isinstance(usual, tuple) and tuple(value or ()) == usual)


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
