"""The bytes of the next layout can be recorded when it comes: the writer still makes every kind do what it can."""

from __future__ import annotations

from typing import get_args

import msgspec
from backports import zstd

from ganggpt.domain.ids import kind_of
from ganggpt.domain.kinds import KINDS, VERSION
from tests.support.frozen import scenes
from tests.support.frozen.golden import Golden
from tests.support.frozen.golden_writer import packed


def test_hours_of_a_world_in_memory_show_all_that_factions_players_and_missions_do() -> None:
    golden = msgspec.msgpack.decode(zstd.decompress(packed({"hours": scenes.hours()})), type=Golden)
    assert golden.layout == VERSION
    seen = {
        f"{kind_of(life.actor)}.{event[0]}"
        for life in golden.lives
        for _, _, body in life.turns
        for event in msgspec.msgpack.decode(body)[2]
    }
    for name in ("faction", "player", "mission"):
        wanted = {f"{name}.{event.__struct_config__.tag}" for event in get_args(KINDS[name].events)}
        assert wanted <= seen
    assert all(life.view is not None or kind_of(life.actor) == "mission" for life in golden.lives)
