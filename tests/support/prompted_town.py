"""Prompts as play makes them: people of the world that ships are talked to, given things, threatened and ordered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ganggpt.ai.minds.model import MindSpec, talk_prompt
from ganggpt.ai.minds.prompt import Prompt
from ganggpt.ai.minds.prompt_files import read_prompts
from ganggpt.domain.companion import commands as companion
from ganggpt.domain.ids import ActorId
from ganggpt.domain.mind.commands import Conclude, Utter
from ganggpt.domain.mind.utterance import Provenance, TalkBrief
from ganggpt.domain.npc.commands import AskForWork, Give, Observe, Talk, Threaten
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.turn import Decision, ModelRequest
from tests.support.shipped_town import shipped_town, with_a_model
from tests.support.town import MAIN, Town

PLAYERS = (("player:ava", "Ava"), ("player:ben", "Ben Ortega"), ("player:ida", "Ida"))
REX = "companion:rex"
SCENES = (
    None,
    TalkScene("the back room of the club", 23 * 60 + 5, "rain", ("Otis", "Deke")),
    TalkScene("a bench at the pier", 8 * 60, "fog", ("Kip", "Doc Hollis", "Sunny", "Bruno", "Torque", "Neon")),
)
LINES = (
    "Do you know who runs Ballast Row these days, and who wants it?",
    "I work for nobody. My brother Luis drives a grey van for the Corvinos, he knows where the crates went.",
    "You hiring? I need money by Friday, I owe Bruno four hundred dollars.",
    "Tell me about Mara Voss and Detective Abara, and who is stronger, the Ballast Row Crew or the Salt Cartel?",
    "Where can I find a doctor at this hour?",
    "Do you remember what I told you about the pier, the guard and the money?",
    "Was weißt du über den Hafen, und wer ist dort der Chef?",
    "I swear I will bring you the medicine tomorrow before noon. You have my word, and you know what it is worth.",
    "And who told you that, the old man at the docks or one of the girls from the club downstairs?",
    "Why should I trust you after all that happened between your people and mine in Saint Ansel last summer? " * 3,
)
ANSWERS = (
    "Depends on who asks, and on what they bring with them.",
    "You hear a lot on this street, and most of it is worth what you pay for it. I would ask Otis at the docks.",
    "Not tonight. Come back when the rain stops, and bring the money you owe me.",
)


class Situated(NamedTuple):
    """A prompt, whose it is, and what it was made of."""

    actor: str
    talk: TalkBrief
    prompt: Prompt


def prompts_of_play(people: int) -> Iterator[Situated]:
    """The prompts of many talks, with the world's first ``people`` and a companion."""
    town = shipped_town()
    speakers = [f"npc:{name}" for name in sorted(town.world.npcs)[:people]]
    town.do(REX, companion.Recruit("player:ava", "Rex", "bodyguard", {"bravery": 80}), "player:ava")
    for actor in (*speakers, REX):
        with_a_model(town, actor)
    for no, actor in enumerate(speakers):
        _history(town, actor, no)
        for place, line in enumerate(LINES):
            player, name = PLAYERS[place % 2]
            scene = SCENES[(no + place) % len(SCENES)]
            yield from _answered(town, actor, town.do(actor, Talk(line, name, scene), player), place)
            town.wait(40)
    for place, line in enumerate(LINES):
        asked = town.do(REX, companion.Talk(line, "Ava", SCENES[place % len(SCENES)]), "player:ava")
        yield from _answered(town, REX, asked, place)
        town.wait(40)


def _history(town: Town, actor: str, no: int) -> None:
    """Deeds of the players, which this actor remembers and holds against or for them."""
    player, name = PLAYERS[no % 2]
    for what in range(6):
        text = f"{name} carried crate number {what} to the van behind the bar while two guards looked on"
        town.do(actor, Observe(text, 30 + 10 * what, player), MAIN)
    town.do(actor, Give("silver watch of the old captain", 900, name), player)
    town.do(actor, Give("bottle of rye", 60, name), player)
    if no % 3 == 0:
        town.do(actor, Threaten("Last warning. Next time I bring friends.", armed=False, name=name), player)
    if no % 2 == 0:
        town.do(actor, AskForWork(name), player)


def _answered(town: Town, actor: str, asked: Decision, place: int) -> Iterator[Situated]:
    spec = MindSpec(read_prompts(), "mature", b"secret")
    for request in asked.model_requests:
        if isinstance(request, ModelRequest) and isinstance(request.brief, TalkBrief):
            talk = request.brief
            yield Situated(actor, talk, talk_prompt(spec, town.world, ActorId(actor), talk))
            town.do(actor, Utter(talk.utterance, 0, ANSWERS[place % len(ANSWERS)]), actor)
            town.do(actor, Conclude(talk.utterance, (), Provenance("a-model")), actor)
