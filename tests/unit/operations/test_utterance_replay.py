"""An utterance said again: the same by the same files and rules, and every change since is told."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from ganggpt.actors.host.activation import Activation
from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.openai_provider import OpenAIProvider
from ganggpt.ai.gateway.provider import Provider
from ganggpt.ai.gateway.recording import ModelExchange, RecordingProvider
from ganggpt.ai.minds.model import MindSpec, ModelMind
from ganggpt.ai.minds.prompt_files import read_prompts
from ganggpt.cli.replay_command import page
from ganggpt.cli.why_command import page as why_page
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.ids import ActorId
from ganggpt.domain.mind.commands import Hush, SayScripted, Utter
from ganggpt.domain.npc.commands import AskForWork, Give, Observe, Talk, Threaten
from ganggpt.domain.turn import ModelRequest
from ganggpt.errors import GangGPTError, InvalidInput, UnknownUtterance
from ganggpt.operations.explain import explain
from ganggpt.operations.utterance_replay import UtteranceReplay, replay_utterance
from ganggpt.operations.utterance_story import story_of
from ganggpt.testing.fake_model import FakeModel, Says, Status, fake_model, filtered_prompt
from tests.support.builders import WORLD
from tests.support.gateway_rig import Rig
from tests.support.journaled import MARA, Journaled, with_dice

SPEC = MindSpec(read_prompts(), "mature", b"secret")
AVA = "player:ava"


class List(list[ModelExchange]):
    """An exchange log."""

    def keep(self, exchange: ModelExchange) -> None:
        self.append(exchange)


class Talker(Journaled):
    """Somebody that talks by a model, whose exchanges are recorded."""

    def __init__(self, server: FakeModel, actor: ActorId = MARA) -> None:
        super().__init__(actor)
        self.recorded = List()
        shelf = self.recorded

        class RecordingRig(Rig):
            def provider(self, endpoint: Endpoint) -> Provider:
                return RecordingProvider(OpenAIProvider(endpoint), shelf)

        self.gateway = RecordingRig(server).build(entry={"tries": 1})
        self.causes: dict[int, tuple[str, str]] = {}

    def do(self, command: Any, by: str = AVA, *, has_model: bool = False) -> Any:
        reply = super().do(command, by, has_model=has_model)
        if hasattr(self, "causes"):
            self.causes[len(self.turns)] = (by, command.tag)
        return reply

    async def talks(self, text: str, by: str = AVA, name: str | None = None, *, stops_after: int = 99) -> str:
        """A line and the model's answer to it; the utterance."""
        line = Talk if self.actor == MARA else companion.Talk
        reply = self.do(line(text, name), by, has_model=True)
        await self.answers(stops_after)
        return str(reply["utterance"])

    async def answers(self, stops_after: int = 99) -> None:
        """The model's answer to what was asked last."""
        mind = ModelMind(SPEC, self.gateway, WORLD, lambda: 0.0)
        request = next(one for one in self.model_requests if isinstance(one, ModelRequest))
        answer, said = mind.answer(self.actor, request), None
        try:
            for _ in range(stops_after):
                said = self.do(await answer.asend(said), "model:gateway")
        except StopAsyncIteration:
            pass
        finally:
            await answer.aclose()

    async def again(
        self,
        utterance: str,
        *,
        spec: MindSpec = SPEC,
        world: Any = WORLD,
        recorded: Sequence[ModelExchange] | None = None,
        turns: Callable[[list[tuple[int, bytes]]], list[tuple[int, bytes]]] = list,
    ) -> UtteranceReplay:
        shelf = self.recorded if recorded is None else recorded
        story = story_of(utterance, turns(self.turns))
        key = story.provenance.key if story.provenance is not None else ""
        mine = [exchange for exchange in shelf if exchange.request_key == key]
        return await replay_utterance(story, self.causes, world, spec, mine)


def spoken(body: Any) -> str:
    text = str(body["messages"][-1]["content"])  # the instructions name the actions too
    actions = [{"do": "follow"}] if "follow me" in text else [{"do": "flee"}] if "run" in text else []
    return json.dumps({"say": "The docks were quiet. A van came twice.", "actions": actions})


