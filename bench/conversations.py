"""How much of a long talk does an NPC find again? Weeks of talk with an NPC, and questions whose evidence is known.

    python -m bench.conversations [FILE …] [--curve FILE.svg] [--json]

A file holds a conversation a line: ``{"turns": [{"id", "speaker", "text", "at_s"}], "questions": [{"q", "evidence":
[ids of turns]}]}``; without files those of ``tests/data/conversations``. Two ways to ask:

- found at 5: every turn is a memory of a ``MemoryStore``; the share of the evidence among the first five of ``recall``,
  beside plain BM25 (rank-bm25) and the same over stems;
- to its face: every turn is said to an NPC of a world file (``Talk``), and so is the question a day later; the share of
  questions for which the NPC cites a memory of the evidence.

``--curve`` draws how often a memory of a confidence is the right one, and prints the logistic curve that fits best.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rank_bm25 import BM25Okapi
from rich.console import Console
from rich.table import Table

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.ids import ActorId
from ganggpt.domain.language.words import folded, terms
from ganggpt.domain.mind import finding
from ganggpt.domain.mind.memory import MemoryStore
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.npc.commands import Spawn, Talk
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.sheets import NpcTraits
from ganggpt.domain.turn import Dice, Turn
from ganggpt.domain.world import World
from ganggpt.worldfiles.files import load_world

OWN: Final = Path(__file__).parents[1] / "tests" / "data" / "conversations"
FOUND_AT: Final = 5
_EPOCH_S: Final = 1_750_000_000.0
_DAY_S: Final = 86_400.0
_ROOM: Final = 1000
_TRAITS: Final[NpcTraits] = {"friendliness": 55, "temper": 50, "greed": 50, "courage": 50}
_LEAST_WORDS: Final = 5
"""So many first words of what was kept of a line stand in the line."""
_WORD: Final = re.compile(r"\w+")
_BINS: Final = 10
_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class SaidTurn:
    """A turn of a conversation."""

    id: int
    speaker: str
    text: str
    at_s: float


@dataclass(frozen=True, slots=True)
class LaterQuestion:
    """A question and the ids of the turns that answer it."""

    text: str
    evidence: frozenset[int]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything that was said, in order, and what is asked a day later."""

    lines: tuple[SaidTurn, ...]
    questions: tuple[LaterQuestion, ...]


@dataclass(frozen=True, slots=True)
class Recovered:
    """Shares of one file, 0..1: the evidence found at 5 by us and by the peers, questions answered to the face.
    ``sure``: for each question relevance, how far ahead the best was, and whether it was right."""

    ours: float
    plain: float
    stemmed: float
    face: float
    questions: int
    sure: list[tuple[float, float, bool]]


def conversations(path: Path) -> list[Conversation]:
    """The conversations of a file."""
    return [_conversation(json.loads(row)) for row in path.read_text(encoding="utf-8").splitlines() if row.strip()]


def _conversation(row: dict[str, Any]) -> Conversation:
    lines = tuple(SaidTurn(one["id"], one["speaker"], one["text"], one["at_s"]) for one in row["turns"])
    asked = (LaterQuestion(one["q"], frozenset(one["evidence"])) for one in row["questions"])
    return Conversation(lines, tuple(one for one in asked if one.evidence))


def measured(told: Sequence[Conversation], world: World) -> Recovered:
    """The shares of some conversations together."""
    ours, plain, stemmed, face = 0.0, 0.0, 0.0, 0
    sure: list[tuple[float, float, bool]] = []
    count = sum(len(one.questions) for one in told)
    for one in told:
        ours += _evidence_in(_store(one), one)
        plain += _evidence_in(_bm25(one, _plain), one)
        stemmed += _evidence_in(_bm25(one, terms), one)
        cited = list(_to_its_face(one, world))
        face += sum(right for *_, right in cited)
        sure += _confidences(one, world)
    return Recovered(ours / count, plain / count, stemmed / count, face / count, count, sure)


def _evidence_in(found: Sequence[frozenset[int]], one: Conversation) -> float:
    """The share of the evidence that was found for each question, summed over all."""
    pairs = zip(found, one.questions, strict=True)
    return sum(len(nos & asked.evidence) / len(asked.evidence) for nos, asked in pairs)


