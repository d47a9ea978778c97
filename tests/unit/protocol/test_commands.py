"""Commands are read strictly, with the path to what is wrong."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.domain.npc.commands import Observe, Talk
from ganggpt.errors import InvalidInput, UnknownCommand
from ganggpt.protocol.codec import JSON_DEPTH_MAX
from ganggpt.protocol.commands import CommandBook
from tests.support.bridge_rig import KINDS

BOOK = CommandBook(KINDS)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.binary(max_size=10),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def test_a_command_is_read_into_its_class() -> None:
    assert BOOK.find("npc:mara", "Talk").read({"text": "hi"}) == Talk("hi")
    assert BOOK.find("npc:mara", "Observe").read({"what": "a theft", "weight": 3}) == Observe("a theft", 3)


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("Talk", {}, "with.text"),
        ("Talk", None, "with.text"),
        ("Talk", {"text": 5}, "with.text"),
        ("Talk", {"text": b"bytes"}, "with.text"),
        ("Talk", {"text": ""}, "with.text"),
        ("Talk", {"text": " \u00a0 "}, "with.text"),
        ("Talk", {"text": "x" * 501}, "with.text"),
        ("Talk", {"text": "x" * 1_000_000}, "with.text"),
        ("Talk", {"text": "nul \x00"}, "with.text"),
        ("Talk", {"text": "bell \x07"}, "with.text"),
        ("Talk", {"text": "turned \u202e"}, "with.text"),
        ("Talk", {"text": "half \ud800"}, "with.text"),
        ("Talk", {"text": "hi", "extra": 1}, "with.extra"),
        ("Talk", {"text": "hi", "extra" * 100: 1}, "with.extra"),
        ("Talk", ("hi",), "with"),
        ("Talk", "hi", "with"),
        ("Observe", {"what": "x", "weight": "5"}, "with.weight"),
        ("Observe", {"what": "x", "weight": 5.0}, "with.weight"),
        ("Observe", {"what": "x", "weight": True}, "with.weight"),
        ("Observe", {"what": "x", "weight": 101}, "with.weight"),
        ("Observe", {"what": "x", "weight": -1}, "with.weight"),
        ("Observe", {"what": "x", "weight": 2**70}, "with.weight"),
        ("Observe", {"what": "x", "weight": math.nan}, "with.weight"),
        ("Observe", {"what": "x", "weight": 1, "about": "npc:mara"}, "with.about"),
        ("Threaten", {"armed": 1}, "with.armed"),
        ("Give", {"item": "ring", "value": math.inf}, "with.value"),
    ],
)
def test_what_does_not_fit_is_invalid_input_with_its_path(name: str, arguments: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        BOOK.find("npc:mara", name).read(arguments)
    assert raised.value.field.startswith(field)
    assert len(raised.value.field) <= 130
    assert len(str(raised.value)) < 500
    assert str(raised.value).isprintable()


def test_a_refused_text_is_explained_in_words() -> None:
    with pytest.raises(InvalidInput, match="more than blanks"):
        BOOK.find("npc:mara", "Talk").read({"text": "\x00"})


@pytest.mark.parametrize("name", ["Remember", "", "talk", "__class__", "x" * 5000, "\ud800"])
def test_internal_and_unknown_commands_are_the_same_from_outside(name: str) -> None:
    with pytest.raises(UnknownCommand) as raised:
        BOOK.find("npc:mara", name)
    assert raised.value.kind == "npc"
    assert len(raised.value.command) <= 60


@pytest.mark.parametrize(
    "to", ["mara", "npc:", "npc:Mara", "npc:ma ra", "dog:rex", "npc:" + "a" * 64, "npc:mara\n", ""]
)
def test_what_is_no_actor_id_is_invalid_input(to: str) -> None:
    with pytest.raises(InvalidInput):
        BOOK.find(to, "Talk")


@given(st.sampled_from([*BOOK]), ANYTHING)
@settings(max_examples=300, deadline=None)
def test_arguments_of_any_shape_never_raise_anything_but_our_errors(public: Any, arguments: Any) -> None:
    try:
        command = public.read(arguments)
    except InvalidInput:
        return
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=public.cls) == command


def test_every_public_command_has_a_schema_and_a_sentence() -> None:
    names = {(public.kind, public.name) for public in BOOK}
    assert ("npc", "Talk") in names
    assert ("npc", "Remember") not in names
    for public in BOOK:
        assert public.json_schema()["type"] == "object"
        assert public.summary.endswith(".")
    assert JSON_DEPTH_MAX < 1000