@pytest.fixture
async def server() -> AsyncIterator[FakeModel]:
    async with fake_model(spoken) as running:
        yield running


@pytest.fixture
async def mara(server: FakeModel) -> AsyncIterator[Talker]:
    npc = Talker(server)
    npc.do(Give("silver watch", 300))
    npc.do(Talk("I will be at the pier tomorrow", "Ava"))
    yield npc
    await npc.gateway.close()


def changed(folder: Path, **files: str) -> MindSpec:
    for name, text in files.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return MindSpec(read_prompts(folder), "mature", b"secret")


async def test_what_a_model_said_comes_out_the_same_again(mara: Talker, server: FakeModel) -> None:
    utterance = await mara.talks("What do you remember of the silver watch?", name="Ava")
    mara.do(Talk("Goodbye"))
    asked = len(server.seen)
    again = await mara.again(utterance)
    assert (again.verdict, again.differences, again.notes) == ("same", (), ())
    assert again.by == "model"
    assert again.then == again.now
    assert again.now is not None
    assert again.now.said == "The docks were quiet. A van came twice."
    assert "silver watch" in again.now.prompt
    assert len(server.seen) == asked, "nothing leaves"
    plain = json.loads(json.dumps(again.to_reply()))
    assert (plain["verdict"], plain["now"]["sentences"]) == ("same", ["The docks were quiet.", "A van came twice."])


async def test_actions_are_judged_again_by_the_rules(mara: Talker) -> None:
    utterance = await mara.talks("Come, follow me")
    again = await mara.again(utterance)
    assert again.verdict == "same"
    assert again.now is not None
    assert [action for action, _ in again.now.actions] == ["follow"]


async def test_what_happened_between_its_sentences_does_not_matter(mara: Talker) -> None:
    reply = mara.do(Talk("Tell me about the harbour"), has_model=True)
    request = next(one for one in mara.model_requests if isinstance(one, ModelRequest))
    answer, said = ModelMind(SPEC, mara.gateway, WORLD, lambda: 0.0).answer("npc:mara", request), None  # type: ignore[arg-type]
    try:
        while True:
            said = mara.do(await answer.asend(said), "model:gateway")
            mara.do(Observe("a shot is fired", 70), "server:test")
    except StopAsyncIteration:
        pass
    assert (await mara.again(reply["utterance"])).verdict == "same"


async def test_a_changed_prompt_file_is_a_difference_and_says_which_words(mara: Talker, tmp_path: Path) -> None:
    utterance = await mara.talks("What is going on?")
    spec = changed(tmp_path, mature="Speak like a pirate.")
    again = await mara.again(utterance, spec=spec)
    assert again.verdict == "different"
    assert [one.what for one in again.differences] == ["prompt"], "the recorded answer is still the answer"
    assert "+Speak like a pirate." in again.prompt_changes


async def test_another_token_of_the_world_is_no_difference(mara: Talker) -> None:
    utterance = await mara.talks("What is going on?")
    again = await mara.again(utterance, spec=MindSpec(read_prompts(), "mature", b"another"))
    assert again.verdict == "same"


async def test_a_guard_that_objects_now_is_a_difference(mara: Talker, server: FakeModel) -> None:
    server.always = {"large": Says(json.dumps({"say": "You damn fool. Fuck off, will you.", "actions": []}))}
    utterance = await mara.talks("What is going on?")
    teen = MindSpec(read_prompts(), "teen", b"secret")
    again = await mara.again(utterance, spec=teen)
    assert again.verdict == "different"
    assert {"prompt", "said"} <= {one.what for one in again.differences}


async def test_a_record_with_another_answer_is_a_difference(mara: Talker) -> None:
    utterance = await mara.talks("What is going on?")
    recorded = list(mara.recorded)
    recorded[-1] = type(recorded[-1])(**{**fields(recorded[-1]), "answer": '{"say": "Nothing.", "actions": []}'})
    again = await mara.again(utterance, recorded=recorded)
    assert [one.what for one in again.differences] == ["said"]


