"""The bearer token of the bridge, and two of them while one replaces the other."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from ganggpt.errors import Unauthorized
from ganggpt.serve.auth import BearerToken

NEW, OLD = "the-new-token-of-ours", "the-old-token-of-ours"


def accepts(tokens: str, *headers: str) -> bool:
    try:
        BearerToken(SecretStr(tokens)).check([(b"Authorization", header.encode()) for header in headers])
    except Unauthorized:
        return False
    return True


def test_both_tokens_count_while_one_replaces_the_other() -> None:
    for tokens, new, old in (
        (OLD, False, True),
        (f"{NEW},{OLD}", True, True),
        (f"{NEW}, {OLD}", True, True),
        (NEW, True, False),
    ):
        assert accepts(tokens, f"Bearer {NEW}") is new
        assert accepts(tokens, f"bearer {OLD}") is old


@pytest.mark.parametrize(
    "header", [f"Bearer {NEW},{OLD}", f"Bearer {NEW[:-1]}", "Bearer ", "Bearer", f"Basic {NEW}", NEW]
)
def test_nothing_else_counts(header: str) -> None:
    assert not accepts(f"{NEW},{OLD}", header)


def test_two_headers_and_none_are_refused() -> None:
    assert not accepts(NEW, f"Bearer {NEW}", f"Bearer {NEW}")
    assert not accepts(NEW)


def test_without_a_token_nobody_is_let_in() -> None:
    assert not accepts("", "Bearer ")
    assert not accepts(",", "Bearer ,")
