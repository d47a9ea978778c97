"""How the demo hears what people say: an answer to its end, and whether a model or the script chose the words."""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx

from ganggpt.client.game_server import GameServer
from ganggpt.errors import Unavailable

SLACK_S: Final = 40.0
"""How much later than the wait for a model an answer may end: its host may be lost while the model writes, and then a
reminder ends it."""
_REMEMBERED: Final = ("cause: ", "memory: ", "holds: ", "note: ")
"""How the lines of a prompt begin that hold what is remembered."""


@dataclass(frozen=True, slots=True)
class HeardWords:
    """What was said, and ``after_s`` seconds after the reply its last sentence. ``asked``: whether a model was asked;
    ``why_not``: why the script spoke all the same, empty where the model did. ``prompt``: what the model was told."""

    text: str
    asked: bool = False
    why_not: str = ""
    prompt: str = ""
    after_s: float = 0.0

    @property
    def by_model(self) -> bool:
        """Whether a model chose the words."""
        return self.asked and not self.why_not

    def note(self, model: str) -> str:
        """Who chose the words, for people."""
        if not self.asked:
            return ""
        if self.by_model:
            return f"by {model}, {self.after_s:.1f} s"
        return f"by the script, {model} was asked: {self.why_not}"

    def told_of(self, what: str) -> str:
        """What the prompt told the model of something as a thing to remember; empty where that is nothing."""
        lines = (line for line in self.prompt.splitlines() if line.startswith(_REMEMBERED) and what in line)
        return next(lines, "").partition(": ")[2]


@dataclass
class Hearing:
    """Owns what was heard of a model in a run. ``within_s``: longest wait for the end of an answer."""

    within_s: float
    times_s: list[float] = field(default_factory=list)
    why_not: Counter[str] = field(default_factory=Counter)

    @property
    def asked(self) -> int:
        """Answers for which a model was asked."""
        return len(self.times_s) + self.why_not.total()

    @property
    def answer_s(self) -> float:
        """Median time of an answer by the model, in seconds."""
        return round(statistics.median(self.times_s), 1) if self.times_s else 0.0

    async def words(
        self, server: GameServer, rest: httpx.AsyncClient, replies: Sequence[Mapping[str, Any]]
    ) -> list[HeardWords]:
        """The whole text of answers: with a model, a reply is only its beginning, and the sentences come as pushes. A
        player who waits for a turn is not waited for. Raises Unavailable for one that does not end in time."""
        said: dict[str, list[str]] = {str(one["utterance"]): [] for one in replies if one.get("more")}
        said.pop("None", None)
        ended: dict[str, float] = {}
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(self.within_s):
                while said.keys() - ended.keys():
                    push = await server.next_push(self.within_s)
                    utterance = push.body.get("utterance")
                    if push.type.endswith((".says", ".hush")) and utterance in said:
                        said[utterance].append(push.body.get("say", ""))
                        if push.type.endswith(".hush") or push.body["final"]:
                            ended[utterance] = loop.time() - began_s
        except TimeoutError:
            missing = ", ".join(sorted(said.keys() - ended.keys()))
            raise Unavailable(f"the end of {missing}", f"it did not come within {self.within_s:g} s") from None
        return [
            await self._made(rest, utterance, " ".join(filter(None, said[utterance])), ended[utterance])
            if (utterance := str(one.get("utterance"))) in said
            else HeardWords(one["say"])
            for one in replies
        ]

    async def _made(self, rest: httpx.AsyncClient, utterance: str, text: str, after_s: float) -> HeardWords:
        """What was said, with who chose the words."""
        shown = await rest.get(f"/v1/utterances/{quote(utterance)}")
        made = shown.raise_for_status().json()["made"]
        why_not = "" if made["model"] != "scripted" else str((made["guards"] or ["failing"])[-1])
        if why_not:
            self.why_not[why_not] += 1
        else:
            self.times_s.append(after_s)
        return HeardWords(text, True, why_not, made["prompt"], after_s)
