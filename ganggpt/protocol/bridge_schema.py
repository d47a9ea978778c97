"""The JSON Schema of the protocol: ``python -m ganggpt.protocol.bridge_schema > docs/bridge.schema.json`` writes it."""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic.json_schema import models_json_schema

from ganggpt.domain.kinds import KINDS
from ganggpt.domain.push_bodies import PUSHES
from ganggpt.protocol.codec import CODECS
from ganggpt.protocol.command_book import CommandBook
from ganggpt.protocol.frames import CLIENT_FRAMES, SERVER_FRAMES
from ganggpt.protocol.shapes import schema_of


def bridge_schema() -> dict[str, Any]:
    """Frames in both directions (the JSON form) the arguments and the reply of every public command by kind and
    name, the body of every push, and what a read of each kind shows."""
    modes = [(model, "validation") for model in CLIENT_FRAMES] + [(model, "serialization") for model in SERVER_FRAMES]
    _, shared = models_json_schema(modes, by_alias=True, ref_template="#/$defs/{model}")  # type: ignore[arg-type]
    commands: dict[str, dict[str, Any]] = {}
    replies: dict[str, dict[str, Any]] = {}
    for public in CommandBook(KINDS):
        commands.setdefault(public.kind, {})[public.name] = public.json_schema()
        replies.setdefault(public.kind, {})[public.name] = schema_of(public.cls.reply)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "GangGPT bridge",
        "description": f"Frames of /v1/bridge ({', '.join(CODECS)}). In msgpack, ids of commands are 16 raw bytes.",
        "client": {"oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in CLIENT_FRAMES]},
        "server": {"oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in SERVER_FRAMES]},
        "commands": commands,
        "replies": replies,
        "pushes": {name: schema_of(push.body) for name, push in PUSHES.items()},
        "reads": {kind.name: schema_of(kind.shows) for kind in KINDS.values()},
        "$defs": shared["$defs"],
    }


def bridge_schema_text() -> str:
    """The schema as it stands in docs/bridge.schema.json."""
    return json.dumps(bridge_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(bridge_schema_text())
