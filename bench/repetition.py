"""How often the scripted mind repeats itself: every NPC of a world in long talks, through the real rules.

    python -m bench.repetition                  # 1,000 utterances of every NPC of worlds/los-santos
    python -m bench.repetition --utterances 200 --world worlds/los-santos

An opener is the first three words (``domain.speech.opener_of``). ``repeated within 10``: utterances whose opener was
also that of one of the nine before them, of the same NPC. ``distinct-n``: different n-grams of words as a share of all.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.ids import ActorId
from ganggpt.domain.language.words import words_of
from ganggpt.domain.mind.brief import opener_of, phrase_of, sentences_of
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.turn import Command, Dice, Turn
from ganggpt.domain.world import World
from ganggpt.worldfiles.files import load_world

WINDOW: Final = 10
_NOW_S: Final = 1_800_000_000.0
_TEXTS: Final = (
    "hello", "hey there", "good evening", "how are you?", "what's up", "who are you?", "any news?", "tell me about {b}",
    "what do you know about {f}?", "who do you work for?", "thanks for that", "sorry about yesterday", "see you",
    "do you remember me?", "what did I tell you?", "I will pay you back, I swear", "you are a great friend",
    "you useless idiot", "my brother was shot last night near the pier", "the cops took my car", "got any work for me?",
    "it rains again", "I saw three vans outside the warehouse", "is the bridge open?", "why is everybody so quiet?",
    "nobody robs this shop while I am around", "I think so too", "what a night", "they say the docks are closed",
    "can you keep a secret? I hid the money under the church",
)  # fmt: skip
_ITEMS: Final = (("old watch", 300), ("strong coffee", 4), ("brass key", 20), ("roses", 35), ("radio", 90))


class Repetition(NamedTuple):
    """What one NPC said: utterances, repeated openers within WINDOW, repeated sentences within 24, and its n-grams."""

    npc: str
    utterances: int
    openers_repeated: int
    openers: int
    sentences_repeated: int
    sentences: int
    distinct_1: float
    distinct_2: float
    distinct_3: float


def talk(world: World, npc_id: str, utterances: int, *, seed: int = 1, dwell: int = 1) -> list[str]:
    """What an NPC says to three players in turn. ``dwell``: how often the same thing is said to it in a row."""
    mind, kind, actor = ScriptedMind(), npc.KIND, ActorId(f"npc:{npc_id}")
    state: Any = None
    said: list[str] = []
    now_s = _NOW_S
    sheet = world.npcs[npc_id]
    born = npc.Spawn(**{name: getattr(sheet, name) for name in sheet.__struct_fields__ if name != "id"})
    for seq, (by, command) in enumerate(_commands(world, seed, dwell, born), start=1):
        turn = Turn(actor, seq, now_s, by, Dice(seed * 1_000_003 + seq), world, mind)
        decision = kind.decide(state, command, turn)
        for event in decision.events:
            state = kind.evolve(state, event)
        if "say" in decision.reply:
            said.append(decision.reply["say"])
        if len(said) >= utterances:
            break
        now_s += 20_000.0 if seq % 40 == 0 else 15.0
    return said


def _commands(world: World, seed: int, dwell: int, born: npc.Spawn) -> Iterator[tuple[str, Command]]:
    yield "server:main", born
    dice = Dice(seed)
    people = [sheet.name for sheet in world.npcs.values()]
    factions = [sheet.name for sheet in world.factions.values()]
    while True:
        who = dice.pick((("player:ava", "Ava"), ("player:bob", "Bob"), ("player:cy", "Cy")))
        command: Command
        draw = dice.between(0, 99)
        if draw < 86:
            text = dice.pick(_TEXTS).replace("{b}", dice.pick(people)).replace("{f}", dice.pick(factions))
            command = npc.Talk(text, who[1])
        elif draw < 91:
            item, value = dice.pick(_ITEMS)
            command = npc.Give(item, value, who[1])
        elif draw < 94:
            command = npc.Threaten("your money or your life", armed=draw % 2 == 0, name=who[1])
        else:
            command = npc.AskForWork(who[1])
        for _ in range(dwell):
            yield who[0], command


def measured(npc_id: str, said: Sequence[str]) -> Repetition:
    """Count the repetitions in what one NPC said."""
    openers = [opener_of(line) for line in said]
    repeated = sum(opener in openers[max(0, at + 1 - WINDOW) : at] for at, opener in enumerate(openers))
    phrases = [number for line in said for sentence in sentences_of(line) if (number := phrase_of(sentence))]
    again = sum(number in phrases[max(0, at - 24) : at] for at, number in enumerate(phrases))
    shares = [_distinct(said, n) for n in (1, 2, 3)]
    return Repetition(npc_id, len(said), repeated, len(set(openers)), again, len(phrases), *shares)


def _distinct(said: Sequence[str], n: int) -> float:
    grams: Counter[tuple[str, ...]] = Counter()
    for line in said:
        words = words_of(line)
        grams.update(zip(*(words[at:] for at in range(n)), strict=False))
    return len(grams) / max(1, grams.total())


def main() -> None:
    """Print one line an NPC and the sum of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, default=Path("worlds/los-santos"))
    parser.add_argument("--utterances", type=int, default=1000)
    parser.add_argument("--dwell", type=int, default=1, help="say the same thing so often in a row")
    options = parser.parse_args()
    world = load_world(options.world)
    began = time.perf_counter()
    heads = (
        ("said", 6),
        ("opener again", 14),
        ("openers", 9),
        ("sentence again", 16),
        ("d-1", 7),
        ("d-2", 7),
        ("d-3", 7),
    )
    print(f"{'npc':<20}{'style':<11}" + "".join(f"{head:>{width}}" for head, width in heads))
    rows = []
    for npc_id in world.npcs:
        row = measured(npc_id, talk(world, npc_id, options.utterances, dwell=options.dwell))
        rows.append(row)
        share = f"{row.sentences_repeated / max(1, row.sentences):.1%}"
        print(
            f"{npc_id:<20}{world.npcs[npc_id].style:<11}{row.utterances:>6}{row.openers_repeated:>14}{row.openers:>9}"
            f"{share:>16}{row.distinct_1:>7.3f}{row.distinct_2:>7.3f}{row.distinct_3:>7.3f}"
        )
    said, again = sum(row.utterances for row in rows), sum(row.openers_repeated for row in rows)
    sentences, stale = sum(row.sentences for row in rows), sum(row.sentences_repeated for row in rows)
    print(
        f"\n{len(rows)} NPCs, {said:,} utterances in {time.perf_counter() - began:.1f} s: "
        f"{again} openers repeated within {WINDOW} ({again / said:.3%}), "
        f"{stale / sentences:.2%} of sentences said again within 24"
    )


if __name__ == "__main__":
    main()
