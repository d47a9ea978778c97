"""Recorded exchanges: the same talk once more, without a network and without cost."""

from __future__ import annotations

from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.openai_provider import OpenAIProvider
from ganggpt.ai.gateway.provider import Provider
from ganggpt.ai.gateway.recording import ModelExchange, RecordingProvider, ReplayProvider
from ganggpt.ai.port import Answered, Deflected, NotAnswered
from ganggpt.testing.fake_model import FilteredAnswer, Says, Status, fake_model, filtered_prompt
from tests.support.gateway_rig import Rig, Turn, heard, talk


class ExchangeLog:
    """Exchanges in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, ModelExchange] = {}

    def keep(self, exchange: ModelExchange) -> None:
        self.kept[exchange.key] = exchange

    async def find(self, key: str) -> ModelExchange | None:
        return self.kept.get(key)


class RecordingRig(Rig):
    """A rig whose provider records."""

    log: ExchangeLog

    def provider(self, endpoint: Endpoint) -> Provider:
        self.log = ExchangeLog()
        return RecordingProvider(OpenAIProvider(endpoint), self.log)


async def test_a_talk_with_repair_and_softening_is_replayed_without_a_server() -> None:
    async with fake_model() as server:
        rig = RecordingRig(server)
        gateway = rig.build()
        server.faults.extend([filtered_prompt("hate"), Says("no json"), Says('{"say": "Fine. Go.", "mood": 1}')])
        live = await gateway.answer(talk(shape=Turn, use_cache=False))
        await gateway.close()
    replayed = Rig(server)
    again = await replayed.build(provider=ReplayProvider("replay", rig.log.find)).answer(
        talk(shape=Turn, use_cache=False)
    )
    assert isinstance(live, Answered)
    assert live.softened
    assert live.repaired
    assert again == live
    assert server.count == 3


async def test_a_stream_is_recorded_whole_and_replayed_as_a_stream() -> None:
    async with fake_model() as server:
        rig = RecordingRig(server)
        gateway = rig.build()
        said, live = await heard(gateway, talk())
        server.always["large"] = FilteredAnswer(after=8)
        _, filtered = await heard(gateway, talk("vile"))
        await gateway.close()
    again = Rig(server).build(provider=ReplayProvider("replay", rig.log.find))
    assert await heard(again, talk()) == (said, live)
    assert isinstance(filtered, Deflected)
    _, refiltered = await heard(again, talk("vile"))
    assert isinstance(refiltered, Deflected)
    assert refiltered.categories == filtered.categories


async def test_failures_are_replayed_too_and_an_unknown_prompt_is_no_guess() -> None:
    async with fake_model() as server:
        rig = RecordingRig(server)
        gateway = rig.build(entry={"tries": 1})
        server.always |= {"large": Status(500), "small": Status(500)}
        live = await gateway.answer(talk())
        await gateway.close()
    assert {exchange.failure for exchange in rig.log.kept.values()} == {"model_away"}
    again = Rig(server).build(provider=ReplayProvider("replay", rig.log.find), entry={"tries": 1})
    failed = await again.answer(talk())
    unknown = await again.answer(talk("something else"))
    assert isinstance(live, NotAnswered)
    assert isinstance(failed, NotAnswered)
    assert failed.reason == live.reason == "failing"
    assert isinstance(unknown, NotAnswered)
    assert "no exchange with this exact prompt" in unknown.detail


async def test_what_is_kept_says_whose_it_is_and_for_which_request() -> None:
    async with fake_model() as server:
        rig = RecordingRig(server)
        gateway = rig.build()
        outcome = await gateway.answer(talk())
        await gateway.close()
    (exchange,) = rig.log.kept.values()
    assert exchange.player == "player:ana"
    assert exchange.request_key == outcome.key
    assert "Where is my money?" in exchange.request
    assert exchange.tokens_in == outcome.usage.tokens_in
