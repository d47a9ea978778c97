"""The world that ships, played by its rules alone: all its people and factions, and whoever comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ganggpt.domain.ids import kind_of
from ganggpt.domain.kinds import KINDS
from ganggpt.domain.mind.commands import Conclude, Utter
from ganggpt.domain.mind.utterance import Provenance, TalkBrief
from ganggpt.domain.turn import Command, Decision, ModelRequest
from ganggpt.protocol.codec import read_json
from ganggpt.protocol.command_book import CommandBook
from ganggpt.worldfiles.files import cast_of
from tests.support.played import los_santos
from tests.support.town import MAIN, Town


def shipped_town() -> Town:
    """All actors of the cast, awake."""
    town = Town(*KINDS.values(), world=los_santos())
    for actor, _, command in cast_of(town.world):
        town.do(actor, command, MAIN)
    return town


def as_read(to: str, name: str, arguments: Mapping[str, Any]) -> Command:
    """A command as the bridge reads it from JSON."""
    body = read_json(msgspec.json.encode(arguments), 65_536, "body")
    return CommandBook(KINDS).find(to, name).read(body)


def answered_by_a_model(town: Town, actor: str, asked: Decision, *actions: tuple[str, str]) -> None:
    """The model's answer to what a turn asked of it: a sentence, and what it wants to do."""
    for request in asked.model_requests:
        if isinstance(request, ModelRequest) and isinstance(request.brief, TalkBrief):
            utterance = request.brief.utterance
            town.do(actor, Utter(utterance, 0, "Walk with me."), actor)
            town.do(actor, Conclude(utterance, actions, Provenance("a-model")), actor)


def with_a_model(town: Town, actor: str) -> Any:
    """The actor, who asks a model from now on."""
    assert kind_of(actor) in ("npc", "companion")
    town.actors[actor].has_model = True
    return town.actors[actor]
