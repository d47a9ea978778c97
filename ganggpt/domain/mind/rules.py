"""The rules that are the same for every kind of actor with a mind, by their commands."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ganggpt.domain.mind import archive, reflection, turn_taking
from ganggpt.domain.mind.commands import (
    ArchiveMemories,
    Condense,
    Embed,
    Hush,
    Recollect,
    Reflect,
    Remember,
    SayScripted,
    SearchArchive,
    ThinkAgain,
    Utter,
)
from ganggpt.domain.mind.talker import Talker
from ganggpt.domain.turn import Command, Decision, Turn


def rules(talker: Talker) -> dict[type[Command], Callable[[Any, Any, Turn], Decision]]:
    """The rules of one kind; it adds those of ``Talk`` and ``Conclude``."""
    return {
        Remember: partial(reflection.remember, talker),
        Reflect: partial(reflection.reflect, talker),
        Recollect: partial(archive.recollect, talker),
        SearchArchive: archive.not_here,
        ArchiveMemories: archive.not_here,
        Condense: reflection.condense,
        Embed: reflection.embed,
        Utter: partial(turn_taking.utter, talker),
        ThinkAgain: turn_taking.think_again,
        SayScripted: partial(turn_taking.say_scripted, talker),
        Hush: partial(turn_taking.hush, talker),
    }
