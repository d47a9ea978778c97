"""How large prompts are in play, counted with a real tokenizer."""

from __future__ import annotations

import statistics

import bpe_openai
import pytest

from tests.support.prompted_town import prompts_of_play

TOKENS_P95 = 2_400
MARK_TOKENS_MAX = 150
"""The most of a message that may go into marks."""


@pytest.mark.slow
def test_prompts_of_play_stay_small_and_their_marks_cost_little() -> None:
    encoding = bpe_openai.get_encoding("o200k_base")

    def count(text: str) -> int:
        return len(encoding.encode(text))

    tokens, marks = [], []
    for actor, _, prompt in prompts_of_play(24):
        system, user = (text for _, text in prompt.messages())
        tokens.append(count(system) + count(user))
        unmarked = "\n".join(line for line in user.split("\n") if prompt.fence.mark not in line)
        marks.append(count(user) - count(unmarked))
        assert prompt.left_out == 0, actor
    p95 = statistics.quantiles(tokens, n=20)[-1]
    assert len(tokens) > 200
    assert p95 < TOKENS_P95
    assert max(marks) < MARK_TOKENS_MAX
