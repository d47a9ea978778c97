"""The questions that the runbook asks the database are understood by it."""

from __future__ import annotations

import re

import asyncpg
import pytest

from tests.support.pages import text_of

pytestmark = pytest.mark.integration
QUESTIONS = re.findall(r"```sql\n(.*?)```", text_of("docs/OPERATIONS.md"), re.DOTALL)


def test_the_runbook_asks_questions() -> None:
    assert QUESTIONS


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_question_has_an_answer(question: str, pool: asyncpg.Pool) -> None:
    assert isinstance(await pool.fetch(question, timeout=10), list)
