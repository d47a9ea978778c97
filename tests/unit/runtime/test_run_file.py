"""What a running world leaves behind, and who believes it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import psutil
import pytest
from pydantic import SecretStr

from ganggpt.config import Settings
from ganggpt.errors import StartFailed
from ganggpt.runtime.redis_address import redis_url
from ganggpt.runtime.run_file import (
    RUN_FILE,
    TOKEN_FILE,
    Run,
    bridge_token,
    read_run,
    remove_run,
    write_run,
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(
        bridge="ws://x", docs="", dashboard="", metrics="", health="", token_file="", data_dir=str(tmp_path),
        database="", pid=os.getpid(), ray_address="", started_s=psutil.Process().create_time(), ready_s=1.0,
    )  # fmt: skip


def settings(data_dir: Path, **chosen: object) -> Settings:
    return Settings.model_construct(**{**Settings.model_construct().model_dump(), "data_dir": data_dir, **chosen})


def test_a_living_run_is_found_and_a_removed_one_is_not(tmp_path: Path, run: Run) -> None:
    write_run(tmp_path, run)
    assert read_run(tmp_path) == run
    remove_run(tmp_path)
    assert read_run(tmp_path) is None


def test_a_number_that_now_belongs_to_another_process_is_not_a_run(tmp_path: Path, run: Run) -> None:
    write_run(tmp_path, msgspec.structs.replace(run, started_s=run.started_s - 3600))
    assert read_run(tmp_path) is None


def test_a_broken_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / RUN_FILE).write_text("{")
    assert read_run(tmp_path) is None


def test_a_token_is_made_once_and_only_its_user_may_read_it(tmp_path: Path) -> None:
    token = bridge_token(settings(tmp_path))
    assert len(token) >= 32
    assert bridge_token(settings(tmp_path)) == token
    assert (tmp_path / TOKEN_FILE).stat().st_mode & 0o777 == 0o600


def test_a_set_token_is_used_and_found_in_the_file_by_tools(tmp_path: Path) -> None:
    bridge_token(settings(tmp_path))
    mine = "a-token-of-mine-alone"
    assert bridge_token(settings(tmp_path, token=SecretStr(mine))) == mine
    assert (tmp_path / TOKEN_FILE).read_text() == mine


def test_tools_get_the_new_token_while_the_old_one_still_counts(tmp_path: Path) -> None:
    both = "the-new-token-of-ours,the-old-token-of-ours"
    assert bridge_token(settings(tmp_path, token=SecretStr(both))) == both
    assert (tmp_path / TOKEN_FILE).read_text() == "the-new-token-of-ours"
    assert bridge_token(settings(tmp_path)) == "the-new-token-of-ours", "it stays when the setting goes"


def test_a_short_token_in_the_data_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / TOKEN_FILE).write_text("secret\n")
    with pytest.raises(StartFailed, match="shorter than 16 characters"):
        bridge_token(settings(tmp_path))


@pytest.mark.parametrize(
    ("url", "password", "whole"),
    [
        ("redis://r:6379", None, "redis://r:6379"),
        ("redis://r:6379/1", "p@ss/word", "redis://:p%40ss%2Fword@r:6379/1"),
        ("rediss://user@r:6380", "secret", "rediss://user:secret@r:6380"),
        ("redis://:own@r:6379", "other", "redis://:own@r:6379"),
    ],
)
def test_the_redis_password_joins_a_url_without_one(tmp_path: Path, url: str, password: str | None, whole: str) -> None:
    chosen = settings(
        tmp_path, redis_url=SecretStr(url), redis_password=None if password is None else SecretStr(password)
    )
    assert redis_url(chosen) == whole
