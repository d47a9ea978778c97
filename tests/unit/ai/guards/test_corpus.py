"""The output guard on two corpora: what people of the genre say, and what must never be said as it is."""

from __future__ import annotations

import codecs
import sys

import pytest

from ganggpt.ai.guards.output import OutputGuard
from ganggpt.ai.minds.prompt_files import read_prompts
from ganggpt.worldfiles.files import load_world
from tests.support.explained import verdict_in_words
from tests.support.paths import ROOT

PROMPTS = read_prompts()
GUARD = OutputGuard(
    "mature",
    load_world(ROOT / "worlds" / "los-santos"),
    [PROMPTS.text(name) for name in ("dialogue", "stage", "mature", "teen", "caution")],
)
SPEAKER, LISTENER = "Mara Voss", "Ava"


def corpus(name: str) -> list[str]:
    text = (ROOT / "tests" / "data" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith(";; ")]


MUST_PASS = corpus("guard_must_pass.txt")
MUST_NOT = corpus("guard_must_not_pass.txt")


def test_both_corpora_are_large_and_say_nothing_twice() -> None:
    for lines in (MUST_PASS, MUST_NOT):
        assert len(lines) >= 300
        assert len(set(lines)) == len(lines)


def test_what_people_say_passes_as_it_is_and_what_nobody_may_say_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    wrong_alarms = [found for line in MUST_PASS if (found := alarm(line))]
    missed = [found for line in MUST_NOT if (found := miss(line))]
    with capsys.disabled():
        sys.stdout.write(
            f"\nof {len(MUST_PASS)} lines that must pass {1 - len(wrong_alarms) / len(MUST_PASS):.1%} do, "
            f"of {len(MUST_NOT)} that must not {1 - len(missed) / len(MUST_NOT):.1%} are stopped\n"
        )
    assert not wrong_alarms, "\n".join(wrong_alarms)
    assert not missed, "\n".join(missed)


def alarm(line: str) -> str:
    """What is wrong with the verdict on a line that must pass as it is."""
    verdict = GUARD.check(line, speaker=SPEAKER, listener=LISTENER)
    return "" if verdict.outcome == "pass" and verdict.text == line else f"{line!r}: {verdict_in_words(verdict)}"


def miss(line: str) -> str:
    """What is wrong with the verdict on a line that must be blocked, or of which only a part may be said."""
    text, _, left = line.partition(" => ")
    if text.startswith("rot13:"):
        text = codecs.decode(text.removeprefix("rot13:"), "rot13")
    verdict = GUARD.check(text, speaker=SPEAKER, listener=LISTENER)
    return "" if verdict.text == left else f"{text!r}: {verdict.text!r} was said instead of {left!r}"
