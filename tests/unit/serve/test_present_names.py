"""Nobody joins under a name that looks like that of somebody who is there, by either way in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ganggpt.domain.kinds import KINDS
from ganggpt.errors import Refused, Unavailable
from ganggpt.serve.present_names import LATELY_S, PresentNames
from tests.support.bridge_client import client_of, greeted
from tests.support.bridge_rig import Rig, served

AVA = "player:license:1a2b"
EVE = "player:license:3c4d"


class Table:
    """The table of players as it would show who is online."""

    def __init__(self) -> None:
        self.online: dict[str, str] = {}
        self.is_away = False
        self.now_s = 0.0

    async def read(self) -> Mapping[str, str]:
        if self.is_away:
            raise Unavailable("the database")
        return self.online

    def clock(self) -> float:
        return self.now_s


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def names(table: Table) -> PresentNames:
    return PresentNames(table.read, table.clock)


async def test_a_name_that_looks_taken_is_refused_with_a_sentence(table: Table, names: PresentNames) -> None:
    table.online[AVA] = "Ava"
    await names.poll()
    for name in ("Ava", "ava", "Аvа", "A\u200bva"):
        with pytest.raises(Refused, match="somebody who is there has a name that looks like") as refused:
            names.join(EVE, name)
        assert refused.value.reason == "name_taken"
    names.join(EVE, "Eve")


async def test_whoever_has_the_name_joins_again_under_it(table: Table, names: PresentNames) -> None:
    table.online[AVA] = "Ava"
    await names.poll()
    names.join(AVA, "Ava")
    names.join(AVA, "AVA")


async def test_a_name_is_taken_before_the_table_shows_it_and_until_it_no_longer_does(
    table: Table, names: PresentNames
) -> None:
    names.join(AVA, "Ava")
    await names.poll()
    with pytest.raises(Refused):
        names.join(EVE, "Ava")
    table.online[AVA] = "Ava"
    table.now_s += 2 * LATELY_S
    await names.poll()
    with pytest.raises(Refused):
        names.join(EVE, "Ava")
    del table.online[AVA]
    await names.poll()
    names.join(EVE, "Ava")


async def test_a_name_is_free_when_its_player_quits_or_takes_another(names: PresentNames) -> None:
    names.join(AVA, "Ava")
    names.leave(AVA)
    names.join(EVE, "Ava")
    names.join(EVE, "Eve")
    names.join(AVA, "Ava")


async def test_while_the_table_is_away_what_was_seen_counts_and_it_is_said_once(
    table: Table, names: PresentNames, caplog: pytest.LogCaptureFixture
) -> None:
    table.online[AVA] = "Ava"
    await names.poll()
    table.is_away = True
    await names.poll()
    await names.poll()
    assert len(caplog.records) == 1
    with pytest.raises(Refused):
        names.join(EVE, "Ava")


@pytest.fixture
async def rig(table: Table, names: PresentNames) -> Rig:
    table.online[AVA] = "Ava"
    await names.poll()
    return Rig(kinds=KINDS, names=names)


def _join(name: str) -> dict[str, Any]:
    return {"username": name, "server": "main"}


async def test_by_rest_it_is_a_conflict(rig: Rig) -> None:
    async with client_of(rig) as http:
        path = f"/v1/actors/{EVE}/commands/Join"
        answer = await http.post(path, json=_join("AVA"))
        assert answer.status_code == 409
        assert answer.json()["error"]["reason"] == "name_taken"
        assert rig.port.seen == []
        assert (await http.post(path, json=_join("张伟"))).status_code == 200


async def test_on_the_socket_only_that_command_is_refused(rig: Rig) -> None:
    async with served(rig.app) as address, greeted(address) as (game, _):
        bad = {"id": game.new_id(), "to": EVE, "do": "Join", "with": _join("Avа")}
        good = {"id": game.new_id(), "to": "player:char:9", "do": "Join", "with": _join("AJ")}
        await game.send({"t": "commands", "c": [bad, good]})
        heard = await game.replies(2)
    assert heard[bad["id"]]["error"]["reason"] == "name_taken"
    assert heard[good["id"]]["ok"]
    assert [envelope.to for envelope in rig.port.seen] == ["player:char:9"]


async def test_whoever_quits_gives_the_name_free(rig: Rig) -> None:
    async with client_of(rig) as http:
        assert (await http.post(f"/v1/actors/{AVA}/commands/Quit")).status_code == 200
        assert (await http.post(f"/v1/actors/{EVE}/commands/Join", json=_join("Ava"))).status_code == 200
