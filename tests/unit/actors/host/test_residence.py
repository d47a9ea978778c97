"""An actor moves into a process of its own and back: nothing is lost, doubled or answered by two."""

from __future__ import annotations

import asyncio

from ganggpt.actors.supervision.plan import own_residents, plan_for
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.kinds import encode_command
from ganggpt.domain.messages import Offer
from ganggpt.domain.npc.commands import Give, Talk
from ganggpt.persistence.ports.hosts import LOCAL
from ganggpt.persistence.ports.journal import DueReminder, OutboxMessage
from tests.support.eventually import eventually
from tests.support.runtime import Runtime

MARA = "npc:mara"


async def house(runtime: Runtime) -> None:
    await runtime.fleet.promote("host:0", MARA)
    await move_out(runtime)


async def move_out(runtime: Runtime) -> None:
    await runtime.fleet.start(MARA, "own")
    await runtime.fleet.hand_over("host:0", [MARA], LOCAL, MARA)


async def bring_home(runtime: Runtime) -> None:
    await runtime.fleet.hand_over(MARA, [MARA], LOCAL, "host:0")
    await runtime.fleet.demote("host:0", MARA)
    await runtime.fleet.stop(MARA)


async def test_an_actor_keeps_its_memory_when_it_moves_out_and_back(runtime: Runtime) -> None:
    await runtime.ask(MARA, Give("watch", 100))
    before = (await runtime.view(MARA))["reply"]["memories"]
    await house(runtime)
    assert (await runtime.view(MARA))["reply"]["memories"] == before
    assert MARA in runtime.host(MARA).shards
    assert MARA in runtime.host(MARA).activations
    assert MARA not in runtime.host("host:0").activations
    await bring_home(runtime)
    assert (await runtime.view(MARA))["reply"]["memories"] == before
    assert MARA in runtime.host("host:0").activations


async def test_commands_sent_during_a_move_are_answered_once(runtime: Runtime) -> None:
    await runtime.ask(MARA, Talk("Hello"))
    asked = []
    for n in range(40):
        asked.append(asyncio.create_task(runtime.ask(MARA, Give(f"coin {n}", n))))
        if n == 10:
            asked.append(asyncio.create_task(_then_none(house(runtime))))
        await asyncio.sleep(0)
    replies = [reply for reply in await asyncio.wait_for(asyncio.gather(*asked), 10) if reply]
    assert all(reply["ok"] for reply in replies)
    journaled = runtime.database.journaled(MARA)
    assert len(journaled) == len(set(journaled)) == 42
    assert {reply["id"] for reply in replies} <= set(journaled)


async def _then_none(work: object) -> dict[str, object]:
    await work  # type: ignore[misc]
    return {}


async def test_a_repeated_id_is_known_after_the_move(runtime: Runtime) -> None:
    command = new_command_id()
    first = await runtime.ask(MARA, Give("watch", 100), id=command)
    await house(runtime)
    assert await runtime.ask(MARA, Give("watch", 100), id=command) == first
    assert runtime.database.journaled(MARA).count(command) == 1


async def test_messages_and_reminders_move_along(runtime: Runtime) -> None:
    await runtime.ask(MARA, Talk("Hello"))
    shard = runtime.host("host:0").activations[MARA].shard
    message = OutboxMessage(
        MARA, 99, 0, "mission:m", new_command_id(), "Offer", encode_command(Offer("parcel", MARA, "player:a"))
    )
    far = DueReminder(MARA, "later", 4e9, "Talk", b"")
    runtime.database.outbox[MARA, 99, 0] = (shard, message)
    runtime.database.reminders[MARA, "later"] = (shard, far)
    await runtime.fleet.promote("host:0", MARA)
    assert runtime.database.reminders[MARA, "later"][0] == MARA
    assert all(home == MARA for home, _ in runtime.database.outbox.values())
    await move_out(runtime)
    await eventually(lambda: not runtime.database.outbox)
    assert len(runtime.database.journaled("mission:m")) == 1
    await bring_home(runtime)
    assert runtime.database.reminders[MARA, "later"][0] == shard


async def test_a_killed_own_host_comes_back_as_itself(runtime: Runtime) -> None:
    await runtime.ask(MARA, Give("watch", 100))
    await house(runtime)
    await runtime.fleet.kill(MARA)
    await runtime.fleet.start(MARA, "own")
    view = (await runtime.view(MARA))["reply"]
    assert any("watch" in memory["text"] for memory in view["memories"])


def test_factions_go_first_and_companions_get_what_is_left() -> None:
    cast = ["npc:a", "npc:b", "faction:z", "faction:y"]
    assert own_residents("auto", cast, 3) == ("faction:y", "faction:z", "npc:a")
    assert own_residents("own", cast, 1) == ("faction:y", "faction:z", "npc:a", "npc:b")
    assert own_residents("shared", cast, 9) == ()
    assert plan_for("auto", cast, hosts=1, own_actors_max=6, lease_s=10).companions_max == 2
    assert plan_for("auto", cast, hosts=1, own_actors_max=3, lease_s=10).companions_max == 0
    assert plan_for("shared", cast, hosts=1, own_actors_max=6, lease_s=10).companions_max == 0