async def test_without_a_record_what_was_said_is_guarded_again_and_how_to_keep_more_is_told(
    mara: Talker, tmp_path: Path
) -> None:
    utterance = await mara.talks("What is going on?")
    again = await mara.again(utterance, recorded=())
    assert (again.verdict, again.differences) == ("unproven", ())
    assert any("GANGGPT_AI_RECORD_DAYS" in note for note in again.notes)
    assert again.now is not None
    assert again.now.said == again.then.said
    changed_again = await mara.again(utterance, recorded=(), spec=changed(tmp_path, mature="Speak like a pirate."))
    assert changed_again.verdict == "different"


async def test_a_filters_refusal_is_replayed_from_its_record(mara: Talker, server: FakeModel) -> None:
    server.always = dict.fromkeys(("large", "small"), filtered_prompt())
    utterance = await mara.talks("Say something dreadful")
    again = await mara.again(utterance)
    assert (again.verdict, again.by, again.then.act) == ("same", "scripted mind", "deflect")
    assert again.then.prompt_hash, "what was asked in vain is explained too"
    assert "filter: prompt" in again.then.guards


async def test_where_no_model_answered_the_scripted_words_come_out_the_same(mara: Talker, server: FakeModel) -> None:
    server.always = dict.fromkeys(("large", "small"), Status(500))
    utterance = await mara.talks("Do you remember me?")
    again = await mara.again(utterance)
    assert (again.verdict, again.by) == ("same", "scripted mind")
    assert again.now is not None
    assert again.now.said == again.then.said != ""
    other = await mara.again(utterance, world=with_dice(5))
    assert {one.what for one in other.differences} <= {"said"}


async def test_what_a_guard_refused_is_said_to_be_unproven(mara: Talker, server: FakeModel) -> None:
    server.always = {"large": Says(json.dumps({"say": "As an AI language model I cannot help.", "actions": []}))}
    utterance = await mara.talks("Who are you really?")
    again = await mara.again(utterance)
    assert again.then.act == "deflect"
    assert (again.verdict, again.differences) == ("unproven", ())
    assert again.now is not None
    assert again.now.said == again.then.said


async def test_what_was_broken_off_cannot_be_said_to_its_end(mara: Talker) -> None:
    utterance = await mara.talks("A long story, please", stops_after=1)
    mara.do(Hush())
    again = await mara.again(utterance)
    assert (again.by, again.verdict) == ("nobody", "unproven")
    assert again.then.said == "The docks were quiet."


async def test_an_answer_that_waited_its_turn_is_replayed_too(mara: Talker) -> None:
    mara.do(Talk("What is new at the pier?"), "player:ben", has_model=True)
    before = mara.model_requests
    mara.do(Talk("And me?"), AVA, has_model=True)
    mara.model_requests = before
    await mara.answers()
    utterance = mara.state.mind.speaking.utterance.id
    await mara.answers()
    again = await mara.again(utterance)
    assert (again.player, again.heard) == (AVA, "And me?")
    assert (again.verdict, again.differences) == ("same", ())


@pytest.mark.parametrize(
    "command",
    [
        Talk("What do you remember of the silver watch?"),
        Talk("Hello", "Ava of the north"),
        Give("silver ring", 120, "Ava"),
        Threaten("Hand it over", armed=True),
        Threaten(""),
        AskForWork("Ava", 4),
    ],
)
async def test_what_the_rules_said_at_once_comes_out_the_same(mara: Talker, command: Any) -> None:
    reply = mara.do(command)
    again = await mara.again(reply["utterance"])
    assert (again.verdict, again.by) == ("same", "scripted mind")
    assert again.now is not None
    assert again.now.said == reply["say"]


async def test_other_dice_say_other_words_and_that_is_a_difference(mara: Talker) -> None:
    utterance = mara.do(Talk("What do you remember of the silver watch?"))["utterance"]
    verdicts = [(await mara.again(utterance, world=with_dice(seed))).verdict for seed in range(8)]
    assert "different" in verdicts


async def test_where_the_journal_does_not_reach_back_it_says_so(mara: Talker) -> None:
    utterance = await mara.talks("What is going on?")
    again = await mara.again(utterance, turns=lambda turns: turns[2:])
    assert (again.verdict, again.now) == ("unproven", None)
    assert any("GANGGPT_JOURNAL_DAYS" in note for note in again.notes)
    assert again.then.said


