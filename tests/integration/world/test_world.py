"""The main job end to end: a game server on the bridge, actors on Ray, truth in Postgres, and SIGKILL in between."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from pathlib import Path

import httpx
import pytest
import redis.asyncio

from ganggpt.client.game_server import GameServer
from ganggpt.client.wire import WireCommand
from ganggpt.domain.ids import new_command_id
from tests.support.eventually import eventually
from tests.support.live_world import ORIGIN, OWN_ACTORS, LiveWorld
from tests.support.promtool import complaints_about_metrics

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

MARA = "npc:mara"
PROCESSES = ("bridge", "host", "own", "supervisor")
"""The kinds of processes of a world without a model."""


def a_player() -> str:
    return f"player:{uuid.uuid4()}"


async def join(server: GameServer, player: str, name: str) -> None:
    assert (await server.send(player, "Join", {"username": name, "server": server.name})).ok


async def until_row(world: LiveWorld, query: str, *arguments: object, within_s: float = 10.0) -> object:
    """The first value of a query once it has one: the tables are written behind, at most a second late."""

    async def rows() -> list[object]:
        value = await world.pool.fetchval(query, *arguments)
        return [] if value is None else [value]

    return (await eventually(rows, query, within_s, every_s=0.05))[0]


@pytest.mark.parametrize("subprotocol", ["ganggpt.v1.msgpack", "ganggpt.v1.json"])
async def test_an_npc_answers_over_the_bridge_and_remembers_what_it_was_given(
    world: LiveWorld, subprotocol: str
) -> None:
    player = a_player()
    async with world.game_server("ls-talk", subprotocol=subprotocol) as server:
        given = await server.send(MARA, "Give", {"item": "a brass compass", "value": 200, "name": "Ada"}, by=player)
        assert given.ok
        asked = await server.send(MARA, "Talk", {"text": "Do you remember the compass I gave you?"}, by=player)
        assert "compass" in asked.reply["say"]
        assert asked.reply["cites"] is not None
    text = await until_row(
        world, "SELECT content->>'text' FROM npc_memories WHERE content->>'text' LIKE '%brass compass%' LIMIT 1"
    )
    assert "brass compass" in str(text)


async def test_the_operator_finds_the_cast_in_the_ray_dashboard_by_name_and_class(world: LiveWorld) -> None:
    live = "SELECT array_agg(name) FROM hosts WHERE kind = 'own' AND state = 'live' HAVING count(*) = $1"
    own = await until_row(world, live, OWN_ACTORS, within_s=60)
    token = (Path(world.run.data_dir) / "ray-token").read_text().strip()
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as dashboard,
        asyncio.timeout(60),
    ):
        while (listed := await actors_in(dashboard, world.run.dashboard)) is None:
            await asyncio.sleep(0.2)
    shown = {actor["name"]: actor["class_name"] for actor in listed if actor["state"] == "ALIVE"}
    assert {shown[name] for name in own} == {"FactionActor"}
    assert shown["host:0"] == "SharedHost"
    assert shown["supervisor"] == "SupervisorActor"


async def actors_in(dashboard: httpx.AsyncClient, address: str) -> list[dict[str, str]] | None:
    """What the dashboard lists; None while it is still starting."""
    try:
        answer = await dashboard.get(f"{address}/api/v0/actors")
    except httpx.TransportError:
        return None
    if answer.status_code != httpx.codes.OK:
        return None
    return answer.json()["data"]["result"]["result"]


@pytest.mark.parametrize("carrier", [MARA, "faction"])
async def test_a_killed_host_loses_no_ack_and_answers_everything_once(world: LiveWorld, carrier: str) -> None:
    if carrier == "faction":
        live = "SELECT name FROM hosts WHERE kind = 'own' AND state = 'live' LIMIT 1"
        carrier = str(await until_row(world, live, within_s=60))
        cast = "SELECT split_part(actor, ':', 2) FROM cast_members WHERE kind = 'faction' AND actor <> $1 LIMIT 1"
        shift = {"other": await world.pool.fetchval(cast, carrier), "delta": 1}
        work = [WireCommand(carrier, "ShiftRelation", {**shift, "cause": f"{n}"}) for n in range(60)]
    else:
        player = a_player()
        work = [WireCommand(carrier, "Give", {"item": f"coin {n}", "value": n}, player) for n in range(60)]
    async with world.game_server("ls-kill") as server:
        first = await server.send_all(work[:20], within_s=60)
        pid = await world.pid_of(carrier)
        rest = asyncio.create_task(server.send_all(work[20:], within_s=60))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        answers = [*first, *await rest]
        assert all(answer.ok for answer in answers), answers
        assert await world.pid_of(carrier) != pid
        assert not server.contradictions
        assert await world.kept(server)


async def test_a_cut_connection_resumes_and_repeats_answers_instead_of_effects(world: LiveWorld) -> None:
    player = a_player()
    async with world.game_server("ls-cut") as server:
        command = new_command_id(server.now_s)
        first = await server.send(MARA, "Give", {"item": "a lighter", "value": 5}, by=player, command_id=command)
        server.cut()
        again = await server.send(MARA, "Give", {"item": "a lighter", "value": 5}, by=player, command_id=command)
        assert (again.seq, again.reply) == (first.seq, first.reply)
        assert server.connections == 2
        assert await world.kept(server)


async def test_a_mission_is_played_to_its_end_and_pays_once(world: LiveWorld) -> None:
    player = a_player()
    async with world.game_server("ls-work") as server:
        await join(server, player, f"worker-{player[-6:]}")
        work = (await server.send(MARA, "AskForWork", by=player)).reply
        mission = work["mission"]
        assert await until_row(world, "SELECT status FROM missions WHERE actor = $1", mission) == "offered"
        assert (await server.send(mission, "Accept", by=player)).ok
        view = (await world.rest.get(f"/v1/missions/{mission.removeprefix('mission:')}")).json()
        taken = "SELECT 1 FROM players WHERE actor = $1 AND $2 = ANY(active_missions)"
        await until_row(world, taken, player, mission)
        for o in view["objectives"]:
            deed = {"verb": o["verb"], "target": o["target"], "district": o["district"], "count": o["count"]}
            assert (await server.send(player, "Report", {"deeds": [deed]}, by=player)).ok
        while (push := await server.next_push(20)).type != "mission.completed":
            pass
        assert push.epoch > 0
        paid = await until_row(world, "SELECT cash FROM players WHERE actor = $1 AND cash > 0", player)
        assert paid == work["reward"]
        ended = "SELECT count(*) FROM journal WHERE actor = $1 AND name = 'EndMission'"
        assert await world.pool.fetchval(ended, player) == 1
        assert await until_row(world, "SELECT count(*) FROM outbox HAVING count(*) = 0") == 0


async def test_rest_reads_and_commands_tell_the_same_story_as_the_bridge(world: LiveWorld) -> None:
    player = a_player()
    said = await world.rest.post(
        f"/v1/actors/{MARA}/commands/Talk", json={"text": "Evening."}, headers={"X-Acting-As": player}
    )
    assert said.status_code == 200, said.text
    assert said.json()["reply"]["say"]
    npc = (await world.rest.get("/v1/npcs/mara")).json()
    assert npc["name"] == "Mara Voss"
    assert isinstance((await world.rest.get("/v1/npcs/mara/memories")).json(), dict | list)
    factions = (await world.rest.get("/v1/factions")).json()
    assert len(factions["factions"] if isinstance(factions, dict) else factions) >= 8
    unknown = await world.rest.get("/v1/npcs/nobody-at-all")
    assert unknown.status_code == 404
    assert unknown.json()["error"]["code"] == "unknown_actor"


async def test_health_metrics_and_api_docs_are_open_and_the_rest_is_not(world: LiveWorld) -> None:
    health = await world.rest.get("/health", headers={"Authorization": ""})
    assert health.status_code == 200, health.text
    assert [check["name"] for check in health.json()["checks"]] == ["database", "redis", "ai", "memory", "disk"]
    metrics = (await world.rest.get("/metrics", headers={"Authorization": ""})).text
    assert "ganggpt_bridge_commands_total" in metrics
    assert (await world.rest.get("/openapi.json", headers={"Authorization": ""})).json()["paths"]
    locked = await world.rest.get("/v1/npcs/mara", headers={"Authorization": "Bearer wrong"})
    assert locked.status_code == 401


async def test_metrics_are_of_every_process_and_as_prometheus_wants_them(world: LiveWorld) -> None:
    await world.rest.get("/v1/npcs/mara")

    async def scraped() -> str | None:
        text = (await world.rest.get("/metrics", headers={"Authorization": ""})).text
        heard = all(f'ganggpt_start_timestamp_seconds{{process="{name}"}}' in text for name in PROCESSES)
        return text if heard else None

    text = await eventually(scraped, every_s=0.2, within_s=30)
    assert complaints_about_metrics(text.encode()) == ""
    for name in PROCESSES:
        assert f'ganggpt_database_query_seconds_count{{process="{name}"}}' in text
    assert "ganggpt_players_online " in text
    assert 'ganggpt_missions{state="offered"}' in text
    assert 'ganggpt_activations{kind="npc"}' in text
    assert 'ganggpt_hosts{residence="shared"}' in text


async def test_a_browser_of_a_named_origin_may_read_and_others_may_not(world: LiveWorld) -> None:
    asks = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "Authorization"}
    allowed = await world.rest.options("/v1/npcs/mara", headers={**asks, "Origin": ORIGIN, "Authorization": ""})
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    refused = await world.rest.options("/v1/npcs/mara", headers={**asks, "Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in refused.headers


async def test_views_are_cached_in_redis_under_the_keys_of_the_seed(world: LiveWorld) -> None:
    await world.rest.get("/v1/npcs/mara")
    (socket,) = (path for path in (Path(world.run.data_dir) / "redis.run").resolve().iterdir() if path.is_socket())
    client = redis.asyncio.Redis(unix_socket_path=str(socket))
    async with asyncio.timeout(5):
        found = {key.decode() async for key in client.scan_iter("ganggpt:*")}
    await client.aclose()
    assert "ganggpt:npc:mara:memory" in found


async def test_tables_of_the_user_agree_with_the_actors(world: LiveWorld) -> None:
    async with world.game_server("ls-tables") as server:
        owner = a_player()
        dog = f"companion:{uuid.uuid4()}"
        await join(server, owner, f"owner-{owner[-6:]}")
        recruit = {"owner": owner, "name": "Rex", "companion_type": "dog", "personality": {"loyalty": 70}}
        assert (await server.send(dog, "Recruit", recruit, by=owner)).ok
        assert (await server.send(dog, "GainExperience", {"amount": 120, "cause": "trained"})).ok
        query = "SELECT experience_points FROM companions WHERE actor = $1 AND experience_points > 0"
        assert await until_row(world, query, dog) == 120
        view = (await world.rest.get(f"/v1/companions/{dog.removeprefix('companion:')}")).json()
        assert view["experience"] == 120 or view["experience"]["points"] == 120
