"""The published schema is the one the code enforces."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest

from ganggpt.domain.ids import command_id_text, new_command_id
from ganggpt.domain.kinds import KINDS
from ganggpt.domain.world import DEED_VERBS
from ganggpt.errors import InvalidInput
from ganggpt.protocol.commands import CommandBook
from ganggpt.protocol.frames import Commands
from ganggpt.protocol.limits import Limits
from ganggpt.protocol.schema import bridge_schema, bridge_schema_text
from tests.support.paths import ROOT

PUBLISHED = ROOT / "docs" / "bridge.schema.json"
BOOK = CommandBook(KINDS)
DEED = {"verb": DEED_VERBS[0], "target": "a parcel"}


def test_the_published_schema_is_up_to_date() -> None:
    again = "run: python -m ganggpt.protocol.schema > docs/bridge.schema.json"
    assert PUBLISHED.read_text(encoding="utf-8") == bridge_schema_text(), again


def test_the_schema_holds_frames_of_both_directions() -> None:
    schema = bridge_schema()

    def fits(side: str, frame: dict[str, Any]) -> bool:
        root = {"$ref": f"#/{side}", **schema}
        return jsonschema.Draft202012Validator(root).is_valid(frame)

    one = command_id_text(new_command_id())
    assert fits("client", {"t": "hello", "server": "one", "session": None})
    assert fits("client", {"t": "commands", "c": [{"id": one, "to": "npc:mara", "do": "Talk", "with": {"text": "hi"}}]})
    assert not fits("client", {"t": "commands", "c": []})
    assert not fits("client", {"t": "commands", "c": [{"id": one, "to": "mara", "do": "Talk"}]})
    assert fits("server", {"t": "replies", "r": [{"id": one, "ok": True, "seq": 1, "reply": {}}]})
    assert fits("server", {"t": "bye", "reason": "draining", "retry_after_ms": 5})


def test_limits_of_the_models_are_the_limits_of_the_program() -> None:
    commands = Commands.model_json_schema()["properties"]["c"]
    assert commands["maxItems"] == Limits().commands_max


@pytest.mark.parametrize("public", list(BOOK), ids=lambda public: f"{public.kind}.{public.name}")
def test_every_public_command_refuses_unknown_fields_and_has_plain_bounds(public: Any) -> None:
    schema = public.json_schema()
    assert schema["additionalProperties"] is False
    with pytest.raises(InvalidInput):
        public.read({"no_such_field": 1})


@pytest.mark.parametrize(
    ("to", "name", "arguments"),
    [
        ("npc:mara", "Talk", {"text": "hi"}),
        ("npc:mara", "Threaten", {}),
        ("faction:ballas", "ShiftRelation", {"other": "vagos", "delta": -5, "cause": "a fight"}),
        ("companion:rex", "GainExperience", {"amount": 5, "cause": "a long walk"}),
        ("player:bob", "Join", {"username": "bob", "server": "one"}),
        ("player:bob", "Report", {"position": (1.5, 2, -3.25), "deeds": (DEED,)}),
        ("player:bob", "Quit", {}),
        ("mission:one", "Accept", {}),
    ],
)
def test_real_commands_survive_the_way_to_their_host(to: str, name: str, arguments: dict[str, Any]) -> None:
    public = BOOK.find(to, name)
    command = public.read(arguments)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=public.cls) == command


@pytest.mark.parametrize("change", [{"extra": 1}, {"count": "2"}, {"verb": "sing"}])
def test_a_record_inside_a_command_is_read_as_strictly(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as raised:
        BOOK.find("player:bob", "Report").read({"deeds": ({**DEED, **change},)})
    assert raised.value.field.startswith("with.deeds.0.")