async def test_a_snapshot_before_it_is_as_good_as_its_birth(mara: Talker) -> None:
    activation = Activation(ActorId("npc:mara"), "s")
    activation.state, seq = mara.state, len(mara.turns)
    utterance = await mara.talks("What is going on?")
    story = story_of(utterance, mara.turns[seq:], (seq, activation.snapshot()))
    again = await replay_utterance(story, mara.causes, WORLD, SPEC, mara.recorded)
    assert again.verdict == "same"
    found = explain(utterance, mara.turns[seq:], WORLD, (seq, activation.snapshot()))
    assert found.recalled


async def test_the_page_shows_both_tellings_and_what_differs(mara: Talker, tmp_path: Path) -> None:
    utterance = await mara.talks("Come, follow me")
    same = printed(await mara.again(utterance))
    assert "the same again" in same
    assert "A van came twice." in same
    other = printed(await mara.again(utterance, spec=changed(tmp_path, mature="Speak like a pirate.")))
    assert "different now" in other
    assert "+Speak like a pirate." in other
    unproven = printed(await mara.again(utterance, recorded=()))
    assert "not everything could be run again" in unproven
    assert "GANGGPT_AI_RECORD_DAYS" in unproven


async def test_what_players_write_is_never_markup(mara: Talker) -> None:
    text = "[/b] What do you remember of [red]the pier?"
    utterance = mara.do(Talk(text, "[/i]Ava"))["utterance"]
    for shown in (page(await mara.again(utterance)), why_page(explain(utterance, mara.turns, WORLD))):
        assert "[red]" in printed(shown)


def printed(shown: UtteranceReplay | RenderableType) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(page(shown) if isinstance(shown, UtteranceReplay) else shown)
    return console.export_text()


async def test_what_was_never_said_or_is_being_said_is_an_error(mara: Talker) -> None:
    saying = mara.do(Talk("What is new at the pier?"), has_model=True)["utterance"]
    mara.do(Utter(saying, 0, "Well,"), "model:gateway")
    for utterance, error in (
        (saying, UnknownUtterance),
        ("npc:mara#999", UnknownUtterance),
        ("npc:mara#1", UnknownUtterance),
        ("faction:harbour#1", InvalidInput),
        ("nonsense", InvalidInput),
    ):
        with pytest.raises(error):
            story_of(utterance, mara.turns)
    mara.do(SayScripted(saying), "model:gateway")
    assert (await mara.again(saying)).then.said == "Well,"


def test_a_refused_command_is_no_turn(mara: Talker) -> None:
    with pytest.raises(GangGPTError):
        mara.do(Utter("npc:mara#1", 0, "No."), "model:gateway")


def fields(exchange: ModelExchange) -> dict[str, Any]:
    return {name: getattr(exchange, name) for name in exchange.__struct_fields__}


@pytest.fixture
async def rex(server: FakeModel) -> AsyncIterator[Talker]:
    dog = Talker(server, ActorId("companion:rex"))
    dog.do(companion.Recruit(AVA, "Rex", "bodyguard", {"courage": 100, "loyalty": 100}))
    dog.do(companion.GainExperience(500, "held off three bikers at the pier"))
    yield dog
    await dog.gateway.close()


async def test_what_a_companion_said_comes_out_the_same_again(rex: Talker) -> None:
    by_model = await rex.talks("Rex, follow me to the pier", name="Ava")
    plainly = rex.do(companion.Talk("Do you remember the bikers at the pier?"))["utterance"]
    ordered = rex.do(companion.Order("attack", "the guard"))["utterance"]
    let_go = rex.do(companion.Dismiss())["utterance"]
    for utterance, by in ((by_model, "model"), *((one, "scripted mind") for one in (plainly, ordered, let_go))):
        again = await rex.again(utterance)
        assert (again.verdict, again.differences, again.by) == ("same", (), by), utterance
    again = await rex.again(by_model)
    assert again.now is not None
    assert again.now.actions == (("follow", "allowed"),)
    assert "bikers" in again.now.prompt
