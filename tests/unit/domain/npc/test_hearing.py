"""What a player tells an NPC is kept by what it carries, found again, and replaced by what is told later."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest
from msgspec.structs import replace

from ganggpt.domain.language.words import folded
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.npc.commands import Talk
from tests.support.builders import DAY_S, Played
from tests.support.played import an_npc

DATA = Path(__file__).parents[3] / "data" / "memory"


def rows(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def roomy() -> Played:
    npc = an_npc()
    npc.state = replace(npc.state, sheet=replace(npc.state.sheet, room=1000))
    return npc


def asked(npc: Played, question: str) -> Memory | None:
    no = npc.do(Talk(question, "Ava")).reply["cites"]
    return next((memory for memory in npc.state.mind.memories if memory.no == no), None)


def says(memory: Memory | None, word: str) -> bool:
    """Whether a memory has a word, in any of its forms."""
    return memory is not None and folded(word.lower())[: max(4, len(word) - 2)] in folded(memory.text.lower())


SETS = {"": (0.93, 0.75, 0.14, 0.48), "apart/": (0.92, 0.15, 0.17, 0.08)}
"""Shares of facts kept and found, chatter kept and corrections right, of two sets that others wrote: of the first the
misses were worked with; the second is of riddles (half its questions have no word of their fact), and some of its
misses were read, but nothing was chosen by it."""


@pytest.mark.parametrize("which", SETS)
def test_facts_in_six_languages_are_kept_and_found_again_by_a_question(which: str) -> None:
    kept = found = 0
    facts = rows(f"{which}facts.tsv")
    for _, told in groupby(facts, key=lambda row: row[0]):
        told_here, npc = list(told), roomy()
        for _, fact, _, _ in told_here:
            npc.do(Talk(fact, "Ava"))
            npc.wait(3600)
        npc.wait(3 * DAY_S)
        kept += sum(any(says(memory, word) for memory in npc.state.mind.memories) for _, _, _, word in told_here)
        for _, _, question, word in told_here:
            found += says(asked(npc, question), word)
            npc.wait(60)
    print(f"{which} {kept} of {len(facts)} facts kept, {found} found by a question to its face")  # noqa: T201 - figures to look at
    assert kept >= SETS[which][0] * len(facts)
    assert found >= SETS[which][1] * len(facts)


@pytest.mark.parametrize("which", SETS)
def test_chatter_leaves_little(which: str) -> None:
    npc, kept, lines = roomy(), 0, rows(f"{which}chatter.tsv")
    for _, line in lines:
        before = npc.state.mind.next_no
        npc.do(Talk(line, "Ava"))
        kept += any(m.no >= before and m.kind not in ("met", "summary") for m in npc.state.mind.memories)
        npc.wait(400)
    print(f"{which} {kept} of {len(lines)} lines of chatter kept")  # noqa: T201 - figures to look at
    assert kept <= SETS[which][2] * len(lines)


@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize("gap_s", [60, 3600, 2 * DAY_S])
def test_what_is_told_later_is_what_is_said(gap_s: float, which: str) -> None:
    right, pairs = 0, rows(f"{which}corrections.tsv")
    for _, first, later, question, word, _ in pairs:
        npc = roomy()
        npc.do(Talk(first, "Ava"))
        npc.wait(gap_s)
        npc.do(Talk(later, "Ava"))
        npc.wait(700)
        right += says(asked(npc, question), word)
    print(f"{which} {right} of {len(pairs)} corrections right after {gap_s:.0f} s")  # noqa: T201 - figures to look at
    assert right >= SETS[which][3] * len(pairs)


def test_the_earlier_fact_is_kept_as_what_was() -> None:
    npc = roomy()
    npc.do(Talk("I live in Mirror Park.", "Ava"))
    npc.wait(DAY_S)
    npc.do(Talk("I moved to Paleto Bay yesterday.", "Ava"))
    past, now = [memory for memory in npc.state.mind.memories if memory.kind == "talk"]
    assert (past.replaced, now.replaced) == (now.no, 0)
    npc.wait(DAY_S)
    answer = asked(npc, "Where do I live?")
    assert answer is not None
    assert answer.no == now.no
    npc.wait(DAY_S)
    assert says(asked(npc, "Where did I live before?"), "Mirror")


def test_a_debt_that_is_paid_is_closed() -> None:
    npc = roomy()
    npc.do(Talk("I owe you 300 dollars", "Ava"))
    npc.wait(DAY_S)
    npc.do(Talk("Here, I paid you back the 300 dollars I owed you.", "Ava"))
    debt, paid = [memory for memory in npc.state.mind.memories if memory.kind in ("debt", "talk")]
    assert debt.replaced == paid.no


def test_a_denial_is_remembered_as_one_and_is_no_debt() -> None:
    npc = roomy()
    npc.do(Talk("I don't owe you anything, Mara", "Ava"))
    (kept,) = [memory for memory in npc.state.mind.memories if memory.kind != "met"]
    assert kept.kind == "talk"
    assert kept.text.startswith("Ava denied it to me")


def test_a_question_is_no_fact_but_what_it_presupposes_is() -> None:
    npc = roomy()
    npc.do(Talk("Where does Camilla live?", "Ava"))
    npc.do(Talk("Did you know that Camilla pays the inspectors?", "Ava"))
    (kept,) = [memory for memory in npc.state.mind.memories if memory.kind == "talk"]
    assert kept.text == 'Ava told me: "Camilla pays the inspectors."'


def test_a_spoken_threat_is_remembered_as_one_and_moves_standing_within_bounds() -> None:
    npc = roomy()
    for _ in range(20):
        npc.do(Talk("I'll kill you, old woman. You're dead.", "Ava"))
        npc.wait(60)
    threats = [memory for memory in npc.state.mind.memories if memory.kind == "threat"]
    assert threats
    assert threats[0].text.startswith("Ava threatened me: ")
    assert -20 <= npc.view()["standing"][0]["value"] < 0
