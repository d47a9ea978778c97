"""docs/BRIDGE_COMMANDS.md is what the code says, whole, and its examples work in the world that ships."""

from __future__ import annotations

from ganggpt.domain.kinds import KINDS
from ganggpt.domain.push_bodies import PUSHES
from ganggpt.protocol.bridge_reference import PAGE, as_markdown
from ganggpt.protocol.command_book import CommandBook
from ganggpt.protocol.examples import EXAMPLES, MISSION
from ganggpt.protocol.shapes import in_words, rows, schema_of
from tests.support.described import unlike
from tests.support.paths import ROOT
from tests.support.shipped_town import as_read, shipped_town


def test_the_page_is_up_to_date() -> None:
    again = "run: python -m ganggpt.protocol.bridge_reference"
    assert (ROOT / PAGE).read_text(encoding="utf-8") == as_markdown(), again


def test_every_command_and_push_and_every_field_of_them_is_on_the_page() -> None:
    page = as_markdown()
    for public in CommandBook(KINDS):
        part = page.partition(f"#### {public.kind} {public.name}\n")[2].partition("\n### ")[0].partition("\n#### ")[0]
        for row in (*rows(public.json_schema()), *rows(schema_of(public.cls.reply))):
            assert f"| `{row.path}` | {row.shape}".replace("|", "") in part.replace("|", "")
        for reason in public.cls.refuses:
            assert f"`{reason}`" in part
    assert all(f"\n### {push}\n" in page for push in PUSHES)
    assert "| anything" not in page


def test_every_command_has_an_example() -> None:
    shown = {(example.to.partition(":")[0], example.do) for example in EXAMPLES}
    assert {(public.kind, public.name) for public in CommandBook(KINDS)} == shown


def test_the_examples_work_in_the_world_that_ships() -> None:
    town, mission = shipped_town(), ""
    for example in EXAMPLES:
        to = mission if example.to == MISSION else example.to
        command = as_read(to, example.do, example.arguments)
        reply = town.do(to, command, example.by or "server:los-santos-1").reply
        assert unlike(type(command).reply, reply) == [], example
        mission = str(reply.get("mission") or mission) if example.do == "AskForWork" else mission
    assert mission
    assert town.refused == []


def test_shapes_are_told_in_words_with_their_bounds() -> None:
    book = CommandBook(KINDS)
    told = {row.path: row.shape for row in rows(book.find("npc:mara", "Talk").json_schema())}
    assert told["text"] == "text (1 to 500 letters)"
    assert told["name"] == "text (1 to 50 letters) or null"
    assert told["scene.near"] == "list (at most 8) of text (1 to 50 letters)"
    told = {row.path: row.shape for row in rows(book.find("player:bob", "Report").json_schema())}
    assert told["position"] == "list of 3: number (-20,000 to 20,000) or null"
    assert told["deeds"] == "list (at most 16) of objects"
    assert told["deeds[].count"] == "integer (1 to 100)"
    assert in_words({"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 3}) == (
        "map (at most 3) of integer"
    )
