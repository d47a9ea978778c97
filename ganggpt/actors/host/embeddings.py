"""What the actors of a host learned gets a meaning by a model: gathered, asked for together, told back as commands.

Nobody waits for it and nothing depends on it: a memory without a vector is found by its words. Equal texts of several
actors are asked once. What is over the bound, what fails and what a crash interrupts stays without one, and is counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from msgspec import Raw

from ganggpt.actors.envelope import Envelope, error_of
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.identity import DatabaseClock
from ganggpt.actors.ports import CommandPort, ModelPort
from ganggpt.domain.ids import derived_command_id
from ganggpt.domain.kinds import encode_command
from ganggpt.domain.mind.commands import Embed
from ganggpt.domain.mind.embedding import is_worth
from ganggpt.domain.mind.memory import Remembered, Reworded
from ganggpt.domain.turn import Event
from ganggpt.errors import GangGPTError

log = logging.getLogger(__name__)

TEXTS_AT_ONCE: Final = 128
"""Texts of one request."""
WAITING_MAX: Final = 2048
"""Texts that wait; what comes over it stays without a meaning."""
PER_TEXT_MAX: Final = 64
"""Actors that wait for the meaning of one text."""
GATHER_S: Final = 60.0
"""How long news gather before they are asked for together, if a request is not full sooner: nobody is in a hurry for
them, and an hour has so at most 60 requests of a quiet host."""
WITHIN_S: Final = 20.0
MODEL: Final = "model:embeddings"
"""Who sends the commands."""


class _Learned(NamedTuple):
    actor: str
    seq: int
    no: int
    about: str | None


class Meanings:
    """Owns the texts that wait, in the order they came. ``note`` is called with every turn, ``run`` asks for ever."""

    def __init__(self, model: ModelPort, peers: CommandPort, clock: DatabaseClock) -> None:
        self._model = model
        self._peers = peers
        self._clock = clock
        self._waiting: dict[str, list[_Learned]] = {}
        self._news, self._full = asyncio.Event(), asyncio.Event()
        self.embedded = 0
        self.missed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, activation: Activation, seq: int, events: Sequence[Event]) -> None:
        """What an actor learned in a turn, or put into other words."""
        if Embed.tag not in activation.kind.commands:
            return
        for event in events:
            if isinstance(event, Remembered) and is_worth(event.memory):
                memory = event.memory
                self._wait(memory.text, _Learned(activation.actor, seq, memory.no, memory.about))
            elif isinstance(event, Reworded):
                held = next((m for m in activation.state.mind.memories if m.no == event.no), None)
                if held is not None and is_worth(held):
                    self._wait(event.text, _Learned(activation.actor, seq, event.no, held.about))

    async def run(self) -> None:
        """Ask for what gathered, again and again; one request at a time."""
        while True:
            await self._news.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_S):
                    await self._full.wait()
            texts = [*self._waiting][:TEXTS_AT_ONCE]
            learned = [self._waiting.pop(text) for text in texts]
            if len(self._waiting) < TEXTS_AT_ONCE:
                self._full.clear()
            if not self._waiting:
                self._news.clear()
            await self._ask(texts, learned)

    def _wait(self, text: str, learned: _Learned) -> None:
        known = self._waiting.get(text)
        if known is None and len(self._waiting) < WAITING_MAX:
            known = self._waiting[text] = []
            self._news.set()
            if len(self._waiting) >= TEXTS_AT_ONCE:
                self._full.set()
        if known is None or len(known) >= PER_TEXT_MAX:
            self.missed += 1
        else:
            known.append(learned)

    async def _ask(self, texts: list[str], learned: list[list[_Learned]]) -> None:
        # A text that several players have in common is nobody's alone.
        owners = [who[0].about if len({one.about for one in who}) == 1 else None for who in learned]
        try:
            async with asyncio.timeout(WITHIN_S):
                found = await self._model.embed(texts, owners)
        except (GangGPTError, TimeoutError) as failed:
            self.missed += sum(map(len, learned))
            log.info("%d memories stay without a meaning: %s", len(texts), failed or "no answer in time")
            return
        envelopes = []
        for text, who, embedding in zip(texts, learned, found, strict=True):
            for actor, seq, no, _ in who:
                command_id = derived_command_id(self._clock.now_s(), actor, seq, "embed", no)
                body = Raw(encode_command(Embed(no, embedding, text)))
                envelopes.append(Envelope(command_id, actor, MODEL, Embed.tag, body, inner=True))
        self._peers.submit(envelopes, self._told, MODEL)

    def _told(self, _: bytes, answer: bytes) -> None:
        if error_of(answer) is None:
            self.embedded += 1
        else:
            self.missed += 1
