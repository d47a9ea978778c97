"""How many answers of a model are valid: one JSON object of the form that was asked for, at the first attempt.

``python -m bench.valid_answers [--lines N] [--json]`` starts SmolLM2-135M behind llama.cpp's own server, which holds
the form by a grammar, and a world of its own, and lets players say 48 different lines to people of it. What the model
answered is read from the records of the world. ``--url URL --model NAME`` measures another model, of a server that is
running. Exit status 1 where fewer than the goal are valid, or too few came at all.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.processes import ROOT
from bench.systems import Address, GangGPT
from ganggpt.ai.gateway.structured import AnswerMisshapen, is_whole, read_shape
from ganggpt.ai.model_answer import ModelAnswer
from ganggpt.client.game_server import GameServer
from ganggpt.demo.hearing import SLACK_S, Hearing
from ganggpt.demo.model_server import ModelServer
from ganggpt.errors import GangGPTError
from ganggpt.runtime.run_file import read_run
from tools.small_model import NAME, SmallModel

GOAL: Final = 0.95
ANSWERED_FROM: Final = 0.8
"""Share of lines that a model has to answer at all, lest the other share be one of the easy lines."""
WAIT_S: Final = 100.0
"""Longest wait for an answer: a small machine reads a prompt for half a minute."""
_RECORDED_S: Final = 5.0
_WORLD: Final = ROOT / "worlds" / "los-santos"
PEOPLE: Final = ("mara", "tobias", "jonelle", "kip", "mother-bell", "redd", "sgt-ogden", "detective-abara")
LINES: Final = (
    "Who runs these streets at night, you or the cops?",
    "I lost my brother in Saint Ansel last week. Did you hear anything?",
    "How much for a car that nobody looks for?",
    "You hiring? I need money by Friday.",
    "What do you think of the Ansel Nine?",
    "Somebody burned a van down at the docks. Was it you?",
    "Tell me about yourself. Where did you grow up?",
    "I swear I will pay you back tomorrow, all four hundred.",
    "Is it always this hot here in July?",
    "Give me your wallet or you will regret it.",
    "You look tired. Did you sleep at all?",
    "Where can I find a doctor who asks no questions?",
    "Why should I trust you?",
    "Who is stronger, the Salt Cartel or the Corvino Family?",
    "I saw three men carry a crate into the church.",
    "What is the fastest way to Windsock Airfield?",
    "Did anybody ask for me while I was away?",
    "Sell me a gun. A small one, for my purse.",
    "My name is Ben Ortega, and I drive a green pickup.",
    "Do you remember what I told you about the pier?",
    "lol ok whatever man, u crazy",
    "Are you married?",
    "I want to talk to your boss. Now.",
    "The police captain takes money from the cartel. I have pictures.",
    "What time is it, and when does the market close?",
    "I brought you coffee. Two sugars, right?",
    "What would you do with a million dollars?",
    "There is a blue key under the third stone. Keep it for me.",
    "If you talk to Redd again, we are done.",
    "Can you teach me how to open a lock?",
    "Who was the man in the white suit?",
    "I am sorry for what I said yesterday.",
    "What is the password?",
    "Count from one to twenty for me.",
    "Say that again, slowly, word by word, and then all of it once more.",
    "asdf jkl; 12345 !!! ???",
    "Wer ist hier der Chef, und wo finde ich ihn?",
    "Hast du Arbeit für mich? Ich kann fahren.",
    "¿Quién manda en este barrio?",
    "¿Me puedes prestar cien dólares hasta mañana?",
    "Qui t'a raconté ça, et pourquoi à toi ?",
    "Je cherche ma sœur, elle porte un manteau rouge.",
    "Você viu um carro preto passar por aqui?",
    "Где я могу купить хорошую машину?",
    "Кто убил старого Марко?",
    "Kto tu rządzi i ile to kosztuje?",
    "这条街是谁的地盘？",
    "من يحكم هذا الحي؟",
)
"""What players say. All are different; they ask, tell, threaten, beg, chat and type nonsense, in nine languages."""


@dataclass
class Answers:
    """What came of the lines. ``kinds``: first answers by what is wrong with them; ``valid`` where nothing is.
    ``unanswered``: first attempts that brought none, by the failure: a slow machine says nothing about the form."""

    kinds: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    tokens_in: list[int] = field(default_factory=list)
    tokens_out: list[int] = field(default_factory=list)
    hearing: Hearing = field(default_factory=lambda: Hearing(WAIT_S + SLACK_S))

    @property
    def valid_share(self) -> float:
        """Of the answers that came."""
        answers = self.kinds.total()
        return self.kinds["valid"] / answers if answers else 0.0

    @property
    def reached(self) -> bool:
        """Whether enough are valid, of enough."""
        answers = self.kinds.total()
        return self.valid_share >= GOAL and answers >= ANSWERED_FROM * (answers + self.unanswered.total())

    def as_stats(self) -> dict[str, Any]:
        """By name."""
        answers = self.kinds.total()
        return {
            "answers": answers,
            "valid": self.kinds["valid"],
            "valid_share": round(self.valid_share, 3),
            "kinds": dict(self.kinds),
            "unanswered": dict(self.unanswered),
            "spoken_by_model": len(self.hearing.times_s),
            "spoken_by_script": dict(self.hearing.why_not),
            "answer_p50_s": self.hearing.answer_s,
            "tokens_in_p50": statistics.median(self.tokens_in) if self.tokens_in else 0,
            "tokens_out_p50": statistics.median(self.tokens_out) if self.tokens_out else 0,
        }


def kind_of_answer(answer: str, finish: str) -> str:
    """``valid``, or what is wrong with an answer as it was recorded."""
    if not is_whole(answer):
        return f"no whole JSON object ({finish})"
    try:
        read_shape(ModelAnswer, answer)
    except AnswerMisshapen as wrong:
        return wrong.problem
    return "valid"


async def measure(home: Path, server: ModelServer, lines: Sequence[str]) -> Answers:
    """Say the lines in a world of its own. Raises GangGPTError."""
    found = Answers()
    settings = {**server.variables(home), "GANGGPT_AI_RECORD_DAYS": "1"}
    world = GangGPT(_WORLD, home / "world", home, settings)
    try:
        address = await world.start()
        await talks(address, found.hearing, lines)
        await read_records(world.data_dir, found)
    finally:
        await world.stop()
    return found


async def talks(address: Address, hearing: Hearing, lines: Sequence[str]) -> None:
    """Say each line to somebody, and hear the answer to its end. Raises Unavailable where it has none."""
    base = address.url.replace("ws://", "http://").partition("/v1/")[0]
    headers = {"Authorization": f"Bearer {address.token}"}
    async with (
        GameServer(address.url, address.token, "bench-answers") as game,
        httpx.AsyncClient(base_url=base, headers=headers, timeout=30, trust_env=False) as rest,
    ):
        for no in range(4):
            await game.send(f"player:p{no}", "Join", {"username": f"Player {no}", "server": "bench-answers"})
        for no, line in enumerate(lines):
            person = f"npc:{PEOPLE[no % len(PEOPLE)]}"
            answer = await game.send(person, "Talk", {"text": line}, by=f"player:p{no // len(PEOPLE) % 4}")
            assert answer.ok, answer
            (words,) = await hearing.words(game, rest, [answer.reply])
            told = f"{no + 1}/{len(lines)} {words.note('the model') or 'by the script, no model was asked'}"
            Console(stderr=True).print(f"[dim]{told}: {escape(words.text)}[/]", highlight=False)


async def read_records(data_dir: Path, found: Answers) -> None:
    """Judge the first answer to each request, once all are recorded, or a while after the last: one that did not end in
    time is not recorded."""
    run = read_run(data_dir)
    assert run is not None
    rows: list[asyncpg.Record] = []
    async with asyncpg.create_pool(run.database, min_size=0, max_size=1) as pool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RECORDED_S):
                while len(rows) < found.hearing.asked:
                    rows = await pool.fetch(_FIRST_ANSWERS)
                    await asyncio.sleep(0.1)
    for row in rows:
        if row["failure"]:
            found.unanswered[row["failure"]] += 1
            continue
        found.kinds[kind_of_answer(row["answer"], row["finish"])] += 1
        found.tokens_in.append(row["tokens_in"])
        found.tokens_out.append(row["tokens_out"])


_FIRST_ANSWERS: Final = """
SELECT DISTINCT ON (request_key) answer, finish, failure, tokens_in, tokens_out
FROM ai_exchanges WHERE request::json -> 'shape' ->> 'name' = 'ModelAnswer' ORDER BY request_key, no
"""


@asynccontextmanager
async def speaking(home: Path, url: str | None, model: str | None) -> AsyncIterator[ModelServer]:
    """The model that is measured: the one that is named, or the small one. Raises StartFailed."""
    if url is not None and model is not None:
        yield ModelServer(url, model, wait_s=WAIT_S)
        return
    small = SmallModel(home)
    try:
        await asyncio.to_thread(small.start)
        yield ModelServer(small.url, NAME, wait_s=WAIT_S)
    finally:
        await asyncio.to_thread(small.kill)


async def run(home: Path, url: str | None, model: str | None, lines: Sequence[str]) -> Answers:
    """Measure one model. Raises GangGPTError."""
    async with speaking(home, url, model) as server:
        await server.check()
        return await measure(home, server, lines)


def show(stats: dict[str, Any]) -> None:
    """A table for people."""
    title = f"{stats['answers']} answers to lines of players"
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_row("valid at the first attempt", f"{stats['valid_share']:.1%}", f"goal {GOAL:.0%}")
    for kind, count in stats["kinds"].items():
        table.add_row(f"  {kind}", str(count), "")
    for failure, count in stats["unanswered"].items():
        table.add_row(f"  no answer at the first attempt: {failure}", str(count), "")
    table.add_row("spoken by the model", str(stats["spoken_by_model"]), "")
    for why, count in stats["spoken_by_script"].items():
        table.add_row(f"  by the script: {why}", str(count), "")
    table.add_row("an answer, p50", f"{stats['answer_p50_s']:.1f} s", "")
    table.add_row("tokens in, out, p50", f"{stats['tokens_in_p50']:.0f}, {stats['tokens_out_p50']:.0f}", "")
    Console().print(table)


def main() -> int:
    """Measure and print. Exit status 1 where the goal was missed, 2 where nothing could be measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--url", help="of a server with OpenAI's protocol; needs --model")
    parser.add_argument("--model", help="the server's name of the model")
    parser.add_argument("--lines", type=int, default=len(LINES), help="how many of the lines are said")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ganggpt-answers-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)  # Postgres does not run as root, so another user has to get in
        try:
            answers = asyncio.run(run(Path(home), options.url, options.model, LINES[: options.lines]))
        except GangGPTError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    stats = answers.as_stats()
    if options.json:
        sys.stdout.write(json.dumps(stats) + "\n")
    else:
        show(stats)
    return 0 if answers.reached else 1


if __name__ == "__main__":
    sys.exit(main())
