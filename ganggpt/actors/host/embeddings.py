"""Embeddings of what the actors of a host learned: texts gather, a model embeds them, commands bring the vectors back.

Nothing waits for an embedding: a memory without one is found by its words. Equal texts of several actors are embedded
once. Texts over the bound, failed requests and those lost in a crash leave their memories without an embedding; all but
the last are counted.
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
"""Texts that may wait; further ones get no embedding."""
PER_TEXT_MAX: Final = 64
"""Actors that may wait for the embedding of one text."""
GATHER_S: Final = 60.0
"""How long texts gather before a request leaves that is not full. Nothing waits for them, and a quiet host makes at
most 60 requests an hour this way."""
WITHIN_S: Final = 20.0
MODEL: Final = "model:embeddings"
"""The sender of the commands."""


class _Learned(NamedTuple):
    actor: str
    seq: int
    no: int
    about: str | None


class Embeddings:
    """Owns the waiting texts, in order of arrival. ``embedded`` and ``missed`` count memories."""

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
        """Collect what an actor learned or reworded in a turn."""
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
        """Embed what gathered until cancelled, one request at a time."""
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
        # A text about several players belongs to none of them.
        owners = [who[0].about if len({one.about for one in who}) == 1 else None for who in learned]
        try:
            async with asyncio.timeout(WITHIN_S):
                found = await self._model.embed(texts, owners)
        except (GangGPTError, TimeoutError) as failed:
            self.missed += sum(map(len, learned))
            log.info("%d texts got no embedding: %s", len(texts), failed or "no answer in time")
            return
        envelopes = []
        for text, who, embedding in zip(texts, learned, found, strict=True):
            for actor, seq, no, _ in who:
                command_id = derived_command_id(self._clock.now_s(), actor, seq, "embed", no)
                body = Raw(encode_command(Embed(no, embedding, text)))
                envelopes.append(Envelope(command_id, actor, MODEL, Embed.tag, body, inner=True))
        self._peers.submit(envelopes, self._answered, MODEL)

    def _answered(self, _: bytes, answer: bytes) -> None:
        if error_of(answer) is None:
            self.embedded += 1
        else:
            self.missed += 1
