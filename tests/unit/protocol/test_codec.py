"""Bytes in, frames out, and nothing but our own errors in between."""

from __future__ import annotations

import json
import math
import uuid

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.actors.envelope import reply_error, reply_ok
from ganggpt.domain.ids import command_id_text, new_command_id
from ganggpt.errors import GangGPTError, InvalidInput, Overloaded, TooLarge
from ganggpt.protocol.codec import CODECS, JsonCodec, MsgpackCodec, array_header, read_json

LIMIT = 256 * 1024
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FRAMES = st.dictionaries(st.text(max_size=8), PLAIN, max_size=5).map(lambda rest: {**rest, "t": "commands"})


@given(FRAMES)
@settings(max_examples=150, deadline=None)
def test_a_frame_survives_msgpack_and_back(frame: dict[str, object]) -> None:
    codec = MsgpackCodec()
    assert codec.decode(codec.encode(frame), LIMIT) == frame


@given(FRAMES)
@settings(max_examples=150, deadline=None)
def test_a_frame_survives_json_and_back(frame: dict[str, object]) -> None:
    codec = JsonCodec()
    assert codec.decode(codec.encode(frame), LIMIT) == frame


@given(st.binary(max_size=300))
@settings(max_examples=400, deadline=None)
def test_arbitrary_bytes_never_raise_anything_but_our_errors(data: bytes) -> None:
    for codec in CODECS.values():
        for given_ in (data, data.decode("utf-8", "surrogateescape")):
            try:
                frame = codec.decode(given_, LIMIT)
            except GangGPTError as error:
                json.dumps(error.as_wire()).encode()
            else:
                assert type(frame["t"]) is str


@given(FRAMES, st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_frames_never_raise_anything_but_our_errors(frame: dict[str, object], data: st.DataObject) -> None:
    for codec in CODECS.values():
        whole = codec.encode(frame)
        cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
        with pytest.raises(GangGPTError):
            codec.decode(cut, LIMIT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91" * 5000,
        b"\x81\xa1t",
        b"\x81\xa1t\xa2\xff\xfe",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\x90\x02",
        b"\x81\x81\xa1a\x01\x01",
        b"\xc7\x02\x05ab",
        b"\xd6\xff\x00\x00\x00\x00",
        b"\x93\x01\x02\x03",
        b"\x81\xa1t\xa1a\x01",
        b"\x80",
        b"\x81\xa1t\x01",
    ],
)
def test_broken_msgpack_is_invalid_input(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        MsgpackCodec().decode(data, LIMIT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"t":1}',
        '{"t":"x","v":NaN}',
        '{"t":"\\ud800"}',
        "[" * 100_000,
        '{"t":"x"} x',
        "\ud800",
    ],
)
def test_broken_json_is_invalid_input(text: str) -> None:
    with pytest.raises(InvalidInput):
        JsonCodec().decode(text, LIMIT)


def test_a_frame_over_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge) as raised:
        MsgpackCodec().decode(b"\x00" * (LIMIT + 1), LIMIT)
    assert raised.value.size == LIMIT + 1
    with pytest.raises(TooLarge):
        JsonCodec().decode(" " * (LIMIT + 1), LIMIT)


def test_a_session_takes_only_its_own_kind_of_frames() -> None:
    with pytest.raises(InvalidInput, match="binary"):
        MsgpackCodec().decode('{"t":"bye"}', LIMIT)
    with pytest.raises(InvalidInput, match="text"):
        JsonCodec().decode(b"\x81\xa1t\xa3bye", LIMIT)


def test_deep_json_is_refused_and_not_followed() -> None:
    with pytest.raises(InvalidInput, match="deep"):
        read_json("[" * 70 + "]" * 70, LIMIT)
    assert read_json("[" * 60 + "]" * 60, LIMIT) is not None


def test_an_id_is_written_as_the_sub_protocol_says() -> None:
    raw = new_command_id()
    assert MsgpackCodec().command_id(raw) == raw
    assert JsonCodec().command_id(command_id_text(raw)) == raw
    for codec, wrong in (
        (MsgpackCodec(), command_id_text(raw)),
        (JsonCodec(), raw),
        (MsgpackCodec(), b"short"),
        (JsonCodec(), "no uuid"),
        (MsgpackCodec(), uuid.uuid4().bytes),
        (JsonCodec(), str(uuid.uuid4())),
        (MsgpackCodec(), None),
        (JsonCodec(), ["x"]),
    ):
        with pytest.raises(InvalidInput):
            codec.command_id(wrong)


@given(st.integers(0, 70_000))
@settings(max_examples=60, deadline=None)
def test_spliced_arrays_have_the_head_msgpack_gives_them(length: int) -> None:
    assert array_header(length) == msgpack.Packer().pack_array_header(length)


def test_finished_replies_are_spliced_without_change() -> None:
    ids = [new_command_id() for _ in range(20)]
    finished = [reply_ok(one, 5, {"said": "hi", "deep": {"x": [1, 2.5, None]}}) for one in ids]
    finished[3] = reply_error(ids[3], Overloaded("the mailbox", 10))
    binary = msgpack.unpackb(MsgpackCodec().replies(finished))
    assert binary["t"] == "replies"
    assert [reply["id"] for reply in binary["r"]] == ids
    text = json.loads(JsonCodec().replies(finished))
    assert [reply["id"] for reply in text["r"]] == [command_id_text(one) for one in ids]
    for one, other in zip(binary["r"], text["r"], strict=True):
        assert {**one, "id": None} == {**other, "id": None}
    assert text["r"][3]["error"]["code"] == "overloaded"


def test_json_replies_hold_no_numbers_json_does_not_have() -> None:
    finished = reply_ok(new_command_id(), 1, {"x": math.nan})
    assert json.loads(JsonCodec().replies([finished]))["r"][0]["reply"] == {"x": None}


def test_finished_pushes_are_spliced_without_change() -> None:
    push = msgspec.msgpack.encode({"no": 1, "epoch": 2, "seq": 3, "actor": "npc:a", "type": "x", "body": {"a": 1}})
    assert msgpack.unpackb(MsgpackCodec().pushes([push, push]))["p"][1]["no"] == 1
    assert json.loads(JsonCodec().pushes([push]))["p"][0]["body"] == {"a": 1}