def _store(one: Conversation) -> list[frozenset[int]]:
    store, turns = MemoryStore(), dict[int, set[int]]()
    for line in one.lines:
        no = store.remember(f"{line.speaker}: {line.text}", _EPOCH_S + line.at_s)
        if no is not None:
            turns.setdefault(no, set()).add(line.id)
    now_s = _EPOCH_S + one.lines[-1].at_s + _DAY_S
    found = (store.recall(asked.text, now_s, FOUND_AT) for asked in one.questions)
    return [frozenset().union(*(turns[memory.memory.no] for memory in some)) for some in found]


def _bm25(one: Conversation, words: Any) -> list[frozenset[int]]:
    index = BM25Okapi([list(words(f"{line.speaker}: {line.text}")) or [""] for line in one.lines])
    scored = (index.get_scores(list(words(asked.text))) for asked in one.questions)
    best = (sorted(range(len(one.lines)), key=lambda place, of=scores: -of[place])[:FOUND_AT] for scores in scored)
    return [frozenset(one.lines[place].id for place in places) for places in best]


def _plain(text: str) -> list[str]:
    return _WORD.findall(text.lower())


class _Listener:
    """An NPC with the room of one of a world file, played command by command."""

    def __init__(self, world: World) -> None:
        self._world, self._seq, self.state = world, 0, None
        district = next(iter(world.districts))
        spawn = Spawn("An old hand", "docker", district, None, _TRAITS, "street", room=_ROOM)
        self.do(spawn, "server:bench", _EPOCH_S)

    def turn(self, by: str, at_s: float) -> Turn:
        return Turn(ActorId("npc:old-hand"), self._seq + 1, at_s, by, Dice(self._seq), self._world, ScriptedMind())

    def do(self, command: Any, by: str, at_s: float) -> Any:
        decision = KIND.decide(self.state, command, self.turn(by, at_s))
        for event in decision.events:
            self.state = KIND.evolve(self.state, event)
        self._seq += 1
        return decision.reply

    @property
    def memories(self) -> tuple[Memory, ...]:
        return self.state.mind.memories  # type: ignore[attr-defined, no-any-return]


def _told(one: Conversation, world: World) -> tuple[_Listener, float]:
    npc = _Listener(world)
    for line in one.lines:
        npc.do(Talk(line.text[:500], line.speaker[:32]), _player(line.speaker), _EPOCH_S + line.at_s)
    return npc, _EPOCH_S + one.lines[-1].at_s + _DAY_S


def _to_its_face(one: Conversation, world: World) -> Iterator[tuple[Memory | None, bool]]:
    npc, now_s = _told(one, world)
    by_id = {line.id: line for line in one.lines}
    for asked in one.questions:
        who = by_id[min(asked.evidence)].speaker
        reply = npc.do(Talk(asked.text[:500], who[:32]), _player(who), now_s)
        cited = next((memory for memory in npc.memories if memory.no == reply["cites"]), None)
        yield cited, cited is not None and _is_of(cited, asked, by_id)
        now_s += 120.0


def _confidences(one: Conversation, world: World) -> Iterator[tuple[float, float, bool]]:
    """What the confidence in the best memory is made of, whether or not it was said."""
    npc, now_s = _told(one, world)
    by_id = {line.id: line for line in one.lines}
    for asked in one.questions:
        who = _player(by_id[min(asked.evidence)].speaker)
        found = finding.find(npc.memories, asked.text, npc.turn(who, now_s))
        if found.memory is not None:
            yield found.relevance, found.ahead, _is_of(found.memory, asked, by_id)


def _is_of(memory: Memory, asked: LaterQuestion, by_id: dict[int, SaidTurn]) -> bool:
    """Whether a memory was made of a turn of the evidence: its first words stand in the turn."""
    said = memory.text.partition(": ")[2] or memory.text
    kept = " ".join(_WORD.findall(folded(said.lower()))[:_LEAST_WORDS])
    return bool(kept) and any(kept in " ".join(_WORD.findall(folded(by_id[no].text.lower()))) for no in asked.evidence)


def _player(speaker: str) -> str:
    return "player:" + (re.sub(r"[^a-z0-9]+", "-", folded(speaker.lower())).strip("-") or "one")


