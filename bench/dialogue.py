"""How well do NPCs talk without a model? Scripted conversations, what each NPC says to every line, and figures.

    python -m bench.dialogue [FILE …] [--read] [--npc ID] [--json]

A file holds a conversation a line: ``{"npc", "player", "minute", "weather", "lines": [{"say", "kind", "names"}]}``;
``kind`` is what the line wants (a topic of ``language.questions``), ``names`` the id of what a right answer is about.
Without files those of ``tests/data/dialogue``. Printed are

- real answers: of the questions, the share that are answered with something true: what the answer was taken from is a
  fact and no excuse, and where ``names`` is given, the answer names it;
- reacted to: of the other lines, the share that are taken as what they are, by kind;
- don't know: lines answered with any form of not knowing;
- repeated sentences: sentences of four words and more that were said before in the same talk (of all; what the player
  asks to hear again counts as said once);
- repeated openers: utterances that begin with the same three words as one of the ten before;
- wrong language: replies in another language than the line.

``--read`` prints all talks side by side, for a reader to judge: the figures see that a line was answered, not whether
the answer is a good one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ganggpt.actors.host.turn_runner import dice_of
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.ids import ActorId
from ganggpt.domain.language.questions import LANGUAGE_SURE, LANGUAGES, language_shares
from ganggpt.domain.language.words import folded, words_of
from ganggpt.domain.mind.brief import OPENERS_MAX, opener_of, sentences_of
from ganggpt.domain.npc.commands import Talk
from ganggpt.domain.npc.events import Spoke
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.turn import Turn
from ganggpt.domain.world import World
from ganggpt.worldfiles.files import cast_of, load_world

OWN: Final = Path(__file__).parents[1] / "tests" / "data" / "dialogue"
WORLD: Final = Path(__file__).parents[1] / "worlds" / "los-santos"
_STARTS_S: Final = 1_750_000_000.0
_LINE_S: Final = 8.0
_SENTENCE_WORDS: Final = 4
_EXCUSES: Final = frozenset(
    (
        *(
            "dont_know",
            "dont_know_ask",
            "no_memory",
            "wonder",
            "answer",
            "told_plain",
            "told",
            "why_plain",
            "why_nothing",
        ),
        *("nothing_said", "weather_unseen", "here_nowhere", "boss_unknown", "join_unknown", "brush_off", "deflect"),
    )
)
"""Lines that answer no question."""
_UNKNOWING: Final = frozenset(("dont_know", "dont_know_ask", "no_memory", "wonder", "weather_unseen", "boss_unknown"))
_STATEMENTS: Final[dict[str, tuple[str, ...]]] = {
    "hello": ("greet", "introduce", "how_are_you", "change_subject"),
    "leave": ("bye", "bored", "planned"),
    "thanks": ("welcome", "flattered"),
    "sorry": ("forgive",),
    "praise": ("flattered", "flirted"),
    "flirt": ("flirted", "flattered"),
    "insult": ("insulted", "defiant", "threat_soft"),
    "threat": ("afraid", "defiant", "robbed", "threat_soft"),
    "threat_other": ("threat_", "defiant"),
    "order": ("ordered", "refuse", "obey", "help_"),
    "confess": ("confided",),
    "boast": ("boasted", "told", "named_"),
    "complain": ("complained", "console", "told_sad"),
    "plan": ("planned", "named_", "told"),
    "agree": ("agreed", "sold", "buy_what", "haggle_deal"),
    "refuse": ("declined",),
    "nonsense": ("nonsense", "silent", "repeated", "bored", "change_subject"),
    "silence": ("silent", "nonsense", "repeated", "bored", "change_subject"),
    "tell": ("told_sad", "told_glad", "told", "named_", "console", "rejoice", "tell_view", "planned", "confided"),
}
"""How a line that asks nothing is taken, by the beginnings of the names of the lines it is answered with."""
_ANYTHING: Final = "told_plain"


@dataclass(slots=True)
class Said:
    """One line with its answer. ``line``: the lines the answer was put into; ``because``: what it was taken from."""

    heard: str
    kind: str
    names: str
    said: str
    act: str
    line: str
    because: str
    language: str = "en"

    @property
    def is_question(self) -> bool:
        """Whether it wants an answer."""
        return self.kind not in _STATEMENTS

    def is_real(self, world: World) -> bool:
        """Whether a question is answered with something true about what it asks for."""
        if self.line in _EXCUSES or self.act in _EXCUSES:
            return False
        return not self.names or _mentions(f"{self.said} {self.because}", self.names, world)

    @property
    def is_reacted_to(self) -> bool:
        """Whether a line that asks nothing is taken as what it is."""
        if self.line == _ANYTHING:
            return False
        return self.line.startswith(_STATEMENTS[self.kind]) or self.act.startswith(_STATEMENTS[self.kind])

    @property
    def is_unknowing(self) -> bool:
        """Whether the answer is that one does not know."""
        return self.line in _UNKNOWING


@dataclass(slots=True)
class Figures:
    """The figures of some talks. Shares 0..1."""

    talks: int = 0
    lines: int = 0
    real: float = 0.0
    reacted: float = 0.0
    unknowing: float = 0.0
    sentences_twice: float = 0.0
    openers_twice: int = 0
    wrong_language: int = 0
    by_kind: dict[str, tuple[int, int]] = field(default_factory=dict)


def talks_of(path: Path) -> list[dict[str, Any]]:
    """The conversations of a file."""
    return [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines() if row.strip()]


def played(row: dict[str, Any], world: World) -> list[Said]:
    """What the NPC of a conversation says to each of its lines."""
    actor = ActorId(f"npc:{row['npc']}")
    commands = {name: command for name, _, command in cast_of(world)}
    state, seq, now_s, found = None, 0, _STARTS_S, []
    minute, weather = row.get("minute"), row.get("weather")
    scene = TalkScene(minute=minute, weather=weather) if minute is not None or weather is not None else None
    lines = [(commands[actor], "server:bench", None)]
    lines += [(Talk(one["say"][:500], row["player"], scene), "player:bench", one) for one in row["lines"]]
    for command, by, one in lines:
        seq, now_s = seq + 1, now_s + _LINE_S
        turn = Turn(actor, seq, now_s, by, dice_of(actor, seq, world.seed), world, ScriptedMind())
        decision = KIND.decide(state, command, turn)
        for event in decision.events:
            state = KIND.evolve(state, event)
        if one is not None:
            spoke = next(event for event in decision.events if isinstance(event, Spoke))
            line, _, because = spoke.because.partition(": ")
            said = Said(one["say"], one["kind"], one.get("names", ""), spoke.said, spoke.act, line, because)
            said.language = row.get("language", "en")
            found.append(said)
    return found


def _mentions(said: str, id_: str, world: World) -> bool:
    """Whether something said has a telling part of a name in it."""
    sheet: Any = world.npcs.get(id_) or world.districts.get(id_) or world.factions.get(id_)
    names = f"{sheet.name} {id_}" if sheet is not None else id_
    parts = {folded(word) for word in words_of(names.replace("-", " ")) if len(word) > 2}
    return not parts.isdisjoint(folded(word) for word in words_of(said))


def measured(talks: Sequence[Sequence[Said]], world: World) -> Figures:
    """The figures of some talks together."""
    every = [one for talk in talks for one in talk]
    questions = [one for one in every if one.is_question]
    others = [one for one in every if not one.is_question]
    kinds: dict[str, tuple[int, int]] = {}
    for one in every:
        good, count = kinds.get(one.kind, (0, 0))
        kinds[one.kind] = (good + (one.is_real(world) if one.is_question else one.is_reacted_to), count + 1)
    twice = [is_twice for talk in talks for is_twice in _sentences_twice(talk)]
    return Figures(
        talks=len(talks),
        lines=len(every),
        real=sum(one.is_real(world) for one in questions) / max(1, len(questions)),
        reacted=sum(one.is_reacted_to for one in others) / max(1, len(others)),
        unknowing=sum(one.is_unknowing for one in every) / max(1, len(every)),
        sentences_twice=sum(twice) / max(1, len(twice)),
        openers_twice=sum(_openers_twice(talk) for talk in talks),
        wrong_language=sum(_is_wrong_language(one) for one in every),
        by_kind=dict(sorted(kinds.items())),
    )


def _sentences_twice(talk: Sequence[Said]) -> Iterator[bool]:
    """For each sentence of a talk whether it was said before in it."""
    seen: set[str] = set()
    for one in talk:
        for sentence in sentences_of(one.said):
            words = " ".join(words_of(sentence))
            if len(words.split()) < _SENTENCE_WORDS or one.line in ("say_again", "tell_work_again"):
                continue
            yield words in seen
            seen.add(words)


def _openers_twice(talk: Sequence[Said]) -> int:
    recent: list[str] = []
    count = 0
    for one in talk:
        opener = opener_of(one.said)
        count += opener in recent
        recent = [*recent, opener][-OPENERS_MAX:]
    return count


def _is_wrong_language(one: Said) -> bool:
    """Whether a reply is plainly in another language than the line was."""
    language, share = language_shares(one.said)
    return share >= LANGUAGE_SURE and language in LANGUAGES and language != one.language


def _shown(figures: Figures) -> Table:
    table = Table("figure", "value", title=f"{figures.talks} talks, {figures.lines} lines")
    table.add_row("questions with a real answer", f"{figures.real:.1%}")
    table.add_row("other lines reacted to", f"{figures.reacted:.1%}")
    table.add_row("lines answered with not knowing", f"{figures.unknowing:.1%}")
    table.add_row("sentences heard twice in a talk", f"{figures.sentences_twice:.1%}")
    table.add_row("openers repeated within ten", str(figures.openers_twice))
    table.add_row("replies in the wrong language", str(figures.wrong_language))
    return table


def _kinds(figures: Figures) -> Table:
    table = Table("kind", "good", "of", "", title="by what a line wants, the worst first")
    ranked = sorted(figures.by_kind.items(), key=lambda one: (one[1][0] / one[1][1], -one[1][1]))
    for kind, (good, count) in ranked:
        table.add_row(kind, str(good), str(count), "█" * round(10 * good / count))
    return table


def _read(console: Console, rows: Sequence[dict[str, Any]], talks: Sequence[Sequence[Said]], world: World) -> None:
    for row, talk in zip(rows, talks, strict=True):
        sheet = world.npcs[row["npc"]]
        table = Table(row["player"], sheet.name, "taken from", title=f"{sheet.name}, {sheet.role}", expand=True)
        for one in talk:
            good = one.is_real(world) if one.is_question else one.is_reacted_to
            mark = "[green]" if good else "[red]"
            source = f"{mark}{one.line}[/] {escape(one.because)}\n[dim]{one.kind}[/]"
            table.add_row(escape(one.heard), escape(one.said), source)
        console.print(table)


def main(arguments: Sequence[str]) -> None:
    """Play the talks and show what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--read", action="store_true", help="print the talks")
    parser.add_argument("--npc", help="only the talks with this NPC")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    world = load_world(WORLD)
    paths = options.files or sorted(OWN.glob("*.jsonl"))
    rows = [row for path in paths for row in talks_of(path) if options.npc in (None, row["npc"])]
    talks = [played(row, world) for row in rows]
    figures = measured(talks, world)
    console = Console()
    if options.json:
        console.print_json(json.dumps(asdict(figures)))
        return
    if options.read:
        _read(console, rows, talks, world)
    console.print(_kinds(figures), _shown(figures))
    spoken = Counter(one.line for talk in talks for one in talk)
    most = ", ".join(f"{line} {count}" for line, count in spoken.most_common(8))
    console.print(f"[dim]lines used most: {most}[/]")


if __name__ == "__main__":
    main(sys.argv[1:])
