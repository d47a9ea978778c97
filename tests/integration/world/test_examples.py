"""The examples of docs/BRIDGE_COMMANDS.md and the OpenAPI do what they say in a world that was just started."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

from ganggpt.domain.ids import command_id_text, new_command_id
from ganggpt.domain.kinds import KINDS
from ganggpt.protocol.examples import BOB, EXAMPLES, MISSION
from ganggpt.runtime.world_process import token_of
from tests.support.described import unlike
from tests.support.eventually import eventually
from tests.support.live_world import LiveWorld
from tests.support.paths import ROOT


async def _is_there(world: LiveWorld, mission: str) -> bool:
    return (await world.rest.get(f"/v1/missions/{mission.removeprefix('mission:')}")).status_code == 200


async def test_every_example_is_answered_as_described(world: LiveWorld) -> None:
    mission = ""
    for example in EXAMPLES:
        to = mission if example.to == MISSION else example.to
        headers = {} if example.by is None else {"X-Acting-As": example.by}
        path = f"/v1/actors/{to}/commands/{example.do}"
        answer = await world.rest.post(path, json=dict(example.arguments), headers=headers)
        if example.do == "MakeMove" and answer.status_code == 409:
            # Its own turn may have come a moment before.
            assert answer.json()["error"]["reason"] == "too_soon"
            continue
        assert answer.status_code == 200, (example, answer.text)
        reply = answer.json()["reply"]
        assert unlike(KINDS[to.partition(":")[0]].commands[example.do].reply, reply) == [], example
        if example.do == "AskForWork":
            mission = reply["mission"]
            await eventually(partial(_is_there, world, mission))
    shown = await world.rest.get(f"/v1/players/{BOB.removeprefix('player:')}", headers={"Cache-Control": "no-cache"})
    assert unlike(KINDS["player"].shows, shown.json()) == []
    assert shown.json()["username"] == "Bob Hale"


async def test_the_python_examples_of_the_bridge_page_run(world: LiveWorld) -> None:
    names: dict[str, Any] = {}
    page = (ROOT / "docs" / "BRIDGE.md").read_text(encoding="utf-8")
    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(example, names)
    token, rest = token_of(world.run), world.run.health.removesuffix("/health")
    assert (await names["talk"](world.run.bridge, token))["ok"] is True
    key = command_id_text(new_command_id())
    assert (await asyncio.to_thread(names["talk_by_rest"], rest, token, key))["id"] == key
    heard = await asyncio.to_thread(names["hear_by_rest"], rest, token, "Hello, Mara.")
    assert [event for event, _ in heard] == ["reply", "done"]
