"""What a model does beside talking, in a whole world: it gives memories a meaning, sums talks up, proposes missions and
chooses moves. Everything goes through bridge, actors, gateway and the real SDK; only the model itself is a stand-in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import asyncpg
import httpx
import pytest

from ganggpt.client.game_server import GameServer
from ganggpt.demo.fake_parts import a_mission, a_move, every_part, shape_name, vector_of
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.runtime.run_file import Run
from ganggpt.runtime.world_process import WorldProcess, token_of
from ganggpt.testing.fake_model import FakeModel, variables_for
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

AVA = "player:ava"
VECTORS = "text-embedding-3-small"
TALK = (
    "I saw three vans at the pier last night", "The vans had no plates at all",
    "I swear I will find who drives them, my brother was there", "Somebody should look into those vans",
)  # fmt: skip


class Parts:
    """Plays every part, and those of ``instead`` by the name of their shape otherwise."""

    def __init__(self) -> None:
        self.instead: dict[str, Callable[[Mapping[str, Any]], Any]] = {"MissionProposal": mission_of}
        self.moves: list[dict[str, Any]] = []

    def __call__(self, body: Mapping[str, Any]) -> str:
        other = self.instead.get(shape_name(body))
        if other is None:
            return every_part(body)
        return json.dumps(other(json.loads(body["messages"][-1]["content"])))


def mission_of(outline: Mapping[str, Any]) -> dict[str, Any]:
    """By who gives it: a good one, one that has to be repaired, one that is no work at all."""
    good, giver = a_mission(outline), outline["giver"]["id"]
    if giver == "npc:tobias":
        strange = {"verb": "levitate", "target": "npc:mara", "district": None, "count": 1, "within_minutes": None}
        return {**good, "reward": 1_000_000, "objectives": [strange, *good["objectives"]], "weapon": "a tank"}
    if giver == "npc:bruno":
        lost = {"verb": "deliver", "target": "moon-rock", "district": "atlantis", "count": 1, "within_minutes": None}
        return {**good, "objectives": [{**lost, "verb": "levitate"}]}
    return good


@pytest.fixture(scope="module")
async def model() -> AsyncIterator[FakeModel]:
    server = FakeModel(Parts())
    server.vector = vector_of
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
async def run(model: FakeModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    own = {"GANGGPT_OWN_ACTORS_MAX": "0", "AZURE_OPENAI_EMBEDDING_DEPLOYMENT": VECTORS}
    home = tmp_path_factory.mktemp("parts")
    process = WorldProcess(home, "--port", "0", "--dashboard-port", "0", environment={**variables_for(model), **own})
    yield await process.start()
    await process.stop()


@pytest.fixture(scope="module")
async def pool(run: Run) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(run.database, PoolOptions(min_size=0, max_size=2))
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def rest(run: Run) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {token_of(run)}"}
    async with httpx.AsyncClient(base_url=run.health.removesuffix("/health"), timeout=10, headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
async def game(run: Run) -> AsyncIterator[GameServer]:
    """A game server with some players, of whom one has asked three people for work."""
    async with GameServer(run.bridge, token_of(run), "parts") as server:
        for name in ("ava", "guest1", "guest2", "guest3", "guest4"):
            joined = await server.send(f"player:{name}", "Join", {"username": name, "server": "parts"})
            assert joined.ok, joined
        for npc in ("mara", "tobias", "bruno"):
            asked = await server.send(f"npc:{npc}", "AskForWork", {"name": "Ava"}, by=AVA)
            assert asked.ok, asked
        yield server


async def memories(rest: httpx.AsyncClient, npc: str) -> list[dict[str, Any]]:
    answer = await rest.get(f"/v1/npcs/{npc}")
    found: list[dict[str, Any]] = answer.json()["memories"]
    return found


def asked_for(model: FakeModel, shape: str) -> list[Mapping[str, Any]]:
    return [seen.body for seen in model.seen if shape_name(seen.body) == shape]


async def test_memories_and_lines_get_an_embedding(game: GameServer, model: FakeModel, rest: httpx.AsyncClient) -> None:
    given = await game.send("npc:livia", "Give", {"item": "silver watch", "value": 400, "name": "Ava"}, by=AVA)
    assert given.ok, given

    async def meant() -> bool:
        held = [one for one in await memories(rest, "livia") if one["kind"] == "gift"]
        return [one["model"] for one in held] == [f"{VECTORS}/256"]

    await eventually(meant, "the gift has a vector", 120, every_s=0.2)
    line = "Where did you put that silver watch of mine?"
    said = await game.send("npc:livia", "Talk", {"text": line}, by=AVA)
    assert said.reply["more"] is True

    async def answered() -> bool:
        return any(line in json.dumps(seen.body) for seen in model.seen if "messages" in seen.body)

    await eventually(answered, "the model is asked for words", 30, every_s=0.2)
    order = ["input" in seen.body for seen in model.seen if line in json.dumps(seen.body)]
    assert order == [True, False], "first the meaning of the line, then the words"
    texts = [text for seen in model.seen for text in seen.body.get("input", ())]
    assert len(texts) == len(set(texts)), "no text is asked for twice"


async def _to_its_end(game: GameServer, utterance: str) -> None:
    """Wait until all of an utterance was said."""
    async with asyncio.timeout(30):
        while True:
            push = await game.next_push(30)
            if push.type == "npc.says" and push.body["utterance"] == utterance and push.body["final"]:
                return


async def test_a_talk_that_is_over_is_put_into_better_words(
    game: GameServer, model: FakeModel, rest: httpx.AsyncClient
) -> None:
    for n in range(1, 5):
        for line in TALK[: 4 if n == 1 else 1]:
            answer = await game.send("npc:gia", "Talk", {"text": line, "name": f"P{n}"}, by=f"player:guest{n}")
            await _to_its_end(game, answer.reply["utterance"])  # what was not heard leaves nothing
    await game.send("npc:gia", "Talk", {"text": "What is going on here?", "name": "Ava"}, by=AVA)

    async def reworded() -> dict[str, Any] | None:
        found = [one for one in await memories(rest, "gia") if one["kind"] == "summary"]
        return found[0] if found and found[0]["text"].endswith("I shall keep that in mind.") else None

    summary = await eventually(reworded, "the summary has the model's words", 30, every_s=0.2)
    assert summary["audience"] == "player:guest1"
    assert 10 <= summary["weight"] <= 50
    (body,) = asked_for(model, "Condensed")
    assert TALK[0] in body["messages"][1]["content"]
    assert TALK[0] not in body["messages"][0]["content"]


async def test_a_factions_turn_with_a_models_choice_moves_the_map_and_an_illegal_one_does_not(
    model: FakeModel, rest: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    parts = model._answer
    assert isinstance(parts, Parts)
    for row in await pool.fetch("SELECT actor FROM cast_members WHERE actor LIKE 'faction:%'"):
        known = await rest.get(f"/v1/factions/{row['actor'].removeprefix('faction:')}")  # comes to life with it
        assert known.status_code == httpx.codes.OK
    made = (await _a_turn(parts, rest, pool))["moves"][0]
    assert made["by"] == "model:gateway"
    assert made["words"] == "Nobody saw this coming, and nobody will say so."

    def illegal(outlook: Mapping[str, Any]) -> dict[str, Any]:
        return {"move": len(outlook["moves"]) + 1, "words": "To the moon."}

    faction = await _a_turn(parts, rest, pool, illegal)
    assert "To the moon." not in [move["words"] for move in faction["moves"]]


async def _a_turn(
    parts: Parts, rest: httpx.AsyncClient, pool: asyncpg.Pool, choose: Callable[[Any], Any] = a_move
) -> dict[str, Any]:
    """A faction after a turn for which its model was asked. The factions' reminders are made due, until one
    of them asks."""
    asked: list[Mapping[str, Any]] = []

    def noted(outlook: Mapping[str, Any]) -> Any:
        asked.append(outlook)
        return choose(outlook)

    parts.instead["MoveChoice"] = noted

    async def somebody() -> bool:
        await pool.execute("UPDATE reminders SET due = now() WHERE name = 'politics' AND due > now() + interval '30 s'")
        await asyncio.sleep(1.0)
        return bool(asked)

    await eventually(somebody, "a faction asks a model", 120, every_s=0.2)
    outlook = asked[0]

    async def moved() -> dict[str, Any] | None:
        faction = (await rest.get(f"/v1/factions/{outlook['faction']}")).json()
        return faction if faction["turns"] > outlook["for_turn"] else None

    faction = await eventually(moved, f"{outlook['faction']} takes its turn", 30, every_s=0.2)
    found: dict[str, Any] = faction
    return found


async def test_missions_of_a_model_are_offered_repaired_or_replaced_and_say_so(
    game: GameServer, model: FakeModel, rest: httpx.AsyncClient
) -> None:
    first = {npc: await _offered(game, npc) for npc in ("mara", "tobias", "bruno")}

    async def thought() -> bool:
        return len(asked_for(model, "MissionProposal")) >= 3

    await eventually(thought, "the model is asked for three missions", 30, every_s=0.2)
    explained = {}
    for npc, before in first.items():

        async def another(npc: str = npc, before: str = before) -> str | None:
            now = await _offered(game, npc)
            return now if now != before else None

        mission = await eventually(another, f"{npc} offers something else", 180, every_s=0.2)
        shown = await eventually(lambda m=mission: _mission(rest, m), f"{mission} is there", 30, every_s=0.2)
        explained[npc] = shown["explanation"]
        assert shown["status"] == "offered"
        assert shown["objectives"]
        if npc != "bruno":
            assert shown["title"] == "Word of Mouth"
            assert shown["reward"] < 1_000_000
    assert explained["mara"]["origin"] == "model"
    assert not [line for line in explained["mara"]["why"] if line.startswith("instead of")]
    repaired = [line for line in explained["tobias"]["why"] if line.startswith("repaired: ")]
    assert explained["tobias"]["origin"] == "model"
    assert any("weapon" in line for line in repaired)
    assert any("levitate" in line for line in repaired)
    assert any("reward" in line for line in repaired)
    assert explained["bruno"]["origin"] in ("grammar", "template")


async def _offered(game: GameServer, npc: str) -> str:
    answer = await game.send(f"npc:{npc}", "AskForWork", {"name": "Ava"}, by=AVA)
    assert answer.ok, answer
    return str(answer.reply["mission"])


async def _mission(rest: httpx.AsyncClient, mission: str) -> dict[str, Any] | None:
    answer = await rest.get(f"/v1/missions/{mission.removeprefix('mission:')}")
    return answer.json() if answer.status_code == httpx.codes.OK else None
