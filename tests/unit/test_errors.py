"""All errors of the program: they survive the way between processes, and what they say are whole sentences."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganggpt import errors
from ganggpt.actors.host.activation import Unreadable
from ganggpt.actors.host.turn_runner import InternalError
from ganggpt.ai.gateway.budget import OverBudget, SwitchedOff
from ganggpt.ai.gateway.provider import ModelFailure
from ganggpt.ai.gateway.structured import AnswerMisshapen
from ganggpt.domain.kinds import NewerLayout
from ganggpt.errors import GangGPTError, Unavailable, first_error

SENTENCES: list[GangGPTError] = [
    errors.TooLarge("body", 5000, 300),
    errors.TooSlow("body", 12),
    errors.UnknownActor("npc:x"),
    errors.UnknownCommand("npc", "Fly"),
    errors.AlreadyExists("npc:x"),
    errors.Expired("0197", 900.0),
    errors.Overloaded("the mailbox of npc:x", 64, 250),
    errors.Unavailable("the database"),
    errors.Unavailable("host host:0", "it does not answer", 100),
    errors.Unavailable("the model gateway", "all models rest. The scripted mind speaks meanwhile"),
    errors.Moved("npc:x", "host:1"),
    errors.WrongCluster("npc:x", "green", "ws://green/v1/bridge"),
    errors.WrongCluster("npc:x", "green", None),
    errors.Fenced("host:0", 7),
    errors.UnknownCluster("green", ("blue", "red")),
    errors.UnknownCluster("green", ()),
    errors.UnknownUtterance("npc:x#3"),
    errors.CommitUnknown("host:0", 7, "the connection was cut"),
    errors.Unauthorized(),
    errors.NotRunning("/srv/world"),
    errors.StartFailed("Port 22005 is in use.", "Stop what uses it, or choose another one with --port."),
    errors.StartFailed("there is no cluster", "check RAY_ADDRESS"),
    errors.RestoreRefused("not_empty", "the database holds a world", "Name an empty one."),
    Unreadable("npc:x", "its layout is unknown"),
    InternalError("npc:x", "Talk"),
    SwitchedOff(),
    OverBudget("npc", "mara", "hour", "tokens", 1000),
    ModelFailure("large", "it answered with status 500"),
    AnswerMisshapen("Reply", "the field say is missing"),
    NewerLayout("snapshot", 3, 2),
]
"""Errors whose text is one or more sentences."""

PLACED: list[GangGPTError] = [
    errors.InvalidInput("c.3.with.text", "at least 1 character"),
    errors.Refused("too_far", "the player is not there"),
    errors.ConfigInvalid("DATABASE_URL", "it is not set", "A cluster needs a Postgres of its own."),
    errors.WorldInvalid("npcs.yaml", 12, "home", "no such place"),
    errors.SnapshotInvalid("gs://bucket/a", "the manifest is cut off", "Take another one."),
    errors.SnapshotUnfinished("/srv/a", "there is no manifest", "Take another one."),
    errors.SnapshotNewer("/srv/a", "it has format 9", "Update GangGPT."),
    errors.StorageFailed("/srv/a", "the disk is full", "Free some space."),
]
"""Errors that say first where the mistake is, as a compiler does, or which rule it broke."""

LISTS: list[GangGPTError] = [
    errors.ConfigRejected((errors.ConfigInvalid("DATABASE_URL", "it is not set", "Set it."),)),
    errors.WorldRejected((errors.WorldInvalid("npcs.yaml", 12, "home", "no such place"),)),
]


def subclasses(cls: type[GangGPTError]) -> Iterator[type[GangGPTError]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def test_every_error_is_tried_here() -> None:
    tried = {type(error) for error in (*SENTENCES, *PLACED, *LISTS)}
    known = {cls for cls in subclasses(GangGPTError) if cls.__module__.startswith("ganggpt.")}
    # The kinds of a failed call differ from their root in class data alone.
    assert {cls for cls in known - tried if not issubclass(cls, ModelFailure)} == set()


@pytest.mark.parametrize("error", [*SENTENCES, *PLACED, *LISTS], ids=repr)
def test_an_error_is_the_same_after_pickling(error: GangGPTError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert repr(again) == repr(error)
    assert repr(vars(again)) == repr(vars(error))
    assert again.as_wire() == error.as_wire()


@pytest.mark.parametrize("error", SENTENCES, ids=repr)
def test_an_error_speaks_in_whole_sentences(error: GangGPTError) -> None:
    text = str(error)
    assert text[0].isupper(), text
    assert text.endswith("."), text
    assert_plain(text)


@pytest.mark.parametrize("error", PLACED, ids=repr)
def test_an_error_with_a_place_names_it_first(error: GangGPTError) -> None:
    text = str(error)
    place, _, problem = text.partition(": ")
    assert place in map(str, error.args) or place.startswith(f"{error.args[0]}:")
    assert problem
    assert_plain(text)


def assert_plain(text: str) -> None:
    """No word twice, no empty place, no stop after a stop."""
    assert not re.search(r"\b(\w+) \1\b", text.replace("host host:0", "")), text
    assert not re.search(r"[{}]|None|: \.|\.\.|  |\( ?\)", text), text


ROOT = Path(__file__).parents[2]
FILES = [path for folder in ("ganggpt", "bench") for path in sorted((ROOT / folder).rglob("*.py"))]


def constructions(name: str) -> Iterator[tuple[str, str]]:
    """First arguments of all calls of that name that are texts, with where they stand; ``…`` for what is filled in."""
    for path in FILES:
        text = path.read_text()
        if f"{name}(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name):
                continue
            match node.args[0]:
                case ast.Constant(value=str(said)):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", said
                case ast.JoinedStr(values=parts):
                    said = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", said
                case _:
                    continue


def test_what_is_not_available_is_named_by_a_noun_everywhere() -> None:
    found = list(constructions("Unavailable"))
    assert len(found) > 80
    for where, what in found:
        assert not re.search(r"[.;!?(]| is | are |^[A-Z](?!ostgres|edis|ay)", what), f"{where}: {what}"


def test_why_a_start_failed_is_a_sentence_everywhere() -> None:
    found = list(constructions("StartFailed"))
    assert len(found) > 40
    for where, problem in found:
        assert re.match(r"[A-Z…`]", problem), f"{where}: {problem}"
        assert problem.endswith((".", "…")), f"{where}: {problem}"
        assert " " in problem, f"{where}: {problem}"


def test_a_group_of_errors_becomes_the_first_of_ours_however_deep() -> None:
    ours = Unavailable("the database")
    group = BaseExceptionGroup("tasks", [ValueError("late"), ExceptionGroup("more", [ours, Unavailable("redis")])])
    assert first_error(group) is ours


def test_a_group_without_an_error_of_ours_stays_what_it_is() -> None:
    group = ExceptionGroup("tasks", [ValueError("a mistake")])
    assert first_error(group) is group