def fitted(sure: Sequence[tuple[float, float, bool]]) -> tuple[float, float, float]:
    """The logistic curve over relevance and lead that fits best (least log loss, by Newton's method)."""
    at = np.zeros(3)
    seen = np.array([(relevance, ahead, 1.0) for relevance, ahead, _ in sure])
    right = np.array([float(one) for *_, one in sure])
    for _ in range(25):
        share = 1 / (1 + np.exp(-seen @ at))
        curve = (seen.T * (share * (1 - share))) @ seen + 1e-3 * np.eye(3)
        at = at + np.linalg.solve(curve, seen.T @ (right - share))
    return float(at[0]), float(at[1]), float(at[2])


def reliability(sure: Sequence[tuple[float, float, bool]]) -> list[tuple[float, float, int]]:
    """For each tenth of confidence: the mean confidence, the share that was right, how many."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(_BINS)]
    for relevance, ahead, right in sure:
        sureness = finding.confidence(relevance, ahead)
        bins[min(_BINS - 1, int(sureness * _BINS))].append((sureness, right))
    return [
        (sum(c for c, _ in some) / len(some), sum(r for _, r in some) / len(some), len(some)) for some in bins if some
    ]


def curve_svg(points: Sequence[tuple[float, float, int]]) -> str:
    """A picture of ``reliability``: points as large as they are many, beside the line on which they should lie; those
    of fewer than _FEW answers are left out."""
    points = [one for one in points if one[2] >= _FEW]
    dots = "".join(
        f'<circle cx="{40 + 300 * x:.0f}" cy="{320 - 300 * y:.0f}" r="{2 + math.sqrt(n) / 2:.1f}" fill="#3b82f6"/>'
        f'<text x="{48 + 300 * x:.0f}" y="{314 - 300 * y:.0f}" font-size="10" fill="#64748b">{n}</text>'
        for x, y, n in points
    ) + "".join(
        f'<text x="{40 + 3 * at}" y="333" font-size="10" text-anchor="middle" fill="#64748b">{at} %</text>'
        f'<text x="36" y="{323 - 3 * at}" font-size="10" text-anchor="end" fill="#64748b">{at}</text>'
        for at in (0, 25, 50, 75, 100)
    )
    said, sure = (40 + 300 * one for one in (finding.SAID_FROM, finding.SURE_FROM))
    marks = "".join(
        f'<line x1="{x:.0f}" y1="20" x2="{x:.0f}" y2="320" stroke="#cbd5e1" stroke-dasharray="4"/>'
        f'<text x="{x + 3:.0f}" y="30" font-size="10" fill="#64748b">{word}</text>'
        for x, word in ((said, "told as a guess"), (sure, "told for sure"))
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 360 360" font-family="sans-serif">'
        '<rect width="360" height="360" fill="white"/>'
        '<path d="M40 20V320H340" fill="none" stroke="#334155"/>'
        '<line x1="40" y1="320" x2="340" y2="20" stroke="#94a3b8"/>'
        f"{marks}{dots}"
        '<text x="190" y="348" font-size="12" text-anchor="middle" fill="#334155">confidence of the answer</text>'
        '<text x="14" y="170" font-size="12" text-anchor="middle" fill="#334155" transform="rotate(-90 14 170)">'
        "share that was right</text></svg>\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the files and show it."""
    parser = argparse.ArgumentParser(description="Long conversations: what an NPC finds again.")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--curve", type=Path, help="draw the confidence of the answers into this SVG")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args(arguments)
    console, world = Console(stderr=options.json), load_world(Path("worlds/los-santos"))
    table = Table(title="Found again", title_justify="left")
    for column in ("conversations", "questions", "found at 5", "BM25", "BM25, stems", "to its face"):
        table.add_column(column, justify="left" if column == "conversations" else "right")
    results = {}
    for path in options.files or sorted(OWN.glob("*.jsonl")):
        found = results[path.stem] = measured(conversations(path), world)
        shares = (f"{share:.3f}" for share in (found.ours, found.plain, found.stemmed, found.face))
        table.add_row(path.stem, str(found.questions), *shares)
    console.print(table)
    sure = [one for found in results.values() for one in found.sure]
    console.print("confidence: " + ", ".join(f"{x:.2f} → {y:.2f} right of {n}" for x, y, n in reliability(sure)))
    if options.curve:
        options.curve.write_text(curve_svg(reliability(sure)), encoding="utf-8")
        console.print("fits best: {:.2f} · relevance + {:.2f} · lead {:+.2f}".format(*fitted(sure)))
    if options.json:
        shown = {name: {"found_at_5": one.ours, "to_its_face": one.face} for name, one in results.items()}
        print(json.dumps(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
