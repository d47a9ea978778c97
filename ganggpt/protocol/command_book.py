"""The commands that clients may send, and the strict validation of their arguments.

The field types of a command class are its bounds. They are enforced without any coercion: ``"5"`` is not 5 and ``1`` is
not true, whatever the codec was.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from ganggpt.domain.ids import actor_id, kind_of
from ganggpt.domain.turn import Command, Kind
from ganggpt.errors import InvalidInput, UnknownCommand
from ganggpt.protocol.frames import first_problem, printable
from ganggpt.protocol.shapes import without_references

_ACTORS_CACHED: Final = 16_384
_NO_ARGUMENTS: Final[Mapping[str, Any]] = {}


class PublicCommand:
    """One public command of one kind."""

    __slots__ = ("_validate", "adapter", "cls", "creates", "description", "kind", "name", "summary")

    def __init__(self, kind: str, cls: type[Command]) -> None:
        self.kind = kind
        self.name = cls.tag
        self.cls = cls
        self.creates = cls.creates
        self.description = (inspect.getdoc(cls) or self.name).replace("``", "`")
        self.summary = self.description.partition("\n")[0].replace("`", "")
        self.adapter: TypeAdapter[Command] = TypeAdapter(cls)
        self._validate: Callable[[Any], Command] = SchemaValidator(_strict(self.adapter.core_schema)).validate_python

    def read(self, arguments: Mapping[str, Any] | None, path: str = "with") -> Command:
        """Make the command from its arguments. Raises InvalidInput, with field names below ``path``."""
        try:
            return self._validate(_NO_ARGUMENTS if arguments is None else arguments)
        except ValidationError as problem:
            raise first_problem(problem, path) from None

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, without references, so that it can be used anywhere."""
        return without_references(self.adapter.json_schema())


class CommandBook:
    """All public commands by kind and name; commands marked internal are not in it."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds: dict[str, dict[str, PublicCommand]] = {
            kind.name: {name: PublicCommand(kind.name, cls) for name, cls in kind.commands.items() if not cls.internal}
            for kind in kinds.values()
        }
        # Most commands name an actor that other commands named just before.
        self.commands_for = lru_cache(_ACTORS_CACHED)(self._commands_for)
        """The commands of the kind of an actor, by name. Raises InvalidInput where the text is no actor id."""

    def __iter__(self) -> Iterator[PublicCommand]:
        for commands in self._kinds.values():
            yield from commands.values()

    def _commands_for(self, to: str) -> Mapping[str, PublicCommand]:
        kind = kind_of(actor_id(to))
        if kind not in self._kinds:
            raise InvalidInput("actor", f"no actors of kind {kind} live in this world")
        return self._kinds[kind]

    def find(self, to: str, name: str) -> PublicCommand:
        """The command ``name`` of the actor ``to``. Raises InvalidInput or UnknownCommand."""
        command = self.commands_for(to).get(name)
        if command is None:
            raise UnknownCommand(kind_of(to), printable(name, 60))
        return command


def _strict(schema: Any) -> Any:
    """The same core schema without coercion. A strict dataclass would demand an instance, so maps stay allowed."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: value if key in ("cls", "default") else _strict(value) for key, value in schema.items()}
    if copy.get("type") == "dataclass":
        copy["strict"] = False
        copy["config"] = {**copy.get("config", {}), "strict": True, "extra_fields_behavior": "forbid"}
    return copy
