"""The examples of docs/BRIDGE_COMMANDS.md and the OpenAPI do what they say in a world that was just started."""

from __future__ import annotations

from ganggpt.domain.kinds import KINDS
from ganggpt.protocol.examples import BOB, EXAMPLES, MISSION
from tests.support.described import unlike
from tests.support.live_world import LiveWorld


async def test_every_example_is_answered_as_described(world: LiveWorld) -> None:
    mission = ""
    for example in EXAMPLES:
        to = mission if example.to == MISSION else example.to
        headers = {} if example.by is None else {"X-Acting-As": example.by}
        path = f"/v1/actors/{to}/commands/{example.do}"
        answer = await world.rest.post(path, json=dict(example.arguments), headers=headers)
        assert answer.status_code == 200, (example, answer.text)
        reply = answer.json()["reply"]
        assert unlike(KINDS[to.partition(":")[0]].commands[example.do].reply, reply) == [], example
        mission = reply.get("mission", mission) if example.do == "AskForWork" else mission
    shown = await world.rest.get(f"/v1/players/{BOB.removeprefix('player:')}", headers={"Cache-Control": "no-cache"})
    assert unlike(KINDS["player"].shows, shown.json()) == []
    assert shown.json()["username"] == "Bob Hale"
